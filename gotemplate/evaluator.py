"""What does a parsed template make of its data?

One Evaluation lives as long as one rendering.  Data are reached by key and by index only: no value
of a template has attributes, methods or a way to Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Final, NoReturn

from gotemplate import calls, missing, nodes, printing
from gotemplate.errors import LimitExceeded
from gotemplate.functions import methods
from gotemplate.functions.signature import CallFault, FunctionTable
from gotemplate.limits import Budget
from gotemplate.outcome import Failure, Piece
from gotemplate.values import (
    NO_VALUE,
    GoObject,
    StringMap,
    Struct,
    is_true,
    plain_name,
)


class _Loop(Enum):
    """How the body of a range came to its end, when not by itself."""

    BREAK = auto()
    CONTINUE = auto()


class _Absent:
    __slots__ = ()


_ABSENT: Final = _Absent()  # no value comes down the pipe


class Evaluation:
    def __init__(
        self,
        templates: Mapping[str, nodes.Nodes],
        data: dict[str, object],
        *,
        functions: FunctionTable,
        missing_key: str,
        budget: Budget,
    ) -> None:
        self._templates = templates
        self._data = data
        self._functions = functions
        self._missing_key = missing_key
        self._budget = budget
        self._depth = 0
        self._bytes_left = budget.limits.output_bytes
        self._variables: list[tuple[str, object]] = [("$", data)]
        self._at = 0
        self.pieces: list[Piece] = []

    def run(self, root: nodes.Nodes) -> None:
        try:
            self._walk(root, self._data)
        except LimitExceeded as error:
            raise Failure(self._at, error.message, code="limit", hint=error.hint) from error
        except RecursionError as error:
            raise Failure(self._at, "the template is nested too deep", code="limit") from error

    # Nodes

    def _walk(self, body: nodes.Nodes, dot: object) -> _Loop | None:
        self._enter()
        for node in body:
            self._budget.spend(1)
            self._at = node.at
            kind = type(node)
            if kind is nodes.Text:
                self._write(node.at, node.text, is_literal=True)  # type: ignore[union-attr]
                continue
            if kind is nodes.Action:
                self._action(node, dot)  # type: ignore[arg-type]
                continue
            ended = self._control(node, dot)
            if ended is not None:
                self._depth -= 1
                return ended
        self._depth -= 1
        return None

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > self._budget.limits.depth:
            raise LimitExceeded(
                f"templates, blocks and parentheses are nested deeper than"
                f" {self._budget.limits.depth}",
                hint="does a template call itself?",
            )

    def _control(self, node: nodes.Node, dot: object) -> _Loop | None:
        match node:
            case nodes.If() | nodes.With():
                return self._if_or_with(node, dot)
            case nodes.Range():
                return self._range(node, dot)
            case nodes.Break():
                return _Loop.BREAK
            case nodes.Continue():
                return _Loop.CONTINUE
            case nodes.Call():
                self._call_template(node, dot)
        return None

    def _write(self, at: int, text: str, *, is_literal: bool = False) -> None:
        self._bytes_left -= len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._bytes_left < 0:
            raise LimitExceeded(
                f"the output is larger than {self._budget.limits.output_bytes} bytes"
            )
        self.pieces.append(Piece(at, text, is_literal))

    def _action(self, node: nodes.Action, dot: object) -> None:
        # Most of what a template prints is one text of the data: half the time for the same.
        if node.field and type(dot) is dict and self._depth < self._budget.limits.depth:
            text = dot.get(node.field)
            if type(text) is str:
                self._budget.spend(1)
                self._write(node.at, text)
                return
        value = self._pipeline(node.pipeline, dot)
        if node.pipeline.variables:
            return
        self._write(node.at, printing.plain(value, self._budget))

    def _if_or_with(self, node: nodes.If | nodes.With, dot: object) -> _Loop | None:
        mark = len(self._variables)
        value = self._pipeline(node.pipeline, dot)
        if is_true(value):
            ended = self._walk(node.body, value if type(node) is nodes.With else dot)
        else:
            ended = self._walk(node.otherwise, dot)
        del self._variables[mark:]
        return ended

    def _range(self, node: nodes.Range, dot: object) -> _Loop | None:
        mark = len(self._variables)
        value = self._pipeline(node.pipeline, dot)
        inner = len(self._variables)
        ran = False
        for key, element in self._entries(node, value):
            ran = True
            self._budget.spend(1)
            self._set_loop_variables(node.pipeline, key, element)
            ended = self._walk(node.body, element)
            del self._variables[inner:]
            if ended is _Loop.BREAK:
                break
        ended = None if ran else self._walk(node.otherwise, dot)
        del self._variables[mark:]
        return ended

    def _entries(self, node: nodes.Range, value: object) -> Iterable[tuple[object, object]]:
        if isinstance(value, list):
            return enumerate(value)
        if isinstance(value, dict) and not isinstance(value, Struct | GoObject):
            self._budget.spend(len(value))
            return [(key, value[key]) for key in sorted(value)]
        if value is NO_VALUE:
            return ()
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipeline.variables) > 1:
                self._fail(node, "a range over a number has one variable, not two")
            return ((NO_VALUE, index) for index in range(value))
        return self._fail(node, f"range can't go through {plain_name(value)}")

    def _set_loop_variables(self, pipeline: nodes.Pipeline, key: object, element: object) -> None:
        names = pipeline.variables
        if not names:
            return
        if pipeline.assigns:
            self._assign(pipeline, names[0], key if len(names) > 1 else element)
            if len(names) > 1:
                self._assign(pipeline, names[1], element)
            return
        self._variables[-1] = (names[-1], element)
        if len(names) > 1:
            self._variables[-2] = (names[0], key)

    def _call_template(self, node: nodes.Call, dot: object) -> None:
        body = self._templates.get(node.name)
        if body is None:
            known = ", ".join(sorted(self._templates)) or "none"
            self._fail(node, f"there is no template {node.name!r}; defined are: {known}")
        value = NO_VALUE if node.pipeline is None else self._pipeline(node.pipeline, dot)
        outer, self._variables = self._variables, [("$", value)]
        self._walk(body, value)
        self._variables = outer

    # Variables

    def _assign(self, node: nodes.Pipeline, name: str, value: object) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return
        self._fail(node, f"the variable {name} is not defined; declare it with :=")

    def _variable(self, node: nodes.Variable) -> object:
        variables = self._variables
        for index in range(len(variables) - 1, -1, -1):
            if variables[index][0] == node.name:
                self._budget.spend((len(variables) - index) // 8)
                return variables[index][1]
        return self._fail(node, f"the variable {node.name} has no value yet")

    # Pipelines

    def _pipeline(self, pipeline: nodes.Pipeline, dot: object) -> object:
        self._enter()
        value: object = _ABSENT
        for command in pipeline.commands:
            self._budget.spend(1)
            value = self._command(command, dot, value)
            if value is None:
                value = NO_VALUE
        for name in pipeline.variables:
            if pipeline.assigns:
                self._assign(pipeline, name, value)
            else:
                self._variables.append((name, value))
        self._depth -= 1
        return value

    def _command(self, command: nodes.Command, dot: object, piped: object) -> object:
        first = command.words[0]
        if type(first) is nodes.Identifier:
            return self._function(first, command.words[1:], dot, piped)
        if len(command.words) > 1 or piped is not _ABSENT:
            return self._method(first, command.words[1:], dot, piped)
        if type(first) is nodes.Nil:
            self._fail(first, "nil alone says nothing")
        return self._value(first, dot)

    def _method(
        self, node: nodes.Operand, words: Sequence[nodes.Operand], dot: object, piped: object
    ) -> object:
        """Ask a version or a time something; nothing else has methods that take an argument."""
        if isinstance(node, nodes.Field | nodes.Variable | nodes.Chain) and node.names:
            owner = self._value(replace(node, names=node.names[:-1]), dot)
            method = methods.of(owner, node.names[-1])
            if method is not None:
                given = [self._value(word, dot) for word in words]
                given += [piped] * (piped is not _ABSENT)
                if len(given) != 1:
                    self._fail(node, f"{node.names[-1]} takes one argument")
                try:
                    return method(given[0])
                except CallFault as fault:
                    self._fail(node, f"{node.names[-1]}: {fault.message}", hint=fault.hint)
        return self._fail(node, f"{nodes.describe(node)} is no function, so it takes no arguments")

    def _value(self, node: nodes.Operand, dot: object) -> object:
        match node:
            case nodes.Field():
                return self._fields(node, dot, dot)
            case nodes.String() | nodes.Number() | nodes.Bool():
                return node.value
            case nodes.Variable():
                value = self._variable(node)
                return self._fields(node, value, dot) if node.names else value
            case nodes.Dot():
                return dot
            case nodes.Pipeline():
                return self._pipeline(node, dot)
            case nodes.Identifier():
                return self._function(node, (), dot, _ABSENT)
            case nodes.Chain():
                if isinstance(node.operand, nodes.Nil):
                    self._fail(node, "nil has no fields")
                return self._fields(node, self._value(node.operand, dot), dot)
            case nodes.Nil():
                return None

    def _fields(
        self, node: nodes.Field | nodes.Variable | nodes.Chain, value: object, dot: object
    ) -> object:
        for index, name in enumerate(node.names):
            if isinstance(value, dict):
                try:
                    value = value[name]
                except KeyError:
                    if self._missing_key == "error" or isinstance(value, Struct | GoObject):
                        self._missing(node, index, value, dot)
                    is_text = self._missing_key == "zero" and isinstance(value, StringMap)
                    value = "" if is_text else None if self._missing_key == "zero" else NO_VALUE
            elif value is NO_VALUE and self._missing_key != "error":
                continue
            else:
                self._missing(node, index, value, dot)
        return value

    def _missing(
        self,
        node: nodes.Field | nodes.Variable | nodes.Chain,
        index: int,
        holder: object,
        dot: object,
    ) -> NoReturn:
        offset = node.at + len(node.name) if isinstance(node, nodes.Variable) else node.at
        offset += sum(len(name) + 1 for name in node.names[:index])
        fact, hint = missing.explain(node, index, holder=holder, root=self._data, dot=dot)
        nothing = holder is None or holder is NO_VALUE or isinstance(holder, dict)
        code = "missing-key" if nothing else "execution"
        raise Failure(offset, fact, code=code, hint=hint, of_root=holder is self._data)

    # Functions

    def _function(
        self,
        node: nodes.Identifier,
        words: tuple[nodes.Operand, ...],
        dot: object,
        piped: object,
    ) -> object:
        name = node.name
        self._budget.spend(len(words))
        called = self._functions.get(name)
        if called is None:
            self._fail(node, f"there is no function {name!r}")
        calls.check_count(node, called, len(words) + (piped is not _ABSENT))
        if name in ("and", "or"):
            return self._and_or(name, words, dot, piped)
        parameters = called.parameters
        arguments: list[object] = []
        for index, word in enumerate(words):
            parameter = parameters[index] if index < len(parameters) else called.rest
            assert parameter is not None
            if type(word) is nodes.Number:
                arguments.append(calls.constant(called, parameter, word))
            else:
                value = self._value(word, dot)
                arguments.append(calls.checked(called, parameter, value, word))
        if piped is not _ABSENT:
            index = len(arguments)
            parameter = parameters[index] if index < len(parameters) else called.rest
            assert parameter is not None
            arguments.append(calls.checked(called, parameter, piped, node))
        self._at = node.at
        return calls.run(node, called, arguments, self._budget)

    def _and_or(
        self, name: str, words: tuple[nodes.Operand, ...], dot: object, piped: object
    ) -> object:
        value: object = None
        for word in words:
            value = self._value(word, dot)
            if is_true(value) == (name == "or"):
                return value
        return value if piped is _ABSENT else piped

    def _fail(self, node: nodes.Node | nodes.Operand, message: str, *, hint: str = "") -> NoReturn:
        raise Failure(node.at, message, hint=hint)
