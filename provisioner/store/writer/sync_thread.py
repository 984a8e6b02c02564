"""The thread that waits for the disk, so that the steps of the writer never do."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from provisioner.git.commit import Staged

# A lone report is synced on the spot where the disk is quick: handing it to the other thread and
# being woken again would take some 0.1 ms, and nobody else waits.
QUICK_SYNC_SECONDS = 0.001


class SyncThread:
    """Syncs one commit at a time, and appends to `outcomes` how it ended: None or the error.

    `outcomes` is a deque, which needs no lock.  `_seconds` is written by whoever syncs, of whom
    there is one at a time: the next commit is submitted after the outcome of the last was taken.
    """

    def __init__(self, sync: Callable[[Staged], None], wake: Callable[[], None]) -> None:
        """`sync` makes a commit durable; `wake` is called after it, from this thread."""
        self._work = sync
        self._wake = wake
        self._waiting: SimpleQueue[Staged | None] = SimpleQueue()
        self._seconds = 0.0  # how long the last one took
        self.outcomes: deque[Exception | None] = deque()
        self._thread = threading.Thread(target=self._run, name="status-sync")
        self._thread.start()

    @property
    def is_quick(self) -> bool:
        """Whether the last sync took less than handing the next one over would."""
        return self._seconds < QUICK_SYNC_SECONDS

    def submit(self, staged: Staged) -> None:
        """Have a commit synced by this thread."""
        self._waiting.put(staged)

    def sync_here(self, staged: Staged) -> None:
        """Sync a commit in the thread that calls, which waits."""
        started = time.monotonic()
        try:
            self._work(staged)
        except Exception as error:
            self.outcomes.append(error)
        else:
            self.outcomes.append(None)
        self._seconds = time.monotonic() - started

    def close(self) -> None:
        """Sync what was submitted, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (staged := self._waiting.get()) is not None:
            self.sync_here(staged)
            self._wake()
