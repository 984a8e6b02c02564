"""When maintenance and retention run and the checkpoint is written: in a thread, seldom."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from provisioner.errors import TinkError
from provisioner.store import checkpoint, maintenance
from provisioner.store.retention import Archived
from provisioner.store.status_store import StatusStore

INTERVAL_SECONDS = 60.0
# A checkpoint of 100,000 workflows is 30 MB; what came after it is caught up with at a start.
_CHECKPOINT_INTERVALS = 60
_RETENTION_INTERVALS = 60

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
        retain: Retain | None = None,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._retain = retain
        self._interval_seconds = interval_seconds
        self._closed = threading.Event()

    def run(self) -> None:
        count = 0
        while not self._closed.wait(self._interval_seconds):
            count += 1
            try:
                if count % _RETENTION_INTERVALS == 1:
                    self.retain_once()
                self.run_once(with_checkpoint=count % _CHECKPOINT_INTERVALS == 0)
            except (TinkError, OSError) as error:
                if not self._closed.is_set():
                    _LOG.warning("maintenance of the repository failed: %s", error)

    def run_once(self, *, with_checkpoint: bool) -> None:
        if maintenance.is_due(self._store.repo):
            done = maintenance.run(self._store.repo, now=self._clock(), stop=self._closed)
            _LOG.info("joined %d packs to %d", done.packs_before, done.packs_after)
        if with_checkpoint and not self._closed.is_set():
            checkpoint.save(self._store)

    def retain_once(self) -> None:
        if self._retain is not None:
            done = self._retain(self._closed.is_set)
            if done.workflows:
                _LOG.info("archived %d finished workflows", done.workflows)

    def close(self) -> None:
        self._closed.set()
