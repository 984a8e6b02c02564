"""What stands between the braces: commands, joined by pipes, made of operands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from gotemplate import literals, nodes
from gotemplate.cursor import Cursor, unexpected
from gotemplate.lexer import Kind, SyntaxFault

_OPERANDS = frozenset(
    [
        Kind.BOOL,
        Kind.RUNE,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.OPEN,
    ]
)
T = TypeVar("T")
_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)


class PipelineParser:
    """`variables` are those that may be used at this place; "$" always is."""

    def __init__(
        self, cursor: Cursor, functions: Collection[str], unknown: list[nodes.Identifier]
    ) -> None:
        self._cursor = cursor
        self._functions = functions
        self._unknown = unknown
        self.variables = ["$"]

    def pipeline(self, context: str, end: Kind) -> nodes.Pipeline:
        at = self._cursor.skip_space().at
        variables, assigns = self._declarations(context)
        commands: list[nodes.Command] = []
        while (token := self._cursor.skip_space()).kind is not end:
            if token.kind not in _OPERANDS and token.text != "nil":
                unexpected(token, context)
            commands.append(self._command())
        self._cursor.next += 1
        if not commands:
            raise SyntaxFault(token.at, f"{context} needs a value")
        for command in commands[1:]:
            if isinstance(command.words[0], _CONSTANTS):
                raise SyntaxFault(
                    command.at, f"{nodes.describe(command.words[0])} is no function to pipe into"
                )
        return nodes.Pipeline(at, tuple(commands), variables, assigns)

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =`, and for range also `$i, $x :=`."""
        names: list[str] = []
        while True:
            start = self._cursor.next
            variable = self._cursor.skip_space()
            if variable.kind is not Kind.VARIABLE:
                return tuple(names), False
            self._cursor.next += 1
            token = self._cursor.skip_space()
            if token.kind in (Kind.ASSIGN, Kind.DECLARE, Kind.COMMA):
                self._cursor.next += 1
                names.append(variable.text)
                self.variables.append(variable.text)
                if token.kind is not Kind.COMMA:
                    return tuple(names), token.kind is Kind.ASSIGN
                if context != "range" or len(names) > 1:
                    raise SyntaxFault(token.at, f"{context} declares one variable at most")
                following = self._cursor.skip_space()
                if following.kind in (Kind.VARIABLE, Kind.RIGHT, Kind.CLOSE):
                    continue
                raise SyntaxFault(following.at, "expected the second variable of {{range}}")
            self._cursor.next = start
            return tuple(names), False

    def _command(self) -> nodes.Command:
        at = self._cursor.skip_space().at
        words: list[nodes.Operand] = []
        while True:
            operand = self._operand()
            if operand is not None:
                words.append(operand)
            token = self._cursor.take()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.CLOSE):
                self._cursor.next -= 1
            elif token.kind is not Kind.PIPE:
                unexpected(token, "an operand")
            return nodes.Command(at, tuple(words))

    def _operand(self) -> nodes.Operand | None:
        node = self._term()
        if node is None:
            return None
        names: list[str] = []
        at = self._cursor.offset()
        while (token := self._cursor.peek()).kind is Kind.FIELD:
            self._cursor.next += 1
            names.append(token.text[1:])
        if not names:
            return node
        match node:
            case nodes.Field():
                return nodes.Field(node.at, (*node.names, *names))
            case nodes.Variable():
                return nodes.Variable(node.at, node.name, (*node.names, *names))
            case nodes.Bool() | nodes.String() | nodes.Number() | nodes.Nil() | nodes.Dot():
                raise SyntaxFault(node.at, f"{nodes.describe(node)} has no fields")
            case _:
                return nodes.Chain(at, node, tuple(names))

    def _term(self) -> nodes.Operand | None:
        token = self._cursor.skip_space()
        self._cursor.next += 1
        match token.kind:
            case Kind.IDENTIFIER:
                function = nodes.Identifier(token.at, token.text)
                if token.text not in self._functions:
                    self._unknown.append(function)
                return function
            case Kind.DOT:
                return nodes.Dot(token.at)
            case Kind.KEYWORD if token.text == "nil":
                return nodes.Nil(token.at)
            case Kind.VARIABLE:
                if token.text not in self.variables:
                    raise SyntaxFault(
                        token.at,
                        f"the variable {token.text} is not defined here",
                        hint=f"declare it in this block or around it: {{{{{token.text} := …}}}}",
                    )
                return nodes.Variable(token.at, token.text, ())
            case Kind.FIELD:
                return nodes.Field(token.at, (token.text[1:],))
            case Kind.BOOL:
                return nodes.Bool(token.at, token.text == "true")
            case Kind.NUMBER:
                return constant(token.at, lambda: literals.number(token.at, token.text))
            case Kind.RUNE:
                return constant(token.at, lambda: literals.character(token.at, token.text))
            case Kind.OPEN:
                self._cursor.enter(token.at)
                inner = self.pipeline("parentheses", Kind.CLOSE)
                self._cursor.leave()
                return inner
            case Kind.STRING | Kind.RAW_STRING:
                text = constant(token.at, lambda: literals.unquote(token.text))
                return nodes.String(token.at, token.text, text)
        self._cursor.next -= 1
        return None


def constant(at: int, make: Callable[[], T]) -> T:
    try:
        return make()
    except literals.BadConstant as error:
        raise SyntaxFault(at, str(error)) from error
