"""What keeps a server from its work, for `/readyz`, the metrics and the log.

A condition has a name, one sentence and a next step.  One that `stops_writing` lets no
machine be offered an action and no report be acknowledged: both are answered 503, and
containers that run go on meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from provisioner.errors import Unavailable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`name` is a stable word for programs, such as `status-diverged`.

    With one that `is_partial` all but a few workflows are served, and `/readyz` stays 200.
    """

    name: str
    message: str
    hint: str = ""
    stops_writing: bool = False
    is_partial: bool = False


class Conditions:
    """Thread-safe; logs each condition when it appears and when it goes."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called, by the thread that changed it, after each change."""
        self._on_change = on_change
        self._lock = threading.Lock()  # guards two changes at once
        self._current: tuple[Condition, ...] = ()

    @property
    def current(self) -> tuple[Condition, ...]:
        """All that hold now, sorted by name."""
        return self._current

    def set(self, condition: Condition, *, level: int = logging.WARNING) -> None:
        """Let a condition hold; one of the same name is replaced."""
        with self._lock:
            if condition in self._current:
                return
            rest = (each for each in self._current if each.name != condition.name)
            self._current = tuple(sorted((*rest, condition), key=lambda each: each.name))
        hint = f" ({condition.hint})" if condition.hint else ""
        _LOG.log(level, "%s: %s%s", condition.name, condition.message, hint)
        self._on_change()

    def clear(self, name: str) -> None:
        """Let the condition of this name hold no longer."""
        with self._lock:
            rest = tuple(each for each in self._current if each.name != name)
            if len(rest) == len(self._current):
                return
            self._current = rest
        _LOG.info("%s: over", name)
        self._on_change()

    @property
    def stops_writing(self) -> bool:
        """Whether one that holds stops the writing side."""
        return any(each.stops_writing for each in self._current)

    def check_writable(self) -> None:
        """Raise `Unavailable` while a condition stops the writing side."""
        for each in self._current:
            if each.stops_writing:
                raise Unavailable(each.message, hint=each.hint)
