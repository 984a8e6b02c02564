"""Where the desired branch is, when a remote has it too."""

from __future__ import annotations

import logging

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId

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
                    "branch %s has diverged from its remote; following the remote's", self._branch
                )
            self._last = (ours, theirs, ours if is_ahead else theirs)
        return self._last[2]
