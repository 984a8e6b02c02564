"""Heartbeats: asks whether the current run is still wanted.

A thread asks every few seconds while an action runs.  A server that is silent changes
nothing: an installation must not die of a restarted server.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from worker.action import Run
from worker.transport import ServerApi, ServerRefused, ServerUnreachable
from worker.watch import Watch
from worker.wire import Heartbeat

log = logging.getLogger(__name__)

# The server knows this run and has another opinion of it.  404 is not among them: a server
# that was started over the wrong repository must not stop a machine in mid-installation.
UNWANTED_STATUSES = frozenset({409, 410})
JOIN_SECONDS = 1  # a question under way may wait longer; its answer is then not heard


class HeartbeatThread:
    """Sets `watch.cancelled` when the server says so.  A context manager: it ends with it."""

    def __init__(self, api: ServerApi, run: Run, watch: Watch, *, seconds: float) -> None:
        self._api = api
        self._run = run
        self._watch = watch
        self._seconds = seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join(JOIN_SECONDS)

    def _beat(self) -> None:
        api = self._api.twin()
        heartbeat = Heartbeat(
            worker=self._run.asked_as,
            action_index=self._run.offer.action_index,
            attempt=self._run.attempt,
        )
        is_silent = False
        try:
            while not self._done.wait(self._seconds):
                reason = None
                try:
                    answer = api.heartbeat(self._run.offer.workflow_id, heartbeat)
                    reason = answer.reason if answer.cancel else None
                    if is_silent:
                        log.info("%s: the server answers again", self._run)
                        is_silent = False
                except ServerUnreachable as error:
                    if not is_silent:
                        log.warning("%s: continues without the server: %s", self._run, error)
                        is_silent = True
                except ServerRefused as error:
                    if error.status in UNWANTED_STATUSES:
                        reason = error.message
                    else:
                        log.warning("%s: heartbeat refused: %s", self._run, error)
                if reason is not None and not self._done.is_set():
                    log.warning("%s: no longer wanted: %s", self._run, reason or "cancelled")
                    self._watch.cancelled.set()
                    return
        finally:
            api.close()
