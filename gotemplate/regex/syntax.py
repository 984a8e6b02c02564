"""What does a pattern say?  RE2's syntax, from text to a tree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from gotemplate.regex import charset
from gotemplate.regex.charset import Range

MOST_REPEATS = 1000  # Go's own bound
_DEEPEST = 100


class BadPattern(Exception):
    """The pattern is none; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Set:
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """^ $ \\A \\z \\b \\B: a test that takes no character."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Group:
    number: int
    inner: Tree


@dataclass(frozen=True, slots=True)
class Repeat:
    inner: Tree
    least: int
    most: int | None
    greedy: bool


Tree = Set | Place | Sequence | Choice | Group | Repeat


@dataclass(frozen=True, slots=True)
class Flags:
    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False
    ungreedy: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    tree: Tree
    names: tuple[str, ...]  # of the groups from 0; "" where a group has none


_ESCAPES = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_REPEAT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP_NAME = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>")
_FLAGS = re.compile(r"\(\?([imsU]*)(-[imsU]+)?([:)])")
_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEX = re.compile(r"x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_PROPERTY = re.compile(r"([pP])(?:\{(\^?)(\w+)\}|(\w))")


def parse(text: str) -> Pattern:
    parser = _Parser(text)
    tree = parser.choice(Flags(), 0)
    if parser.at < len(text):
        raise BadPattern("the pattern closes a group that it never opened")
    return Pattern(tree, tuple(parser.names))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._flags = Flags()
        self.at = 0
        self.names = [""]

    def _fail(self, message: str) -> NoReturn:
        raise BadPattern(f"{message} in the pattern at character {self.at + 1}")

    def choice(self, flags: Flags, depth: int) -> Tree:
        if depth > _DEEPEST:
            self._fail(f"groups are nested deeper than {_DEEPEST}")
        outer, self._flags = self._flags, flags
        branches = [self._sequence(depth)]
        while self._text.startswith("|", self.at):
            self.at += 1
            branches.append(self._sequence(depth))
        self._flags = outer
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self, depth: int) -> Tree:
        parts: list[Tree] = []
        while self.at < len(self._text) and self._text[self.at] not in "|)":
            if self._text.startswith("\\Q", self.at):
                parts += self._quoted()
                if parts:
                    self._repeats(parts)
                continue
            part = self._one(depth)
            if part is None:  # only flags were set
                continue
            parts.append(part)
            self._repeats(parts)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _quoted(self) -> list[Tree]:
        end = self._text.find("\\E", self.at + 2)
        literal = self._text[self.at + 2 : end if end >= 0 else len(self._text)]
        self.at = end + 2 if end >= 0 else len(self._text)
        return [self._literal(ord(character)) for character in literal]

    def _repeats(self, parts: list[Tree]) -> None:
        """What stands behind a part: * + ? {2,3}, each perhaps with ? for as few as possible."""
        counts = self._count()
        if counts is None:
            return
        greedy = not self._flags.ungreedy
        if self._text.startswith("?", self.at):
            self.at += 1
            greedy = not greedy
        least, most = counts
        if least > MOST_REPEATS or (most or 0) > MOST_REPEATS:
            self._fail(f"more than {MOST_REPEATS} repetitions")
        if most is not None and least > most:
            self._fail("the smaller count of a repetition must come first")
        parts[-1] = Repeat(parts[-1], least, most, greedy)
        if self._count() is not None:
            self._fail("a repetition can't be repeated")

    def _count(self) -> tuple[int, int | None] | None:
        sign = self._text[self.at : self.at + 1]
        if sign in ("*", "+", "?") and sign:
            self.at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        match = _REPEAT.match(self._text, self.at) if sign == "{" else None
        if match is None or len(match[0]) > 16:
            return None
        self.at = match.end()
        least = int(match[1])
        if match[2] is None:
            return least, least
        return least, int(match[3]) if match[3] else None

    def _one(self, depth: int) -> Tree | None:
        character = self._text[self.at]
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._bracket()
        if character == "\\":
            return self._escape()
        if character in "*+?":
            self._fail("there is nothing to repeat")
        if _REPEAT.match(self._text, self.at):
            self._fail("there is nothing to repeat")
        self.at += 1
        match character:
            case ".":
                return Set(charset.ANY if self._flags.dot_all else charset.NOT_NEWLINE)
            case "^":
                return Place("line start" if self._flags.multiline else "start")
            case "$":
                return Place("line end" if self._flags.multiline else "end")
        return self._literal(ord(character))

    def _literal(self, point: int) -> Set:
        ranges: tuple[Range, ...] = ((point, point),)
        return Set(charset.without_case(ranges) if self._flags.ignore_case else ranges)

    def _group(self, depth: int) -> Tree | None:
        flags = self._flags
        named = _GROUP_NAME.match(self._text, self.at)
        flagged = _FLAGS.match(self._text, self.at)
        number = 0
        if named is not None:
            if named[1] in self.names:
                self._fail(f"two groups are called {named[1]}")
            number = self._new_group(named[1])
            self.at = named.end()
        elif flagged is not None:
            flags = self._changed(flags, flagged[1], flagged[2] or "")
            self.at = flagged.end()
            if flagged[3] == ")":
                self._flags = flags
                return None
        elif self._text.startswith("(?", self.at):
            self._fail("this kind of group is not supported (RE2 has no look-around)")
        else:
            number = self._new_group("")
            self.at += 1
        inner = self.choice(flags, depth + 1)
        if not self._text.startswith(")", self.at):
            self._fail("a group is not closed")
        self.at += 1
        return Group(number, inner) if number else inner

    def _new_group(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1

    def _changed(self, flags: Flags, on: str, off: str) -> Flags:
        def state(letter: str, before: bool) -> bool:
            return (letter in on or before) and letter not in off

        return Flags(
            state("i", flags.ignore_case),
            state("m", flags.multiline),
            state("s", flags.dot_all),
            state("U", flags.ungreedy),
        )

    def _escape(self) -> Tree:
        following = self._text[self.at + 1 : self.at + 2]
        places = {"A": "start", "z": "end", "b": "boundary", "B": "inside"}
        if following in places:
            self.at += 2
            return Place(places[following])
        ranges = self._class()
        if ranges is not None:
            return Set(ranges)
        return self._literal(self._escaped_point())

    def _class(self) -> tuple[Range, ...] | None:
        r"""\d \S \pL and their kin at this place, or nothing."""
        following = self._text[self.at + 1 : self.at + 2]
        if following and following in "dswDSW":
            self.at += 2
            return self._with_cases(charset.PERL[following.lower()], following.isupper())
        match = _PROPERTY.match(self._text, self.at + 1)
        if match is None:
            return None
        name = match[3] or match[4]
        if name == "Any":
            ranges = charset.ANY
        elif charset.is_category(name):
            ranges = charset.category(name)
        elif charset.is_script(name):
            ranges = charset.script(name)
        else:
            self._fail(f"the character class {name} is not supported")
        self.at = match.end()
        turned = (match[1] == "P") != (match[2] == "^")
        return self._with_cases(ranges, turned)

    def _with_cases(self, ranges: tuple[Range, ...], turned: bool) -> tuple[Range, ...]:
        """A class as the flags say; it is turned around with the cases that it has then, as Go."""
        if self._flags.ignore_case:
            ranges = charset.without_case(ranges)
        return charset.negated(ranges) if turned else ranges

    def _escaped_point(self) -> int:
        following = self._text[self.at + 1 : self.at + 2]
        if not following:
            self._fail("a backslash stands alone at the end")
        match = _HEX.match(self._text, self.at + 1)
        if match is not None:
            self.at = match.end()
            point = int(match[1] or match[2], 16)
            if point > 0x10FFFF:
                self._fail("this is no character")
            return point
        match = _OCTAL.match(self._text, self.at + 1)
        if match is not None:
            self.at = match.end()
            return int(match[0], 8)
        if following in _ESCAPES:
            self.at += 2
            return _ESCAPES[following]
        if not following.isascii() or following.isalnum():
            self._fail(f"\\{following} means nothing")
        self.at += 2
        return ord(following)

    def _bracket(self) -> Tree:
        self.at += 1
        turned = self._text.startswith("^", self.at)
        self.at += turned
        ranges: list[Range] = []
        first = True
        while first or not self._text.startswith("]", self.at):
            if self.at >= len(self._text):
                self._fail("a character class is not closed")
            self._bracket_item(ranges)
            first = False
        self.at += 1
        chosen = charset.merged(ranges)
        if self._flags.ignore_case:
            chosen = charset.without_case(chosen)
        return Set(charset.negated(chosen) if turned else chosen)

    def _bracket_item(self, ranges: list[Range]) -> None:
        posix = _POSIX.match(self._text, self.at)
        if posix is not None:
            if posix[2] not in charset.POSIX:
                self._fail(f"there is no character class {posix[0]}")
            known = charset.POSIX[posix[2]]
            ranges += self._with_cases(known, bool(posix[1]))
            self.at = posix.end()
            return
        text = self._text
        if text[self.at] == "\\":
            known_class = self._class()
            if known_class is not None:
                ranges += known_class
                return
        low = self._bracket_point()
        high = low
        if text.startswith("-", self.at) and text[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            high = self._bracket_point()
            if high < low:
                self._fail("a range of characters goes backwards")
        ranges.append((low, high))

    def _bracket_point(self) -> int:
        if self.at >= len(self._text):
            self._fail("a character class is not closed")
        if self._text[self.at] == "\\":
            return self._escaped_point()
        self.at += 1
        return ord(self._text[self.at - 1])
