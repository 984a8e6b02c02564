"""Keeps a reading process up to date with the writing one.

It looks at the status ref a few times a second and reads what changed since.  Of the
desired branch it shows the commit that the writer has taken in (`reconcile.json` names
it), so that hardware, templates and workflows are of one moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager

from provisioner.errors import NotFound, Refused, TinkError
from provisioner.model.ids import TreeId
from provisioner.model.views import DesiredState, Proposal, Receipt, ReconcileReport, StatusView
from provisioner.services import desired_loader
from provisioner.services.snapshots import Snapshots
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.data_writer import NewFile, Stored

# No hints of the file system here: a busy writer moves the ref a hundred times a second,
# and what a person reads may be this much older.
LOOK_SECONDS = 0.1
RETRY_SECONDS = 2.0  # endless: the next look may find a repository that was repaired

_LOG = logging.getLogger(__name__)


class Follower:
    """`follow` is one look; `run` looks until closed, in one thread."""

    def __init__(
        self,
        *,
        status: StatusStore,
        desired: DesiredStore,
        snapshots: Snapshots,
        load: Callable[[StatusStore], StatusView],
    ) -> None:
        """`load` reads the whole branch, once (store.checkpoint)."""
        self._status = status
        self._desired = desired
        self._snapshots = snapshots
        self._load = load
        self._closed = threading.Event()
        self.is_ready = threading.Event()  # both branches were read

    def follow(self) -> bool:
        """Catch up with the tip of the status branch; whether there was anything to read."""
        tip = self._status.tip()
        now = self._snapshots.current
        if tip is None or (tip == now.status.commit and self.is_ready.is_set()):
            return False
        view = self._caught_up(now.status)
        report = view.reconcile
        if report.desired_commit is not None and report.desired_commit != now.desired.commit:
            self._snapshots.swap_desired(self._taken_in(now.desired, report))
        self._snapshots.swap_status(view, ())
        if report.desired_commit is not None:
            self.is_ready.set()
        return True

    def run(self) -> None:
        """Follow until closed; a fault ends a look, never the thread."""
        while not self._closed.is_set():
            started = time.monotonic()
            try:
                self.follow()
                wait = max(LOOK_SECONDS, time.monotonic() - started)  # half for those who ask
            except TinkError as error:
                _LOG.warning("the status branch can't be followed now: %s", error)
                wait = RETRY_SECONDS
            except Exception:
                _LOG.exception("a look at the status branch failed")
                wait = RETRY_SECONDS
            self._closed.wait(wait)

    def close(self) -> None:
        self._closed.set()

    def _caught_up(self, view: StatusView) -> StatusView:
        if view.commit is None:
            return self._load(self._status)
        try:
            return self._status.catch_up(view)
        except NotFound:  # somebody rewrote the branch, and a gc took the old commit away
            return self._status.load()

    def _taken_in(self, state: DesiredState, report: ReconcileReport) -> DesiredState:
        """The desired state that the writer published."""
        commit = report.desired_commit
        assert commit is not None
        if state.commit is not None:
            state = desired_loader.follow(self._desired, state, commit).state
            if all(state.in_force.get(path) == blob for path, blob in report.in_force):
                return state
            # Between two looks the writer saw a good version of a file that is bad by now.
        return desired_loader.load(self._desired, commit, report.in_force).state


class NoWriter:
    """Stands where the writer would be, in a process that only reads."""

    def propose(self, proposal: Proposal) -> Future[Receipt]:
        raise Refused("this process only reads")

    def write_data_files(
        self, files: Iterable[NewFile], *, known: TreeId | None
    ) -> AbstractContextManager[Stored]:
        raise Refused("this process only reads")
