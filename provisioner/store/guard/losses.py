"""What a status branch lost: its own history can't show it, but a server remembers elsewhere.

Compared are the last tips that are remembered (memory.py) and the newest record of the journal
with what is there now; a branch that goes on from them has lost nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.problem import Problem
from provisioner.store.guard import foreign, recovery
from provisioner.store.guard.memory import Memory
from provisioner.store.journal import replay
from provisioner.store.status import layout

CODE = "fsck.lost"
_HINT = "a server that starts puts it back, or asks a person: tink status-branch recover"
# A record is in the journal a moment before the ref is there: look again before that is a loss.
_LOOKS = 10
_PAUSE_SECONDS = 0.05


def problems(repo: GitRepo, status_branch: str) -> Iterator[Problem]:
    """Say what is missing on the status branch and its archive."""
    for branch in (status_branch, layout.archive_branch(status_branch)):
        for _ in range(_LOOKS):
            problem = _problem_of(repo, branch)
            if problem is None:
                break
            time.sleep(_PAUSE_SECONDS)
        else:
            problem = _problem_of(repo, branch)
        if problem is not None:
            yield problem


def _problem_of(repo: GitRepo, branch: str) -> Problem | None:
    ref = f"refs/heads/{branch}"
    remembered = (
        (replay.newest_tip(repo.common_dir / "tink", ref), "the journal"),
        (Memory(repo).tip(ref), "a server"),
    )
    found = repo.branch(branch)  # after what is remembered
    for ours, who in remembered:
        if ours is None or found == ours or _goes_on_from(repo, ours, found):
            continue
        return _lost(repo, branch, ours=ours, found=found, who=who)
    return None


def _goes_on_from(repo: GitRepo, ours: CommitId, found: CommitId | None) -> bool:
    return found is not None and foreign.is_commit(repo, ours) and repo.is_ancestor(ours, found)


def _lost(
    repo: GitRepo, branch: str, *, ours: CommitId, found: CommitId | None, who: str
) -> Problem:
    where = f"is at {found[:12]}" if found else "is gone"
    message = f"{where}, and {who} left it at {ours[:12]}"
    loss = recovery.loss(repo, found, ours)
    if loss is None:
        message = f"{message}, which is not in this repository"
    elif loss.subjects:
        more = f" and {loss.commits - 1} more" if loss.commits > 1 else ""
        message = f"{message}: {loss.subjects[0]}{more} would be lost"
    return Problem(path=branch, code=CODE, message=message, hint=_HINT)
