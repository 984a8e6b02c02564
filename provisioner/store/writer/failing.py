"""The state "nothing can be written": entered when a write fails, left when one works."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from provisioner.git.ref_lock import RefMoved
from provisioner.store.guard.branch_guard import Diverged

# The writer tries by itself so often, without an end: nothing else may come along to show that
# the fault is gone.  One try writes as much as failed, at most so much.
AGAIN_SECONDS = 1.0
_TRY_LIMIT_BYTES = 16 * 1024 * 1024
_TRY_BYTES = 64 * 1024

_LOG = logging.getLogger(__name__)

OnFailing = Callable[[str | None], None]  # why nothing can be written now; None when it can


class Failing:
    """Thread-safe: ephemeral data fail in threads of their own, batches in the writer's.

    Changes are reported in the order in which they came about, one at a time, by one of the
    threads that made them; the lock is not held then, so whoever listens may call back.
    """

    def __init__(self, on_change: OnFailing | None, wake: Callable[[], None]) -> None:
        """`wake` wakes the thread that tries again."""
        self._on_change = on_change or (lambda _: None)
        self._wake = wake
        self._lock = threading.Lock()  # guards the four below
        self._is_on = False
        self._size_bytes = 0  # of the largest write that failed
        self._unreported: deque[str | None] = deque()
        self._is_reporting = False  # by some thread, which reports what is added meanwhile too

    @property
    def again_seconds(self) -> float | None:
        """How long to wait for something else before the next try; None while all is well."""
        with self._lock:
            return AGAIN_SECONDS if self._is_on else None

    def failed(self, error: Exception, size_bytes: int = 0) -> None:
        """Note that a write of so many bytes failed, unless it was only lost to another writer."""
        if isinstance(error, (RefMoved, Diverged)):
            return  # the disk is well
        with self._lock:
            self._is_on = True
            self._size_bytes = max(self._size_bytes, size_bytes)
            self._unreported.append(reason(error))
        self._report()
        self._wake()

    def worked(self) -> None:
        """Note that a batch, or a try, was written."""
        with self._lock:
            if not self._is_on:
                return
            self._is_on = False
            self._size_bytes = 0
            self._unreported.append(None)
        self._report()

    def try_again(self, write: Callable[[int], None]) -> None:
        """Call `write` with so many bytes that it shows whether the fault is gone."""
        with self._lock:
            size_bytes = self._size_bytes
        try:
            write(min(max(size_bytes, _TRY_BYTES), _TRY_LIMIT_BYTES))
        except Exception as error:
            self.failed(error)
        else:
            self.worked()

    def _report(self) -> None:
        """Report every change there is, unless another thread is about to."""
        with self._lock:
            if self._is_reporting:
                return
            self._is_reporting = True
        while True:
            with self._lock:
                if not self._unreported:
                    self._is_reporting = False
                    return
                why = self._unreported.popleft()
            try:
                self._on_change(why)
            except Exception:
                _LOG.exception("a listener to failing writes failed")


def reason(error: Exception) -> str:
    """The error as people read it: what the system says of it, with the hint if it has one."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    hint = getattr(error, "hint", "")
    return f"{text} ({hint})" if hint else text
