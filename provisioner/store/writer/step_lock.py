"""The lock of whoever takes a step of the writer, which any thread may do."""

from __future__ import annotations

import threading
from collections.abc import Callable


class StepLock:
    """Held for a step.  Who finds it held need not wait: a step is taken for them afterwards.

    Either by the holder, who is in `run` or `try_run` and looks again, or by whoever `wake`
    wakes, when the holder was in a `with` block and takes no steps.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """`wake` asks for a step, from any thread; it is called without the lock."""
        self._wake = wake
        self._lock = threading.Lock()  # guards what is in BatchPipeline
        # Not guarded: set before a thread tries for the lock, cleared by the holder before it
        # looks for work.  So who was refused the lock is always seen by who had it.
        self._is_wanted = False

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._is_wanted:
            self._wake()

    def run(self, step: Callable[[], bool]) -> bool:
        """Wait for the lock and take a step, again while others want one; return its result."""
        return self._run(step, blocks=True)

    def try_run(self, step: Callable[[], bool]) -> bool:
        """The same without waiting: False where the lock is held, whose holder sees to it."""
        return self._run(step, blocks=False)

    def _run(self, step: Callable[[], bool], *, blocks: bool) -> bool:
        result = False
        self._is_wanted = True
        while self._is_wanted and self._lock.acquire(blocking=blocks):
            try:
                self._is_wanted = False
                result = step()
            finally:
                self._lock.release()
        return result
