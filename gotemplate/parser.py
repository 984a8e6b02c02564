"""What does a template say?  From tokens to nodes, by Go's grammar.

Unknown functions do not end the parse: all of them are told at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gotemplate import literals, nodes
from gotemplate.cursor import Cursor, unexpected
from gotemplate.lexer import Kind, SyntaxFault, Token, tokenize
from gotemplate.pipelines import PipelineParser, constant


@dataclass(frozen=True, slots=True)
class Parsed:
    """The template itself and those that it defines, by name."""

    root: nodes.Nodes
    templates: dict[str, nodes.Nodes]


@dataclass(frozen=True, slots=True)
class _Stop:
    """{{end}} or {{else}}: where a list of nodes ends."""

    at: int
    word: str


def parse(
    text: str, *, functions: Collection[str], unknown: list[nodes.Identifier], root: str = ""
) -> Parsed:
    """Raise SyntaxFault at the first place that is wrong; `unknown` gathers unknown functions.

    `root` is a name that no template in the text may take, for it is the text's own.
    """
    parser = _Parser(tokenize(text), functions, unknown)
    parser.root = root
    body = parser.parse_root()
    return Parsed(body, parser.templates)


def is_empty(body: nodes.Nodes) -> bool:
    """White space alone does not count as a definition."""
    return all(isinstance(node, nodes.Text) and not node.text.strip() for node in body)


class _Parser:
    def __init__(
        self, tokens: list[Token], functions: Collection[str], unknown: list[nodes.Identifier]
    ) -> None:
        self._cursor = Cursor(tokens)
        self.root = ""
        self._pipelines = PipelineParser(self._cursor, functions, unknown)
        self._range_depth = 0
        self.templates: dict[str, nodes.Nodes] = {}

    # Lists of nodes

    def parse_root(self) -> nodes.Nodes:
        body: list[nodes.Node] = []
        while (token := self._cursor.peek()).kind is not Kind.END:
            start = self._cursor.next
            if token.kind is Kind.LEFT:
                self._cursor.next += 1
                word = self._cursor.take_word()
                if word.kind is Kind.KEYWORD and word.text == "define":
                    self._define()
                    continue
                self._cursor.next = start
            node = self._text_or_action()
            if isinstance(node, _Stop):
                raise SyntaxFault(node.at, f"this {{{{{node.word}}}}} closes nothing")
            body.append(node)
        return tuple(body)

    def _body(self, opener: Token) -> tuple[nodes.Nodes, _Stop]:
        body: list[nodes.Node] = []
        while self._cursor.peek().kind is not Kind.END:
            node = self._text_or_action()
            if isinstance(node, _Stop):
                return tuple(body), node
            body.append(node)
        raise SyntaxFault(
            opener.at, f"this {{{{{opener.text}}}}} has no {{{{end}}}}", hint="add {{end}}"
        )

    def _text_or_action(self) -> nodes.Node | _Stop:
        token = self._cursor.take_word()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.at, token.text)
        if token.kind is not Kind.LEFT:
            unexpected(token, "the text")
        word = self._cursor.skip_space()
        if word.kind is not Kind.KEYWORD or word.text == "nil":
            pipeline = self._pipelines.pipeline("an action", Kind.RIGHT)
            return nodes.Action(word.at, pipeline, nodes.only_field(pipeline))
        self._cursor.next += 1
        match word.text:
            case "if":
                return self._control(word, nodes.If)
            case "with":
                return self._control(word, nodes.With)
            case "range":
                return self._control(word, nodes.Range)
            case "end":
                self._cursor.expect_right("{{end}}")
                return _Stop(word.at, "end")
            case "else":
                return self._else(word)
            case "break" | "continue":
                return self._leave_loop(word)
            case "template":
                return self._call(word)
            case "block":
                return self._block(word)
            case _:
                raise SyntaxFault(word.at, "{{define}} can't stand inside of another block")

    # Controls

    def _control(
        self, word: Token, kind: type[nodes.If] | type[nodes.With] | type[nodes.Range]
    ) -> nodes.Node:
        self._cursor.enter(word.at)
        known = len(self._pipelines.variables)
        pipeline = self._pipelines.pipeline(word.text, Kind.RIGHT)
        self._range_depth += kind is nodes.Range
        body, stop = self._body(word)
        self._range_depth -= kind is nodes.Range
        otherwise: nodes.Nodes = ()
        if stop.word == "else":
            following = self._cursor.skip_space()
            if following.kind is Kind.KEYWORD and following.text == word.text != "range":
                self._cursor.next += 1
                otherwise = (self._control(following, kind),)
            else:
                otherwise = self._after_else(word)
        del self._pipelines.variables[known:]
        self._cursor.leave()
        return kind(pipeline.at, pipeline, body, otherwise)

    def _after_else(self, word: Token) -> nodes.Nodes:
        token = self._cursor.skip_space()
        if token.kind is Kind.KEYWORD and token.text in ("if", "with"):
            raise SyntaxFault(
                token.at,
                f"{{{{else {token.text}}}}} can't stand in {{{{{word.text}}}}}",
                hint=f"write {{{{else}}}}{{{{{token.text} …}}}} and close both with {{{{end}}}}",
            )
        otherwise, stop = self._body(word)
        if stop.word != "end":
            raise SyntaxFault(stop.at, f"this {{{{{word.text}}}}} has a second {{{{else}}}}")
        return otherwise

    def _else(self, word: Token) -> _Stop:
        following = self._cursor.skip_space()
        if following.kind is not Kind.KEYWORD or following.text not in ("if", "with"):
            self._cursor.expect_right("{{else}}")
        return _Stop(word.at, "else")

    def _leave_loop(self, word: Token) -> nodes.Node:
        self._cursor.expect_right(f"{{{{{word.text}}}}}")
        if not self._range_depth:
            raise SyntaxFault(word.at, f"{{{{{word.text}}}}} can only stand in a {{{{range}}}}")
        return nodes.Break(word.at) if word.text == "break" else nodes.Continue(word.at)

    # Templates

    def _template_name(self, context: str) -> Token:
        token = self._cursor.take_word()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            if token.kind is Kind.IDENTIFIER:
                raise SyntaxFault(token.at, "the template's name must stand in double quotes")
            unexpected(token, context)
        return token

    def _define(self) -> None:
        token = self._template_name("{{define}}")
        self._cursor.expect_right("{{define}}")
        self._definition(token, "define")

    def _definition(self, token: Token, word: str) -> str:
        name = constant(token.at, lambda: literals.unquote(token.text))
        outer = self._pipelines.variables, self._range_depth
        self._pipelines.variables, self._range_depth = ["$"], 0
        self._cursor.enter(token.at)
        body, stop = self._body(Token(Kind.KEYWORD, token.at, word))
        self._cursor.leave()
        self._pipelines.variables, self._range_depth = outer
        if stop.word != "end":
            raise SyntaxFault(stop.at, f"{{{{else}}}} can't stand in {{{{{word}}}}}")
        if self.root and name == self.root and not is_empty(body):
            raise SyntaxFault(token.at, f"{token.text} is the name of the whole template")
        known = self.templates.get(name)
        if known is None or is_empty(known):
            self.templates[name] = body
        elif not is_empty(body):
            raise SyntaxFault(token.at, f"the template {token.text} is defined twice")
        return name

    def _call(self, word: Token) -> nodes.Node:
        token = self._template_name("{{template}}")
        name = constant(token.at, lambda: literals.unquote(token.text))
        if self._cursor.skip_space().kind is Kind.RIGHT:
            self._cursor.next += 1
            return nodes.Call(token.at, name, None)
        return nodes.Call(token.at, name, self._pipelines.pipeline("{{template}}", Kind.RIGHT))

    def _block(self, word: Token) -> nodes.Node:
        token = self._template_name("{{block}}")
        pipeline = self._pipelines.pipeline("{{block}}", Kind.RIGHT)
        return nodes.Call(token.at, self._definition(token, "block"), pipeline)
