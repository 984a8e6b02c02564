"""Where in the tokens is the parser?"""

from __future__ import annotations

from typing import NoReturn

from gotemplate.lexer import Kind, SyntaxFault, Token
from gotemplate.limits import PARSE_DEPTH


class Cursor:
    """`next` may be set back to a place that was kept."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._depth = 0
        self.next = 0

    def peek(self) -> Token:
        token = self._tokens[self.next]
        if token.fault is not None:
            raise token.fault
        return token

    def offset(self) -> int:
        return self._tokens[self.next].at

    def take(self) -> Token:
        token = self.peek()
        if token.kind is not Kind.END:
            self.next += 1
        return token

    def skip_space(self) -> Token:
        """Look at the next token that is no space."""
        while self.peek().kind is Kind.SPACE:
            self.next += 1
        return self.peek()

    def take_word(self) -> Token:
        self.skip_space()
        return self.take()

    def expect_right(self, context: str) -> None:
        token = self.take_word()
        if token.kind is not Kind.RIGHT:
            unexpected(token, context)

    def enter(self, at: int) -> None:
        self._depth += 1
        if self._depth > PARSE_DEPTH:
            raise SyntaxFault(
                at,
                f"blocks and parentheses are nested deeper than {PARSE_DEPTH}",
                code="template.limit",
            )

    def leave(self) -> None:
        self._depth -= 1


def unexpected(token: Token, context: str) -> NoReturn:
    if token.kind is Kind.END:
        raise SyntaxFault(token.at, f"the template ends in the middle of {context}")
    if token.kind is Kind.RIGHT:
        raise SyntaxFault(token.at, f"something is missing in {context}")
    hint = ""
    if token.kind in (Kind.ASSIGN, Kind.CHARACTER):
        hint = "comparisons and sums are functions: eq .a .b, add 1 2"
    raise SyntaxFault(token.at, f"{token.text!r} can't stand here in {context}", hint=hint)
