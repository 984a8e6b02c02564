"""A pattern as instructions for a matcher that follows all its ways at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gotemplate.regex import syntax
from gotemplate.regex.charset import Range
from gotemplate.regex.syntax import BadPattern, Choice, Group, Place, Repeat, Sequence, Set

LONGEST_PATTERN = 1000
LARGEST_PROGRAM = 2000  # a character costs at most so many steps


@dataclass(frozen=True, slots=True)
class Take:
    """Go on when the next character is in the set."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """Go on when the place is of this kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class Split:
    """Go on at both; the first has precedence."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Jump:
    target: int


@dataclass(frozen=True, slots=True)
class Save:
    slot: int


@dataclass(frozen=True, slots=True)
class Match:
    pass


Instruction = Take | Test | Split | Jump | Save | Match


@dataclass(frozen=True, slots=True)
class Program:
    instructions: tuple[Instruction, ...]
    names: tuple[str, ...]
    prefix: str  # each match begins with it


@lru_cache(maxsize=64)
def compile_pattern(text: str) -> Program:
    if len(text) > LONGEST_PATTERN:
        raise BadPattern(f"the pattern is longer than {LONGEST_PATTERN} characters")
    pattern = syntax.parse(text)
    compiler = _Compiler()
    compiler.add(pattern.tree)
    compiler.append(Match())
    instructions = (Save(0), *(_shifted(one) for one in compiler.code[:-1]), Save(1), Match())
    return Program(instructions, pattern.names, _prefix(pattern.tree))


def _shifted(one: Instruction) -> Instruction:
    match one:
        case Split():
            return Split(one.first + 1, one.second + 1)
        case Jump():
            return Jump(one.target + 1)
    return one


def _prefix(tree: syntax.Tree) -> str:
    out: list[str] = []
    for part in tree.parts if isinstance(tree, Sequence) else (tree,):
        if not isinstance(part, Set) or len(part.ranges) != 1:
            break
        low, high = part.ranges[0]
        if low != high:
            break
        out.append(chr(low))
    return "".join(out)


class _Compiler:
    def __init__(self) -> None:
        self.code: list[Instruction] = []

    def append(self, one: Instruction) -> int:
        if len(self.code) >= LARGEST_PROGRAM:
            raise BadPattern("the pattern is too large; are repetitions repeated?")
        self.code.append(one)
        return len(self.code) - 1

    def add(self, tree: syntax.Tree) -> None:
        match tree:
            case Set():
                self.append(Take(tree.ranges))
            case Place():
                self.append(Test(tree.kind))
            case Sequence():
                for part in tree.parts:
                    self.add(part)
            case Group():
                self.append(Save(2 * tree.number))
                self.add(tree.inner)
                self.append(Save(2 * tree.number + 1))
            case Choice():
                self._add_choice(tree)
            case Repeat():
                self._add_repeat(tree)

    def _add_choice(self, tree: Choice) -> None:
        jumps: list[int] = []
        for part in tree.parts[:-1]:
            split = self.append(Jump(0))
            self.add(part)
            jumps.append(self.append(Jump(0)))
            self.code[split] = Split(split + 1, len(self.code))
        self.add(tree.parts[-1])
        for jump in jumps:
            self.code[jump] = Jump(len(self.code))

    def _add_repeat(self, tree: Repeat) -> None:
        for _ in range(tree.least - (tree.most is None and tree.least > 0)):
            self.add(tree.inner)
        if tree.most is None:
            self._add_unbounded(tree)
            return
        splits: list[int] = []
        for _ in range(tree.most - tree.least):
            splits.append(self.append(Jump(0)))
            self.add(tree.inner)
        for split in splits:
            self.code[split] = self._split(tree.greedy, split + 1, len(self.code))

    def _add_unbounded(self, tree: Repeat) -> None:
        if tree.least > 0:  # x+
            begin = len(self.code)
            self.add(tree.inner)
            split = self.append(Jump(0))
            self.code[split] = self._split(tree.greedy, begin, split + 1)
            return
        split = self.append(Jump(0))
        self.add(tree.inner)
        if _may_be_empty(tree.inner):
            # (x*)* is (x*)+ or nothing: so the inner part's precedence is kept, as RE2 does it.
            again = self.append(Jump(0))
            self.code[again] = self._split(tree.greedy, split + 1, again + 1)
        else:
            self.append(Jump(split))
        self.code[split] = self._split(tree.greedy, split + 1, len(self.code))

    def _split(self, greedy: bool, inside: int, after: int) -> Split:
        return Split(inside, after) if greedy else Split(after, inside)


def _may_be_empty(tree: syntax.Tree) -> bool:
    match tree:
        case Set():
            return False
        case Place():
            return True
        case Sequence():
            return all(map(_may_be_empty, tree.parts))
        case Choice():
            return any(map(_may_be_empty, tree.parts))
        case Group():
            return _may_be_empty(tree.inner)
        case Repeat():
            return tree.least == 0 or _may_be_empty(tree.inner)
