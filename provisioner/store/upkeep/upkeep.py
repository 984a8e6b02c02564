"""Runs maintenance, retention and the checkpoint now and then, in a thread.

How long ago it was, the files say: a server that never lives for a minute does it too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from provisioner.errors import TinkError
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import maintenance
from provisioner.store.upkeep.retention import Archived

FIRST_SECONDS = 1.0  # machines that waited for the server come before
INTERVAL_SECONDS = 20.0  # a busy server makes 80 packs a second, and each slows reads down
# A checkpoint of 100,000 workflows is 30 MB; what came after it is caught up with at a start.
CHECKPOINT_SECONDS = 3600.0
RETENTION_SECONDS = 3600.0
_RETAINED_AT = "retained_at"

_LOG = logging.getLogger(__name__)


class Retain(Protocol):
    """Move old workflows out of the tip; stop early when the argument says so."""

    def __call__(self, is_closing: Callable[[], bool], /) -> Archived: ...


class Upkeep:
    """`run` is the thread's work; `close` ends it, and the git process it waits for.

    What such a process leaves is stale, and removed a day later.
    """

    def __init__(
        self,
        store: StatusStore,
        clock: Callable[[], float],
        *,
        cautious: Callable[[], float] | None = None,
        retain: Retain | None = None,
        each_time: Callable[[], None] = lambda: None,
        first_seconds: float = FIRST_SECONDS,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        """`cautious` says how old a file is that nobody seems to need: rather too young.

        `each_time` is called first in each round.
        """
        self._store = store
        self._clock = clock
        self._cautious = cautious or clock
        self._retain = retain
        self._each_time = each_time
        self._first_seconds = first_seconds
        self._interval_seconds = interval_seconds
        self._closed = threading.Event()

    def run(self) -> None:
        seconds = self._first_seconds
        while not self._closed.wait(seconds):
            seconds = self._interval_seconds
            try:
                self.run_once()
            except (TinkError, OSError) as error:
                if not self._closed.is_set():
                    _LOG.warning("maintenance of the repository failed: %s", error)

    def run_once(self) -> None:
        """Do what is due."""
        self._each_time()
        repo = self._store.repo
        if maintenance.is_due(repo):
            done = maintenance.run(repo, now=self._cautious(), stop=self._closed)
            _LOG.info("joined %d packs to %d", done.packs_before, done.packs_after)
        retained_at = maintenance.noted(repo).get(_RETAINED_AT)
        if self._retain is not None and self._is_due(retained_at, RETENTION_SECONDS):
            archived = self._retain(self._closed.is_set)
            if archived.workflows:
                _LOG.info("archived %d finished workflows", archived.workflows)
            if not self._closed.is_set():
                maintenance.note(repo, {_RETAINED_AT: self._clock()})
        if self._is_due(checkpoint.saved_at(self._store), CHECKPOINT_SECONDS):
            checkpoint.save(self._store)

    def _is_due(self, last: float | None, seconds: float) -> bool:
        """Whether it is that long ago; also when a clock says that it is still to come."""
        if self._closed.is_set():
            return False
        return last is None or not 0 <= self._clock() - last < seconds

    def close(self) -> None:
        self._closed.set()
