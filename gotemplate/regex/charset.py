"""Sets of characters, as sorted ranges of code points."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from importlib import resources
from itertools import groupby

Range = tuple[int, int]
_LAST = 0x10FFFF

PERL: dict[str, tuple[Range, ...]] = {
    "d": ((0x30, 0x39),),
    "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
}
POSIX: dict[str, tuple[Range, ...]] = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": ((0x30, 0x39),),
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": PERL["w"],
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
ANY: tuple[Range, ...] = ((0, _LAST),)
NOT_NEWLINE: tuple[Range, ...] = ((0, 9), (11, _LAST))
_CATEGORIES = re.compile("C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?")


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    out: list[Range] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def negated(ranges: Iterable[Range]) -> tuple[Range, ...]:
    out: list[Range] = []
    begin = 0
    for low, high in merged(ranges):
        if low > begin:
            out.append((begin, low - 1))
        begin = high + 1
    if begin <= _LAST:
        out.append((begin, _LAST))
    return tuple(out)


def holds(ranges: tuple[Range, ...], point: int) -> bool:
    index = bisect_right(ranges, (point, _LAST + 1)) - 1
    return index >= 0 and ranges[index][0] <= point <= ranges[index][1]


def is_category(name: str) -> bool:
    return _CATEGORIES.fullmatch(name) is not None


@cache
def _scripts() -> dict[str, str]:
    """The ranges of each script, as they are written."""
    text = resources.files(__package__).joinpath("scripts.txt").read_text(encoding="ascii")
    lines = (line.partition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: ranges for name, _, ranges in lines}


def is_script(name: str) -> bool:
    return name in _scripts()


@cache
def script(name: str) -> tuple[Range, ...]:
    """All characters of a script, such as Greek."""
    found: list[Range] = []
    for written in _scripts()[name].split():
        span, _, step = written.partition("/")
        first, _, last = span.partition("-")
        low, high = int(first, 16), int(last or first, 16)
        if step:
            found += [(point, point) for point in range(low, high + 1, int(step, 16))]
        else:
            found.append((low, high))
    return merged(found)


@cache
def category(name: str) -> tuple[Range, ...]:
    """All characters of a general category, or of several: L is Lu, Ll and their kin."""
    return merged((low, high) for kind, low, high in _runs() if kind.startswith(name))


@cache
def _runs() -> tuple[tuple[str, int, int], ...]:
    """A walk through Unicode, which is made once."""
    runs: list[tuple[str, int, int]] = []
    begin = 0
    for kind, group in groupby(map(unicodedata.category, map(chr, range(_LAST + 1)))):
        end = begin + sum(1 for _ in group)
        runs.append((kind, begin, end - 1))
        begin = end
    return tuple(runs)


def without_case(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """With the other cases of each letter; of huge ranges only what lies in the first 0x2000."""
    extra: list[Range] = []
    for low, high in ranges:
        for point in range(low, min(high, low + 0x2000) + 1):
            extra += [(other, other) for other in other_cases(point)]
    return merged((*ranges, *extra))


# Letters that share a case with one that `swapcase` does not find: K and the Kelvin sign, s and ſ.
_ODD_CASES = {
    0x4B: (0x212A,),
    0x6B: (0x212A,),
    0x53: (0x17F,),
    0x73: (0x17F,),
    0xE5: (0x212B,),
    0xC5: (0x212B,),
    0x3C3: (0x3C2,),
    0x3A3: (0x3C2,),
    0xB5: (0x3BC, 0x39C),
}


def other_cases(point: int) -> tuple[int, ...]:
    character = chr(point)
    found = set(_ODD_CASES.get(point, ()))
    for other in (character.lower(), character.upper(), character.title()):
        if len(other) == 1 and other != character:
            found.add(ord(other))
    return tuple(found)
