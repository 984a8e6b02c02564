"""How do the branches of a repository and of its remote keep in step?

The desired branch is fetched; the status branch and its archive are pushed by
compare-and-swap and never forced.  A race that is lost to somebody who wrote on top of
ours is caught up with; two histories that parted are told, because only a person can say
which one is true.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping

from provisioner.errors import Conflict, TinkError
from provisioner.model.ids import CommitId
from provisioner.services.metrics import Metrics
from provisioner.store import layout
from provisioner.store.git_process import Network
from provisioner.store.ref_lock import RefMoved
from provisioner.store.repo import GitRepo

PUSH_PAUSE_SECONDS = 1.0  # between two pushes: a busy branch moves hundreds of times
LONGEST_RETRY_SECONDS = 60.0
_RACES = 5  # lost races in a row, before a pause

_LOG = logging.getLogger(__name__)


class DesiredTip:
    """Where the desired branch is: here or at the remote, whichever is ahead."""

    def __init__(self, repo: GitRepo, branch: str, remote: str | None) -> None:
        self._repo = repo
        self._branch = branch
        self._remote_ref = f"refs/remotes/{remote}/{branch}" if remote else ""
        self._last: tuple[CommitId, CommitId, CommitId] | None = None

    def __call__(self) -> CommitId | None:
        ours = self._repo.branch(self._branch)
        theirs = self._repo.resolve(self._remote_ref) if self._remote_ref else None
        if ours is None or theirs is None or ours == theirs:
            return ours or theirs
        if self._last is None or self._last[:2] != (ours, theirs):
            is_ahead = self._repo.is_ancestor(theirs, ours)
            if not is_ahead and not self._repo.is_ancestor(ours, theirs):
                _LOG.warning(
                    "branch %s has parted from its remote; the remote's is followed", self._branch
                )
            self._last = (ours, theirs, ours if is_ahead else theirs)
        return self._last[2]


class RemoteSync:
    """`fetch` and `run_push` belong to a thread each; `changed` may be called by any."""

    def __init__(
        self,
        repo: GitRepo,
        remote: str,
        status_branch: str,
        *,
        metrics: Metrics | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is for the git that reaches the remote (see remote_url)."""
        self._repo = repo
        self._remote = remote
        # The archive first: the remote always has what left the tip of its status branch.
        self._pairs = [
            (f"refs/heads/{branch}", f"refs/remotes/{remote}/{branch}")
            for branch in (layout.archive_branch(status_branch), status_branch)
        ]
        self._metrics = metrics
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._network = Network(stop=threading.Event(), environment=environment or {})

    def fetch(self) -> None:
        self._repo.fetch(
            self._remote,
            f"+refs/heads/*:refs/remotes/{self._remote}/*",
            prune=True,
            network=self._network,
        )

    def adopt_status(self) -> None:
        """Before a writer starts: begin where the remote's status branch is."""
        for ref, tracking in self._pairs:
            ours, theirs = self._repo.resolve(ref), self._repo.resolve(tracking)
            if theirs is None or ours == theirs:
                continue
            if ours is None or self._repo.is_ancestor(ours, theirs):
                self._repo.move_ref(ref, expected=ours, new=theirs)
            elif not self._repo.is_ancestor(theirs, ours):
                raise Conflict(
                    f"{ref} here and at {self._remote} have parted",
                    hint="two servers wrote; keep one branch, and rename the other",
                )

    def changed(self) -> None:
        self._changed.set()

    def close(self) -> None:
        """Let `run_push` push once more, then end."""
        self._closed.set()
        self._changed.set()

    def run_push(self) -> None:
        pause = PUSH_PAUSE_SECONDS
        while True:
            is_last = self._closed.is_set()
            self._changed.clear()
            if self._try_push():
                pause = PUSH_PAUSE_SECONDS
                if is_last:
                    return
                self._changed.wait()
            else:
                if is_last:
                    return
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            if not self._closed.is_set():
                self._closed.wait(pause * random.uniform(0.5, 1.0))

    def push(self) -> None:
        """Push the archive and the status branch; raise `Conflict` where histories have parted."""
        for ref, tracking in self._pairs:
            self._push(ref, tracking)

    def _push(self, ref: str, tracking: str) -> None:
        for _ in range(_RACES):
            ours, theirs = self._repo.resolve(ref), self._repo.resolve(tracking)
            if ours is None or ours == theirs:
                return
            if theirs is not None and not self._repo.is_ancestor(theirs, ours):
                self._catch_up(ref, ours, theirs)
                continue
            try:
                self._repo.push(
                    self._remote, commit=ours, ref=ref, expected=theirs, network=self._network
                )
            except Conflict:
                self.fetch()
            else:
                self._note(tracking, ours, theirs)
                return
        raise Conflict(f"{ref} of {self._remote} moves all the time")

    def _catch_up(self, ref: str, ours: CommitId, theirs: CommitId) -> None:
        """Somebody wrote on top of what we pushed: take it; our writer notices."""
        if not self._repo.is_ancestor(ours, theirs):
            raise Conflict(
                f"{ref} here and at {self._remote} have parted",
                hint="two servers wrote; stop one of them",
            )
        try:
            self._repo.move_ref(ref, expected=ours, new=theirs)
        except RefMoved:
            return  # our writer was faster; look again

    def _note(self, tracking: str, pushed: CommitId, before: CommitId | None) -> None:
        """Remember where the remote is; git does so only for some configurations."""
        if self._repo.resolve(tracking) == before:
            self._repo.move_ref(tracking, expected=before, new=pushed)

    def _try_push(self) -> bool:
        try:
            self.push()
        except TinkError as error:
            _LOG.warning("the status branch can't be pushed now: %s", error)
            self._count("failed")
            return False
        except Exception:
            _LOG.exception("a push of the status branch failed")
            self._count("failed")
            return False
        self._count("done")
        return True

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.pushes.labels(outcome).inc()
