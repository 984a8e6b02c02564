"""Where does a program match a text?

All ways are followed at once, character by character, so the work is at most the length of the
text times the size of the program, and it is paid for from the rendering's budget.
"""

from __future__ import annotations

from collections.abc import Iterator

from gotemplate.limits import Budget
from gotemplate.regex import charset
from gotemplate.regex.program import Jump, Match, Program, Save, Split, Take, Test

Slots = tuple[int, ...]
_Thread = tuple[int, Slots]  # of an instruction, and where groups began and ended


class Search:
    """One program on one text; `find` may be called for many places."""

    def __init__(self, program: Program, text: str, budget: Budget) -> None:
        self._program = program
        self._text = text
        self._budget = budget
        self._known: dict[tuple[int, str], bool] = {}
        self._nothing: Slots = (-1,) * (2 * len(program.names))
        budget.spend(len(program.instructions) // 8)

    def find(self, start: int) -> Slots | None:
        """The leftmost match at or behind `start`; of several there, the one Perl would choose."""
        text, prefix = self._text, self._program.prefix
        threads: list[_Thread] = []
        found: Slots | None = None
        at = start
        while True:
            if found is None:
                if not threads and prefix:
                    jump = text.find(prefix, at)
                    if jump < 0:
                        return None
                    self._budget.spend((jump - at) // 64)
                    at = jump
                self._follow(threads, {thread[0] for thread in threads}, 0, self._nothing, at)
            elif not threads:
                return found
            threads, hit = self._step(threads, at)
            found = hit or found
            if at >= len(text):
                return found
            at += 1

    def _step(self, threads: list[_Thread], at: int) -> tuple[list[_Thread], Slots | None]:
        """The threads behind the character at `at`, and a match that ends before it."""
        self._budget.spend(1 + len(threads) // 2)
        code = self._program.instructions
        character = self._text[at : at + 1]
        following: list[_Thread] = []
        seen: set[int] = set()
        for index, slots in threads:
            one = code[index]
            if type(one) is Match:
                return following, slots
            if character and self._takes(index, character):
                self._follow(following, seen, index + 1, slots, at + 1)
        return following, None

    def _takes(self, index: int, character: str) -> bool:
        known = self._known.get((index, character))
        if known is None:
            one = self._program.instructions[index]
            known = isinstance(one, Take) and charset.holds(one.ranges, ord(character))
            self._known[index, character] = known
        return known

    def _follow(
        self, threads: list[_Thread], seen: set[int], index: int, slots: Slots, at: int
    ) -> None:
        """Add a thread, and go through all that takes no character."""
        code = self._program.instructions
        waiting = [(index, slots)]
        steps = 0
        while waiting:
            index, slots = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            steps += 1
            one = code[index]
            if isinstance(one, Take | Match):
                threads.append((index, slots))
            elif isinstance(one, Split):
                waiting.append((one.second, slots))
                waiting.append((one.first, slots))
            elif isinstance(one, Jump):
                waiting.append((one.target, slots))
            elif isinstance(one, Save):
                saved = (*slots[: one.slot], at, *slots[one.slot + 1 :])
                waiting.append((index + 1, saved))
            elif self._is_at(one, at):
                waiting.append((index + 1, slots))
        self._budget.spend(steps // 2)

    def _is_at(self, test: Test, at: int) -> bool:
        text = self._text
        match test.kind:
            case "start":
                return at == 0
            case "end":
                return at == len(text)
            case "line start":
                return at == 0 or text[at - 1] == "\n"
            case "line end":
                return at == len(text) or text[at] == "\n"
        before = at > 0 and _is_word(text[at - 1])
        after = at < len(text) and _is_word(text[at])
        return (before != after) == (test.kind == "boundary")


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def find_all(program: Program, text: str, budget: Budget, most: int) -> Iterator[Slots]:
    """The matches that do not overlap; an empty one does not count directly behind another."""
    search = Search(program, text, budget)
    at, last_end, count = 0, -1, 0
    while at <= len(text) and (most < 0 or count < most):
        slots = search.find(at)
        if slots is None:
            return
        budget.spend(1)
        begin, end = slots[0], slots[1]
        counts = True
        if end == at:
            counts = begin != last_end
            at += 1
        else:
            at = end
        last_end = end
        if counts:
            count += 1
            yield slots


def find_for_replacing(program: Program, text: str, budget: Budget) -> Iterator[Slots]:
    """As Go's ReplaceAll looks for them."""
    search = Search(program, text, budget)
    at = last_end = 0
    while at <= len(text):
        slots = search.find(at)
        if slots is None:
            return
        budget.spend(1)
        begin, end = slots[0], slots[1]
        if end > last_end or begin == 0:
            yield slots
        last_end = end
        at = max(at + 1, end)
