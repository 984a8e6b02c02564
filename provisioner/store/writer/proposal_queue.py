"""The proposals that wait for a step, and the thread that is woken to take it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from provisioner.errors import Unavailable
from provisioner.store.writer.batch_builder import Waiting


class ProposalQueue:
    """Thread-safe, but that only the holder of the StepLock takes from it."""

    def __init__(self) -> None:
        # Guards the four below: they are written under it.  `__len__`, `is_closed` and `wake`
        # read one of them without, which is as new as what was written before they were called.
        self._condition = threading.Condition()
        self._waiting: deque[Waiting] = deque()
        self._wake_driver: Callable[[], None] | None = None
        self._is_thread_wanted = False
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closed

    def add(self, waiting: Waiting) -> bool:
        """Add to the end; whether it is the only one.  Raises `Unavailable` after `close`."""
        with self._condition:
            if self._is_closed:
                raise Unavailable("the status writer is closing")
            self._waiting.append(waiting)
            return len(self._waiting) == 1

    def first(self, count: int) -> list[Waiting]:
        """Return the first so many, or fewer, which stay."""
        with self._condition:
            return list(islice(self._waiting, count))

    def drop(self, count: int) -> None:
        """Take the first so many away."""
        with self._condition:
            for _ in range(count):
                self._waiting.popleft()

    def put_back(self, members: Iterable[Waiting]) -> None:
        """Have them come first again, in their order."""
        with self._condition:
            self._waiting.extendleft(reversed(list(members)))

    def close(self) -> None:
        """Take nothing more; what waits is still to be answered, by the writer's own thread."""
        with self._condition:
            self._is_closed = True
        self.wake_thread()

    def hand_over(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called where the writer's own thread would be woken; None ends that."""
        with self._condition:
            self._wake_driver = wake
        self.wake()  # for what waited for the one who took the steps before

    def wake(self) -> None:
        """Have a step taken, by whoever takes them now."""
        wake = self._wake_driver
        if wake is None or self._is_closed:
            self.wake_thread()
        else:
            wake()

    def wake_thread(self) -> None:
        """Have a step taken by the writer's own thread."""
        with self._condition:
            self._is_thread_wanted = True
            self._condition.notify()

    def wait_until_wanted(self, patience_seconds: float | None) -> bool:
        """Sleep until `wake_thread`, or so long; whether it was woken.  For one thread."""
        with self._condition:
            is_wanted = self._condition.wait_for(lambda: self._is_thread_wanted, patience_seconds)
            self._is_thread_wanted = False
        return is_wanted
