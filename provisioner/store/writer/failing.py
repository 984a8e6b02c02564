"""Whether the disk takes what the writer writes, for whoever tells people."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.git.ref_lock import RefMoved
from provisioner.store.guard.branch_guard import Diverged

# The writer tries by itself so often, without an end: nothing else may come along to show that
# the fault is gone.  One try writes as much as failed, at most so much.
AGAIN_SECONDS = 1.0
_TRY_LIMIT_BYTES = 16 * 1024 * 1024
_TRY_BYTES = 64 * 1024

OnFailing = Callable[[str | None], None]  # why nothing can be written now; None when it can


class Failing:
    """Any thread may say that something `failed`; that it `worked`, only who has the turn."""

    def __init__(self, on_change: OnFailing | None, wake: Callable[[], None]) -> None:
        """`wake` wakes the thread that tries again."""
        self._on_change = on_change or (lambda _: None)
        self._wake = wake
        self._size_bytes = 0
        self.is_on = False

    @property
    def again_seconds(self) -> float | None:
        """How long to wait for something else before the next try."""
        return AGAIN_SECONDS if self.is_on else None

    def failed(self, error: Exception, size_bytes: int = 0) -> None:
        """Something of so many bytes could not be written."""
        if isinstance(error, (RefMoved, Diverged)):
            return  # the disk is well
        self._size_bytes = max(self._size_bytes, size_bytes)
        self.is_on = True
        self._on_change(reason(error))
        self._wake()

    def try_again(self, write: Callable[[int], None]) -> None:
        """Have something written, of so many bytes that it shows whether the fault is gone."""
        try:
            write(min(max(self._size_bytes, _TRY_BYTES), _TRY_LIMIT_BYTES))
        except Exception as error:
            self.failed(error)
        else:
            self.worked()

    def worked(self) -> None:
        """A group, or a try, was written."""
        if self.is_on:
            self.is_on = False
            self._size_bytes = 0
            self._on_change(None)


def reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    hint = getattr(error, "hint", "")
    return f"{text} ({hint})" if hint else text
