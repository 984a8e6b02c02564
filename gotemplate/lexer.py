"""Which words does a template consist of?

Text outside of `{{ }}` is one token.  Inside, spaces count: `$x .y` is two operands and `$x.y` one,
so runs of spaces are tokens of their own.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from gotemplate.limits import TEMPLATE_TOKENS

SPACES = " \t\r\n"  # what trim markers eat; no other white space
KEYWORDS = frozenset(
    [
        "block",
        "break",
        "continue",
        "define",
        "else",
        "end",
        "if",
        "nil",
        "range",
        "template",
        "with",
    ]
)


class Kind(Enum):
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()
    CHARACTER = auto()
    DOT = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    BOOL = auto()
    NUMBER = auto()
    RUNE = auto()
    STRING = auto()
    RAW_STRING = auto()
    FAULT = auto()
    END = auto()


class Token(NamedTuple):
    kind: Kind
    at: int
    text: str
    fault: SyntaxFault | None = None


class SyntaxFault(Exception):
    """The text is no template; `at` is the offset of the place."""

    def __init__(
        self, at: int, message: str, *, hint: str = "", code: str = "template.syntax"
    ) -> None:
        super().__init__(message)
        self.at = at
        self.code = code
        self.message = message
        self.hint = hint


_SPACE_RUN = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"\w+")
_FIELD = re.compile(r"\.\w+")
_VARIABLE = re.compile(r"\$\w*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_RUNE = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_RAW_STRING = re.compile(r"`[^`]*`")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[bB][01_]*|0[oO][0-7_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)"
)
_PUNCTUATION = {"=": Kind.ASSIGN, "|": Kind.PIPE, "(": Kind.OPEN, ")": Kind.CLOSE, ",": Kind.COMMA}
_DIGITS = frozenset("0123456789")
# What may follow a word directly.
_AFTER_WORD = frozenset(" \t\r\n.,|:()")


def tokenize(text: str) -> list[Token]:
    """All tokens in order, without comments; the last one is END, or FAULT at a mistake.

    A fault is a token and not raised at once, because a mistake before it must be told first.
    """
    tokens: list[Token] = []
    try:
        _lex_text(text, tokens)
    except SyntaxFault as fault:
        tokens.append(Token(Kind.FAULT, fault.at, "", fault))
    return tokens


def _lex_text(text: str, tokens: list[Token]) -> None:
    at = 0
    while True:
        left = text.find("{{", at)
        if left < 0:
            if at < len(text):
                tokens.append(Token(Kind.TEXT, at, text[at:]))
            tokens.append(Token(Kind.END, len(text), ""))
            return
        trims = _trims_left(text, left + 2)
        before = text[at:left]
        if trims:
            before = before.rstrip(SPACES)
        if before:
            tokens.append(Token(Kind.TEXT, at, before))
        inside = left + 4 if trims else left + 2
        if text.startswith("/*", inside):
            at = _after_comment(text, inside)
        else:
            tokens.append(Token(Kind.LEFT, left, "{{"))
            at = _lex_action(text, inside, left, tokens)


def _trims_left(text: str, at: int) -> bool:
    return text.startswith("-", at) and text[at + 1 : at + 2] in tuple(SPACES)


def _right_delimiter(text: str, at: int) -> int:
    """How long the closing delimiter at this offset is: 0, 2, or 4 with a trim marker."""
    if text.startswith("}}", at):
        return 2
    if text.startswith("-}}", at + 1) and text[at] in SPACES:
        return 4
    return 0


def _after_delimiter(text: str, at: int, length: int) -> int:
    at += length
    if length == 4:
        while at < len(text) and text[at] in SPACES:
            at += 1
    return at


def _after_comment(text: str, at: int) -> int:
    end = text.find("*/", at + 2)
    if end < 0:
        raise SyntaxFault(at, "this comment has no end", hint="close it with */}}")
    length = _right_delimiter(text, end + 2)
    if not length:
        raise SyntaxFault(
            end, "a comment must fill its action", hint="write }} or  -}} directly after */"
        )
    return _after_delimiter(text, end + 2, length)


def _lex_action(text: str, at: int, left: int, tokens: list[Token]) -> int:
    """Append the tokens of one action and return the offset behind it."""
    open_parentheses: list[int] = []
    while True:
        length = _right_delimiter(text, at)
        if length:
            if open_parentheses:
                raise SyntaxFault(open_parentheses[-1], "this parenthesis is not closed")
            tokens.append(Token(Kind.RIGHT, at, "}}"))
            return _after_delimiter(text, at, length)
        if at >= len(text):
            raise SyntaxFault(left, "this action is not closed", hint="close it with }}")
        token = _lex_word(text, at)
        if token.kind is Kind.OPEN:
            open_parentheses.append(at)
        elif token.kind is Kind.CLOSE:
            if not open_parentheses:
                raise SyntaxFault(at, "this parenthesis was never opened")
            open_parentheses.pop()
        if len(tokens) > TEMPLATE_TOKENS:
            raise SyntaxFault(
                at,
                f"the template has more than {TEMPLATE_TOKENS} words in braces",
                code="template.limit",
            )
        tokens.append(token)
        at += len(token.text)


def _lex_word(text: str, at: int) -> Token:
    character = text[at]
    if character in SPACES:
        return _lex_space(text, at)
    if character in _PUNCTUATION:
        return Token(_PUNCTUATION[character], at, character)
    if character == ":":
        if not text.startswith(":=", at):
            raise SyntaxFault(at, 'expected ":="')
        return Token(Kind.DECLARE, at, ":=")
    if character in '"`':
        return _lex_string(text, at)
    if character == "'":
        match = _RUNE.match(text, at)
        if match is None:
            raise SyntaxFault(
                at, "this character constant has no end", hint="texts are written in double quotes"
            )
        return Token(Kind.RUNE, at, match[0])
    if character == "$":
        return _checked(text, _VARIABLE.match(text, at), Kind.VARIABLE, at)
    if character == "." and text[at + 1 : at + 2] not in _DIGITS:
        return _lex_dot(text, at)
    if character in "+-." or character in _DIGITS:
        return _lex_number(text, at)
    match = _WORD.match(text, at)
    if match is not None:
        return _lex_identifier(text, match, at)
    if character.isascii() and character.isprintable():
        return Token(Kind.CHARACTER, at, character)
    raise SyntaxFault(at, f"the character U+{ord(character):04X} can't stand in an action")


def _lex_space(text: str, at: int) -> Token:
    match = _SPACE_RUN.match(text, at)
    assert match is not None
    run = match[0]
    if text.startswith("-}}", at + len(run)):
        run = run[:-1]  # the last space belongs to the trim marker
    return Token(Kind.SPACE, at, run)


def _lex_string(text: str, at: int) -> Token:
    raw = text[at] == "`"
    match = (_RAW_STRING if raw else _STRING).match(text, at)
    if match is None:
        raise SyntaxFault(at, "this text has no closing quote")
    return Token(Kind.RAW_STRING if raw else Kind.STRING, at, match[0])


def _lex_dot(text: str, at: int) -> Token:
    match = _FIELD.match(text, at)
    if match is None:
        _check_terminator(text, at + 1)
        return Token(Kind.DOT, at, ".")
    return _checked(text, match, Kind.FIELD, at)


def _lex_number(text: str, at: int) -> Token:
    match = _NUMBER.match(text, at)
    word = match[0] if match is not None else ""
    end = at + len(word)
    if text[end : end + 1].isalnum() or not word or text[end : end + 1] == "_":
        tail = _WORD.match(text, end)
        word += tail[0] if tail is not None else ""
        hint = ""
        if word.startswith("-") and word[1:2].isalpha():
            hint = "a trim marker needs a space: {{- and  -}}"
        raise SyntaxFault(at, f"{word!r} is not a number", hint=hint)
    return Token(Kind.NUMBER, at, word)


def _lex_identifier(text: str, match: re.Match[str], at: int) -> Token:
    word = match[0]
    _check_terminator(text, match.end())
    if word in KEYWORDS:
        return Token(Kind.KEYWORD, at, word)
    if word in ("true", "false"):
        return Token(Kind.BOOL, at, word)
    return Token(Kind.IDENTIFIER, at, word)


def _checked(text: str, match: re.Match[str] | None, kind: Kind, at: int) -> Token:
    assert match is not None
    _check_terminator(text, match.end())
    return Token(kind, at, match[0])


def _check_terminator(text: str, at: int) -> None:
    if at >= len(text) or text[at] in _AFTER_WORD or text.startswith("}}", at):
        return
    hint = ""
    if text[at] == "-":
        hint = 'a name with a dash is read by index: {{index . "my-key"}}'
    raise SyntaxFault(at, f"the character {text[at]!r} can't stand in a name", hint=hint)
