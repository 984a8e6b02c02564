"""Did the counter of arrivals only ever go up?  Queues are in its order (see fsck.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The counters of a stretch of history; 0 where it has none.

    `uncounted` is the path of a record without a counter that came before all of them.
    """

    first: int = 0
    last: int = 0
    uncounted: str = ""


class Arrivals:
    """Takes the new records commit by commit."""

    def __init__(self) -> None:
        self._first = self._last = 0
        self._uncounted = ""
        self._new: list[tuple[int, str]] = []

    def note(self, arrival: int, path: str) -> None:
        self._new.append((arrival, path))

    def settle(self) -> list[tuple[str, str]]:
        """End a commit; return the paths of records with a wrong counter, and what is wrong."""
        found = []
        last = self._last
        for arrival, path in sorted(self._new):
            if not arrival and last:
                found.append((path, "has no arrival, and records before it have"))
            elif not arrival:
                self._uncounted = self._uncounted or path
            elif arrival <= self._last:
                found.append((path, f"has arrival {arrival}, which an earlier record went past"))
            else:
                self._first = self._first or arrival
                self._last = arrival
        self._new.clear()
        return found

    @property
    def span(self) -> Span:
        return Span(first=self._first, last=self._last, uncounted=self._uncounted)


def between(spans: Iterable[Span], *, before: int = 0) -> Iterator[tuple[str, str]]:
    """Say where stretches that are right by themselves do not follow each other."""
    for span in spans:
        if span.uncounted and before:
            yield span.uncounted, "has no arrival, and records before it have"
        if span.first and span.first <= before:
            yield "workflows", f"arrival {span.first} was given after {before}"
        before = max(before, span.last)
