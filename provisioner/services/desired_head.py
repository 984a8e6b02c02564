"""Which commit of the desired branch is in force, and which one waits for a person.

The last one that was applied is remembered outside the branches.  What comes after it is
applied; a head that does not descend from it, and one that deletes too much at once
(planning.deletion_guard), waits until it is accepted (store.acceptance).  Until then the
one applied last stays in force, and a branch that is put back is as if nothing had happened.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.planning.deletion_guard import TRAILER
from provisioner.services.conditions import Condition, Conditions
from provisioner.store.desired.acceptance import Acceptance, descends

NOT_ACCEPTED = "desired-not-accepted"
MISSING = "desired-missing"


class Accepted(Protocol):
    """The last desired commit that was applied, by branch; durable (store.memory)."""

    def accepted_desired(self, branch: str) -> CommitId | None: ...
    def accept_desired(self, branch: str, commit: CommitId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A commit to follow; `is_accepted` when nobody needs to be asked what it deletes."""

    commit: CommitId
    is_accepted: bool


class DesiredHead:
    """Belongs to the reconciler's thread."""

    def __init__(
        self,
        *,
        repo: GitRepo,
        branch: str,
        tip: Callable[[], CommitId | None],
        memory: Accepted,
        conditions: Conditions,
        adopt: Callable[[], CommitId | None] = lambda: None,
        status_branch: str = "status",
    ) -> None:
        """`adopt` says what was applied last where `memory` has nothing yet."""
        self._status_branch = status_branch
        self._repo, self._branch = repo, branch
        self._tip = tip
        self._memory = memory
        self._conditions = conditions
        self._adopt = adopt
        self._acceptance = Acceptance(repo, branch)
        # The head that deletes too much, and by trailer confirmed commits, by head.
        self._objection: tuple[CommitId, str] | None = None
        self._by_trailer: tuple[CommitId, CommitId | None, CommitId | None] | None = None
        # The last answer of git, which reads both histories when they have nothing in common.
        self._descent: tuple[CommitId, CommitId, bool] | None = None

    def target(self) -> Target | None:
        """What to follow now; None when the branch never had a commit."""
        tip, accepted = self._tip(), self._accepted()
        if accepted is None:
            return self._first(tip)
        if tip is None:
            self._conditions.clear(NOT_ACCEPTED)
            self._conditions.set(self._missing(accepted))
            return Target(commit=accepted, is_accepted=True)
        self._conditions.clear(MISSING)
        if tip == accepted:
            self._conditions.clear(NOT_ACCEPTED)
            self._acceptance.settle()
            return Target(commit=tip, is_accepted=True)
        if self._objection is not None and self._objection[0] == tip:
            return self._confirmed(tip, accepted, self._objection[1])
        if self._descends(tip, accepted):
            return Target(commit=tip, is_accepted=False)
        why = f"it does not descend from {accepted[:12]}, the last commit that was applied"
        return self._confirmed(tip, accepted, why)

    def object(self, target: Target, why: str) -> Target | None:
        """Let a target wait because of what it deletes; return what to follow instead."""
        self._objection = (target.commit, why)
        return self.target()

    def obey(self, target: Target) -> None:
        """Remember, durably, that a target is applied from now on.

        Before it is carried out, when nobody had to be asked; else after it, so that one
        that breaks off is still confirmed when it is tried again.
        """
        old = self._accepted()
        if old == target.commit and self._memory.accepted_desired(self._branch) == old:
            return
        self._memory.accept_desired(self._branch, target.commit)
        if old != target.commit:
            self._objection = None
        if self._tip() == target.commit:
            self._conditions.clear(NOT_ACCEPTED)
        self._acceptance.done(target.commit, old)

    def _accepted(self) -> CommitId | None:
        remembered = self._memory.accepted_desired(self._branch)
        if remembered is not None:
            return remembered
        adopted = self._adopt()
        is_known = adopted is not None and self._repo.find_object(adopted) is not None
        return adopted if is_known else None

    def _descends(self, tip: CommitId, accepted: CommitId) -> bool:
        if self._descent is None or self._descent[:2] != (tip, accepted):
            self._descent = (tip, accepted, descends(self._repo, tip, accepted))
        return self._descent[2]

    def _first(self, tip: CommitId | None) -> Target | None:
        if tip is None:
            return None
        if self._objection is None or self._objection[0] != tip:
            return Target(commit=tip, is_accepted=False)
        confirmed = self._accepted_by_person(tip, None)
        if confirmed is None:
            self._conditions.set(self._waiting(tip, self._objection[1]))
            return None
        return Target(commit=confirmed, is_accepted=True)

    def _confirmed(self, tip: CommitId, accepted: CommitId, why: str) -> Target:
        confirmed = self._accepted_by_person(tip, accepted)
        if confirmed is None:
            self._conditions.set(self._waiting(tip, why))
        return Target(commit=confirmed or accepted, is_accepted=True)

    def _accepted_by_person(self, tip: CommitId, accepted: CommitId | None) -> CommitId | None:
        named = self._acceptance.by_command(tip)
        if named is not None and not (accepted and descends(self._repo, accepted, named)):
            return named
        if self._by_trailer is None or self._by_trailer[:2] != (tip, accepted):
            self._by_trailer = (tip, accepted, self._acceptance.by_trailer(tip, accepted))
        return self._by_trailer[2]

    def _waiting(self, tip: CommitId, why: str) -> Condition:
        return Condition(
            name=NOT_ACCEPTED,
            message=f"branch {self._branch} is at {tip[:12]}, which is not applied: {why}",
            hint=(
                f"put the branch back, or accept it: {self._command(tip)} here, or a commit on"
                f" top of it with the trailer {TRAILER}: {tip}"
            ),
        )

    def _missing(self, accepted: CommitId) -> Condition:
        return Condition(
            name=MISSING,
            message=f"branch {self._branch} is gone; what it said last stays in force",
            hint=f"put it back: git push REPOSITORY {accepted}:refs/heads/{self._branch}",
        )

    def _command(self, tip: CommitId) -> str:
        where = self._repo.work_tree or self._repo.common_dir
        branches = [
            *(("--branch", self._branch) if self._branch != "main" else ()),
            *(("--status-branch", self._status_branch) if self._status_branch != "status" else ()),
        ]
        return shlex.join(("tink", "--repo", str(where), *branches, "accept", tip))
