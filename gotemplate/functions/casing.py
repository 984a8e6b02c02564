"""Upper, lower and the ways to join words, by Go's rules for single characters.

Python's own `upper` may make two characters of one (ß), and its `lower` looks around (Σ).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from gotemplate.functions.convert import GO_SPACES
from gotemplate.functions.signature import Function, function, table
from gotemplate.limits import Budget

_NO_TEXT = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8; Go replaces them here
_UPPER, _LETTERS, _NUMBER, _JOINT, _PUNCTUATION, _OTHER = range(6)


def _upper(character: str) -> str:
    changed = character.upper()
    return changed if len(changed) == 1 else _title(character)


def _title(character: str) -> str:
    changed = character.title()
    return changed if len(changed) == 1 else character


def _lower(character: str) -> str:
    return character.lower()[0]


def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower, text))


def capitalized_words(text: str) -> str:
    out: list[str] = []
    before = " "
    for character in text:
        out.append(_title(character) if _separates(before) else character)
        before = character
    return "".join(out)


def _separates(character: str) -> bool:
    if character == "_" or unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd"):
        return False
    return character.isascii() or character in GO_SPACES


def uncapitalized(text: str) -> str:
    out: list[str] = []
    begins = True
    for character in text:
        if character in GO_SPACES:
            begins = True
        elif begins:
            character = _lower(character)
            begins = False
        out.append(character)
    return "".join(out)


def swapped(text: str) -> str:
    out: list[str] = []
    begins = True
    for character in text:
        category = unicodedata.category(character)
        if category in ("Lu", "Lt"):
            out.append(_lower(character))
            begins = False
        elif category == "Ll":
            out.append(_title(character) if begins else _upper(character))
            begins = False
        else:
            out.append(character)
            begins = character in GO_SPACES
    return "".join(out)


# Names: one word joined from several, in the manner of camelCase, snake_case, kebab-case.


def _is_joint(character: str) -> bool:
    return character in "-_" or character in GO_SPACES


def _is_capital(character: str) -> bool:
    return unicodedata.category(character) == "Lu"


def camelcase(text: str) -> str:
    rest = text.lstrip("-_" + GO_SPACES)
    leading = text[: len(text) - len(rest)]
    if not rest:
        return leading + leading[-1:]  # Go's library writes the last one once more
    out = [leading]
    in_capitals = _is_capital(rest[0])  # a run of capitals is one word: HTTPServer is Httpserver
    last, rest = _upper(rest[0]), rest[1:]
    for character in rest:
        if _is_joint(character) and _is_joint(last):
            out.append(last)
        elif _is_joint(last):
            in_capitals = _is_capital(character)
            character = _upper(character)
        else:
            out.append(last)
            in_capitals = in_capitals and _is_capital(character)
            character = _lower(character) if in_capitals else character
        last = character
    return "".join([*out, last])


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    if _is_joint(character):
        return _JOINT
    if category[0] == "P":
        return _PUNCTUATION
    if category == "Lu":
        return _UPPER
    if category[0] == "L":
        return _LETTERS
    return _NUMBER if category[0] == "N" else _OTHER


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Runs of one kind; a capital belongs to the small letters behind it."""
    at = 0
    while at < len(text):
        kind = _kind(text[at])
        end = at + 1
        if kind == _UPPER:
            while end < len(text) and _kind(text[end]) == _UPPER:
                end += 1
            if end < len(text) and _kind(text[end]) == _LETTERS:
                if end - at > 1:
                    end -= 1
                else:
                    while end < len(text) and _kind(text[end]) == _LETTERS:
                        end += 1
        elif kind == _PUNCTUATION:  # - and _ are punctuation as well, once it has begun
            while end < len(text) and unicodedata.category(text[end])[0] == "P":
                end += 1
        else:
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        yield kind, text[at:end]
        at = end


def _joined(text: str, joint: str) -> str:
    """snake_case and kebab-case."""
    pieces = [*_pieces(text)]
    out: list[str] = []
    at = 0

    def kind_at(index: int) -> int | None:
        return pieces[index][0] if index < len(pieces) else None

    def write(index: int) -> None:
        kind, piece = pieces[index]
        if kind == _JOINT:
            out.append(joint * len(piece))
        else:
            out.append(lower(piece) if kind == _UPPER else piece)

    while at < len(pieces):
        kind = pieces[at][0]
        write(at)
        at += 1
        following = kind_at(at)
        if following is None:
            break
        if kind in (_JOINT, _PUNCTUATION):
            continue
        if kind != _NUMBER and following == _NUMBER:
            if kind_at(at + 1) is None:
                continue
            if kind_at(at + 1) != _LETTERS:
                write(at)
                at += 1
                if kind_at(at) not in (_JOINT, _PUNCTUATION):
                    out.append(joint)
                continue
            out.append(joint)
            write(at)
            at += 1
            kind = _NUMBER
        if kind == _NUMBER:
            while kind_at(at) in (_LETTERS, _NUMBER):
                write(at)
                at += 1
        if kind_at(at) not in (None, _JOINT, _PUNCTUATION):
            out.append(joint)
    return "".join(out)


def _paid(name: str, change: Callable[[str], str]) -> Function:
    """These go through the text character by character, unless it is ASCII and simple."""

    def call(budget: Budget, text: str) -> str:
        if not text.isascii() or name not in ("lower", "upper"):
            budget.spend(len(text) // 3)
        changed = change(text if text.isascii() else _NO_TEXT.sub("\ufffd", text))
        budget.make_text(len(changed))
        return changed

    return function(name, "string", call, bounded=True)


CASING: dict[str, Function] = table(
    _paid("camelcase", camelcase),
    _paid("kebabcase", lambda text: _joined(text, "-")),
    _paid("lower", lower),
    _paid("snakecase", lambda text: _joined(text, "_")),
    _paid("swapcase", swapped),
    _paid("title", capitalized_words),
    _paid("untitle", uncapitalized),
    _paid("upper", upper),
)
