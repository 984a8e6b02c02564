"""Which proposals wait for a turn, and which thread is woken to take it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from provisioner.errors import Unavailable
from provisioner.store.writer.batch_builder import Waiting


class ProposalQueue:
    """Thread-safe, but that only who has the turn takes from it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()  # guards the four below
        self._waiting: deque[Waiting] = deque()
        self._wake_borrower: Callable[[], None] | None = None
        self._is_thread_wanted = False
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def add(self, waiting: Waiting) -> bool:
        """Whether it is the only one; raise `Unavailable` when the queue was closed."""
        with self._condition:
            if self._is_closed:
                raise Unavailable("the status writer is closing")
            self._waiting.append(waiting)
            return len(self._waiting) == 1

    def first(self, count: int) -> list[Waiting]:
        with self._condition:
            return list(islice(self._waiting, count))

    def drop(self, count: int) -> None:
        with self._condition:
            for _ in range(count):
                self._waiting.popleft()

    def put_back(self, members: Iterable[Waiting]) -> None:
        """Have them come first again, in their order."""
        with self._condition:
            self._waiting.extendleft(reversed(list(members)))

    def close(self) -> None:
        """Take nothing more; what waits is still to be answered, by the thread of its own."""
        with self._condition:
            self._is_closed = True
        self.wake_thread()

    def lend(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called where the thread would be woken; None ends that."""
        with self._condition:
            self._wake_borrower = wake
        self.wake()  # for what waited for the one who had the turns

    def wake(self) -> None:
        wake = self._wake_borrower
        if wake is None or self._is_closed:
            self.wake_thread()
        else:
            wake()

    def wake_thread(self) -> None:
        with self._condition:
            self._is_thread_wanted = True
            self._condition.notify()

    def wait_until_wanted(self, patience_seconds: float | None) -> bool:
        """Of the thread: sleep until it is woken, or so long; whether it was woken."""
        with self._condition:
            is_wanted = self._condition.wait_for(lambda: self._is_thread_wanted, patience_seconds)
            self._is_thread_wanted = False
        return is_wanted
