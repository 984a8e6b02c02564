"""What will a merge stop or delete, as far as it can be said before?

The files of a branch that is behind lack what came to the desired branch meanwhile; a merge
would not delete that, and so it is not told of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import Problem, Severity
from provisioner.model.state import FINAL
from provisioner.planning import deletion_guard
from provisioner.planning.desired import file_of
from provisioner.services.validation import Verdict
from provisioner.store.acceptance import TRAILER, descends
from provisioner.store.repo import GitRepo

ASKED_FIRST = (
    f"a server waits until it is accepted: tink accept COMMIT there, or a later commit with"
    f" the trailer {TRAILER}: <full id>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files that are checked stand in the history."""

    repo: GitRepo
    head: CommitId  # the commit that they are, or that they would be committed on
    branch: str  # the desired one
    is_of_branch: bool  # whether `head` is there, and not on a branch to be merged

    def base(self, obeyed: CommitId) -> CommitId | None:
        """The last commit that is in what a server obeys as well."""
        return self.repo.merge_base(self.head, obeyed)


def warnings(verdict: Verdict, place: Place) -> tuple[Problem, ...]:
    """Say what the files delete, in reading order, and what a server would not obey at once."""
    return tuple(sorted((*_deletions(verdict, place), *_other_history(verdict, place))))


def _deletions(verdict: Verdict, place: Place) -> Iterator[Problem]:
    obeyed = verdict.status.reconcile.desired_commit
    is_known = obeyed is not None and place.repo.find_object(obeyed) is not None
    base = place.base(obeyed) if is_known and obeyed is not None else None
    deletions = []
    paths = {workflow: key for key, workflow in verdict.status.requests.items()}
    for deletion in verdict.plan.deletions:
        path = file_of(paths[deletion.workflow_id])
        if base in (None, obeyed) or place.repo.entry_at(base or "", path) is not None:
            deletions.append(deletion)
            yield from _deletion(verdict, deletion.workflow_id, path)
    why = deletion_guard.objection(deletions, verdict.desired, verdict.status)
    if why:
        yield Problem(
            path="workflows/",
            code="desired.not-accepted",
            message=why,
            hint=ASKED_FIRST,
            severity=Severity.WARNING,
        )


def _deletion(verdict: Verdict, workflow: WorkflowId, path: str) -> Iterator[Problem]:
    state = verdict.status.workflows[workflow].state
    if state in FINAL:
        return
    yield Problem(
        path=path,
        code="workflow.deleted",
        message=f"this deletes workflow {workflow} ({state.removeprefix('STATE_').lower()})",
        hint="whatever runs is stopped; to keep it, keep the file",
        severity=Severity.WARNING,
    )


def _other_history(verdict: Verdict, place: Place) -> Iterator[Problem]:
    obeyed = verdict.status.reconcile.desired_commit
    if not place.is_of_branch or obeyed is None or place.repo.find_object(obeyed) is None:
        return
    if descends(place.repo, place.head, obeyed) or descends(place.repo, obeyed, place.head):
        return  # one that is behind is pulled, not pushed
    yield Problem(
        path=place.branch,
        code="desired.not-accepted",
        message=f"it does not descend from {obeyed[:12]}, the last commit that was obeyed",
        hint=f"git pull; {ASKED_FIRST}",
        severity=Severity.WARNING,
    )
