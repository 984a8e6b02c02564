"""When a remote is fetched and pushed to: in a thread each, which end with the server.

Every wait on the network has an end of its own; whoever fails waits longer each time, and
the direction that works again wakes the other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from provisioner.errors import TinkError
from provisioner.git.command import GitFailed
from provisioner.git.remote import Remote
from provisioner.services import remote_conditions
from provisioner.services.back_off import BackOff
from provisioner.services.conditions import Conditions
from provisioner.services.metrics import Metrics
from provisioner.services.remote_status import RemoteStatus
from provisioner.store.desired.clone import Leftovers

HURRIED_PAUSE_SECONDS = 0.5  # from one fetch to the next, however often somebody asks for one
PUSH_PAUSE_SECONDS = 1.0  # between two pushes: a busy branch moves hundreds of times
# A server whose branch it was goes on by memory when the remote does not answer for so long.
FIRST_ANSWER_SECONDS = 5.0
LAST_PUSH_SECONDS = 2.5  # for the push of a server that ends: it has five seconds in all
# While a person is expected to do something at the remote.
_WAITING_SECONDS = 5.0

_LOG = logging.getLogger(__name__)


class RemoteSync:
    """`run_fetch` and `run_push` are the work of two threads, each with its own end."""

    def __init__(
        self,
        remote: Remote,
        status: RemoteStatus,
        *,
        desired_branch: str,
        fetch_seconds: float,
        changed: threading.Event,
        conditions: Conditions,
        metrics: Metrics,
        on_fetched: Callable[[], None],
        leftovers: Leftovers | None = None,
    ) -> None:
        """`changed` is set whenever the status branch moves; `leftovers` is for a clone of ours."""
        self._remote = remote
        self._status = status
        self._desired_branch = desired_branch
        self._fetch_seconds = fetch_seconds
        self._changed = changed
        self._conditions = conditions
        self._metrics = metrics
        self._on_fetched = on_fetched
        self._leftovers = leftovers
        self._closed = threading.Event()
        self._fetch_now = threading.Event()
        self._push_now = threading.Event()
        self._was_tried = threading.Event()  # the first fetch has ended, well or not
        self._was_fetched = threading.Event()
        self._is_pushing = threading.Lock()  # held while a git of ours pushes
        self._last_push_is_over = threading.Event()
        self._knew_desired = False
        self._last_words: dict[str, str] = {}  # of what failed, so that it is logged once

    def fetch_soon(self) -> None:
        """Fetch at once, and once more where a fetch is under way: it may have looked before."""
        self._fetch_now.set()

    def end_fetching(self) -> None:
        self._remote.stop_fetching.set()
        self._fetch_now.set()

    def end_pushing(self) -> None:
        """Let what is here be pushed once more, for a moment, then end."""
        self._closed.set()
        for event in (self._push_now, self._changed, self._was_tried):
            event.set()
        if self._status.is_writing:
            self._last_push_is_over.wait(LAST_PUSH_SECONDS)
        self._remote.stop_pushing.set()

    # Towards us.

    def run_fetch(self) -> None:
        back_off = BackOff()
        self._remove_leftovers()
        while not self._remote.stop_fetching.is_set():
            began = time.monotonic()
            if self.fetch():
                self._changed.set()
                if back_off.worked():
                    self._push_now.set()
                pause = self._fetch_seconds
                if not self._status.is_writing:
                    pause = min(pause, _WAITING_SECONDS)
            else:
                self._remove_leftovers()
                pause = back_off.pause()
            self._was_tried.set()
            if self._fetch_now.wait(pause):
                left = began + HURRIED_PAUSE_SECONDS - time.monotonic()
                self._remote.stop_fetching.wait(max(0.0, left))
            self._fetch_now.clear()  # who asks from here on is served by the fetch that follows

    def fetch(self) -> bool:
        """Fetch once, and look at what came; returns whether the remote was reached."""
        try:
            self._remote.fetch()
        except Exception as error:
            self._failed("fetched", error)
            self._metrics.fetches.labels("failed").inc()
            if isinstance(error, TinkError) and not self._remote.stop_fetching.is_set():
                self._status.failed(error)
            return False
        self._metrics.fetches.labels("done").inc()
        self._worked("fetched")
        self._was_fetched.set()
        self._look_for_desired()
        try:
            self._status.fetched()
        except Exception as error:
            self._failed("followed", error)
        self._on_fetched()
        return True

    def _look_for_desired(self) -> None:
        """Say so when the remote has the desired branch not yet, or no more.

        Where only the remote had it, `desired_head` says so.
        """
        repo, branch = self._remote.repo, self._desired_branch
        if repo.resolve(self._remote.tracking(branch)) is not None:
            self._knew_desired = True
            self._conditions.clear(remote_conditions.DESIRED_MISSING)
        elif self._knew_desired == (repo.branch(branch) is not None):
            self._conditions.set(remote_conditions.desired_missing(self._remote, branch))

    def _remove_leftovers(self) -> None:
        """Free our own clone of what a killed git left, which may be why a fetch failed."""
        if self._leftovers is None or not self._is_pushing.acquire(blocking=False):
            return
        try:
            if self._leftovers.remove(self._remote.stop_fetching.wait):
                self._fetch_now.set()
        except OSError as error:
            self._failed("tidied up", error)
        finally:
            self._is_pushing.release()

    # Towards the remote.

    def run_push(self) -> None:
        back_off = BackOff()
        self._was_tried.wait(FIRST_ANSWER_SECONDS)
        if not self._was_fetched.is_set():
            self._go_on_by_memory()
        is_last = False
        while not is_last:
            is_last = self._closed.is_set()
            self._changed.clear()
            if self._may_push() and not self.push():
                self._push_now.wait(0.0 if is_last else back_off.pause())
                self._push_now.clear()
            elif not is_last:
                if self._may_push() and back_off.worked():
                    self._fetch_now.set()
                self._changed.wait()
                self._closed.wait(PUSH_PAUSE_SECONDS)
        self._last_push_is_over.set()

    def _may_push(self) -> bool:
        return self._status.is_writing or self._was_fetched.is_set()

    def _go_on_by_memory(self) -> None:
        try:
            if not self._closed.is_set():
                self._status.go_on_by_memory()
        except Exception as error:
            self._failed("gone on without", error)

    def push(self) -> bool:
        """Push what is here; returns whether there is nothing left to push."""
        try:
            with self._is_pushing:
                count = self._status.push()
        except Exception as error:
            self._failed("pushed to", error)
            self._metrics.pushes.labels("failed").inc()
            if isinstance(error, GitFailed) and not self._closed.is_set():
                self._status.failed(error)
                self._go_on_by_memory()
            return False
        self._worked("pushed to")
        self._metrics.pushes.labels("done").inc(count)
        return True

    # What is logged.

    def _failed(self, what: str, error: Exception) -> None:
        if self._remote.stop_fetching.is_set() or self._closed.is_set():
            return  # it was we who ended it
        if not isinstance(error, TinkError):
            _LOG.exception("%s can't be %s", self._remote.url, what)
        elif self._last_words.get(what) != str(error):
            _LOG.warning("%s can't be %s now: %s", self._remote.url, what, error)
        self._last_words[what] = str(error)

    def _worked(self, what: str) -> None:
        if self._last_words.pop(what, None) is not None:
            _LOG.info("%s can be %s again", self._remote.url, what)
