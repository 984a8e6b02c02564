"""Does a version satisfy a constraint?  By the rules of Masterminds' semver, which sprig uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.values import Version

_TAIL = r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
_VERSION = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{_TAIL}")
_PATTERN = rf"v?([0-9|xX*]+)(?:\.([0-9|xX*]+))?(?:\.([0-9|xX*]+))?{_TAIL}"
_ONE = re.compile(rf"\s*(=|!=|>|<|>=|=>|<=|=<|~|~>|\^|)\s*{_PATTERN}(?:\s+|\s*,\s*|\s*$)")
_RANGE = re.compile(r"\s*([^\s,|]+)\s+-\s+([^\s,|]+)\s*")
_LONGEST = 256
_LARGEST = 2**64

Numbers = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Semantic:
    numbers: Numbers
    prerelease: str
    metadata: str


@dataclass(frozen=True, slots=True)
class _Constraint:
    """`open_from` is the first of major, minor, patch that was left open (3: none)."""

    operator: str
    version: _Semantic
    open_from: int


def read_version(text: str) -> _Semantic:
    match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise CallFault(f"{text!r} is no semantic version")
    numbers = [int(group or 0) for group in match.groups()[:3]]
    if max(numbers) >= _LARGEST:
        raise CallFault(f"{text!r} is no semantic version: a number is too large")
    prerelease = match[4] or ""
    for part in prerelease.split("."):
        if len(part) > 1 and part.startswith("0") and part.isdigit():
            raise CallFault(f"{text!r} is no semantic version: {part} begins with 0")
    return _Semantic((numbers[0], numbers[1], numbers[2]), prerelease, match[5] or "")


def _part_key(part: str) -> tuple[int, int, str]:
    if part.isdigit() and int(part) < _LARGEST:
        return (1, int(part), "")
    return (2, 0, part) if part else (0, 0, "")


def compare(left: _Semantic, right: _Semantic) -> int:
    if left.numbers != right.numbers:
        return -1 if left.numbers < right.numbers else 1
    if left.prerelease == right.prerelease:
        return 0
    if not left.prerelease or not right.prerelease:
        return 1 if not left.prerelease else -1
    left_key = [_part_key(part) for part in left.prerelease.split(".")]
    right_key = [_part_key(part) for part in right.prerelease.split(".")]
    return (left_key > right_key) - (left_key < right_key)


def _read_constraints(text: str) -> list[list[_Constraint]]:
    if len(text) > _LONGEST:
        raise CallFault("the constraint is too long")
    ranged = _RANGE.sub(r">= \1, <= \2", text)
    return [_read_all(part) for part in ranged.split("||")]


def _read_all(text: str) -> list[_Constraint]:
    constraints: list[_Constraint] = []
    at = 0
    while at < len(text):
        match = _ONE.match(text, at)
        if match is None:
            raise CallFault(f"{text.strip()!r} is no constraint on versions")
        constraints.append(_read_one(match))
        at = match.end()
    if not constraints:
        raise CallFault("the constraint is empty")
    return constraints


def _read_one(match: re.Match[str]) -> _Constraint:
    operator, *parts, prerelease, _ = match.groups()
    open_from = next((i for i, part in enumerate(parts) if part in (None, "x", "X", "*")), 3)
    closed = [part or "" for part in parts[:open_from]]
    if not all(part.isdigit() for part in closed):
        raise CallFault(f"{match[0].strip()!r} is no constraint on versions")
    numbers = [int(part) for part in closed] + [0] * (3 - open_from)
    version = _Semantic((numbers[0], numbers[1], numbers[2]), prerelease or "", "")
    return _Constraint(operator, version, open_from)


def _equals(v: _Semantic, c: _Constraint) -> bool:
    return _tilde(v, c) if c.open_from < 3 else compare(v, c.version) == 0


def _differs(v: _Semantic, c: _Constraint) -> bool:
    if c.open_from == 3:
        return compare(v, c.version) != 0
    fixed = max(c.open_from, 1)
    if v.numbers[:fixed] != c.version.numbers[:fixed]:
        return True
    return c.open_from == 2 and v.prerelease != c.version.prerelease


def _greater(v: _Semantic, c: _Constraint) -> bool:
    if c.open_from in (1, 2):
        return v.numbers[: c.open_from] > c.version.numbers[: c.open_from]
    return compare(v, c.version) > 0


def _at_most(v: _Semantic, c: _Constraint) -> bool:
    if c.open_from == 3:
        return compare(v, c.version) <= 0
    fixed = 1 if c.open_from == 1 else 2
    return v.numbers[:fixed] <= c.version.numbers[:fixed]


def _tilde(v: _Semantic, c: _Constraint) -> bool:
    if compare(v, c.version) < 0:
        return False
    if c.version.numbers == (0, 0, 0) and c.open_from in (0, 3):
        return True
    fixed = 1 if c.open_from == 1 else 2
    return v.numbers[:fixed] == c.version.numbers[:fixed]


def _caret(v: _Semantic, c: _Constraint) -> bool:
    if compare(v, c.version) < 0:
        return False
    major, minor, _ = c.version.numbers
    if major > 0 or c.open_from == 1:
        fixed = 1
    elif minor > 0 or c.open_from == 2:
        fixed = 2
    else:
        fixed = 3
    return v.numbers[:fixed] == c.version.numbers[:fixed]


_OPERATORS: dict[str, Callable[[_Semantic, _Constraint], bool]] = {
    "": _equals,
    "=": _equals,
    "!=": _differs,
    ">": _greater,
    "<": lambda v, c: compare(v, c.version) < 0,
    ">=": lambda v, c: compare(v, c.version) >= 0,
    "=>": lambda v, c: compare(v, c.version) >= 0,
    "<=": _at_most,
    "=<": _at_most,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
}


def _satisfies(v: _Semantic, c: _Constraint) -> bool:
    """A release constraint says nothing about prereleases, except for one that must differ."""
    asks_for_release = v.prerelease and not c.version.prerelease
    if asks_for_release and (c.operator != "!=" or c.open_from < 3):
        return False
    return _OPERATORS[c.operator](v, c)


def _semver_compare(constraint: str, version: str) -> bool:
    alternatives = _read_constraints(constraint)
    read = read_version(version)
    return any(all(_satisfies(read, c) for c in group) for group in alternatives)


def _read(version: Version) -> _Semantic:
    return read_version(str(version["Original"]))


# What a template may ask a version about another one.
_COMPARED: dict[str, Callable[[Version, Version], object]] = {
    "Compare": lambda one, other: compare(_read(one), _read(other)),
    "Equal": lambda one, other: compare(_read(one), _read(other)) == 0,
    "GreaterThan": lambda one, other: compare(_read(one), _read(other)) > 0,
    "GreaterThanEqual": lambda one, other: compare(_read(one), _read(other)) >= 0,
    "LessThan": lambda one, other: compare(_read(one), _read(other)) < 0,
    "LessThanEqual": lambda one, other: compare(_read(one), _read(other)) <= 0,
}


def _about(
    compare_with: Callable[[Version, Version], object],
) -> Callable[[Version, object], object]:
    def method(one: Version, other: object) -> object:
        if not isinstance(other, Version):
            raise CallFault("it takes a version, as semver gives it")
        return compare_with(one, other)

    return method


METHODS: dict[str, Callable[[Version, object], object]] = {
    name: _about(compare_with) for name, compare_with in _COMPARED.items()
}


def _semver(budget: Budget, text: str) -> Version:
    budget.make_items(6)
    read = read_version(text)
    major, minor, patch = read.numbers
    written = f"{major}.{minor}.{patch}"
    written += f"-{read.prerelease}" if read.prerelease else ""
    written += f"+{read.metadata}" if read.metadata else ""
    return Version(
        Major=major,
        Minor=minor,
        Patch=patch,
        Prerelease=read.prerelease,
        Metadata=read.metadata,
        Original=text,
        String=written,
        JSON=written,
    )


VERSIONS: dict[str, Function] = table(
    function("semver", "string", _semver, bounded=True),
    function("semverCompare", "string string", _semver_compare),
)
