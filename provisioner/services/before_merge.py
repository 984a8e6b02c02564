"""Checks files before they are merged: their problems, and what the merge stops or deletes.

The files of a branch that is behind lack what came to the desired branch meanwhile, and have
what was deleted there; a merge changes neither, and so neither is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import Problem, Severity
from provisioner.model.state import FINAL
from provisioner.planning import come_back, deletion_guard
from provisioner.planning.desired import file_of
from provisioner.services.validation import Verdict
from provisioner.store.desired.acceptance import descends


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files that are checked stand in the history."""

    repo: GitRepo
    head: CommitId  # the commit that they are, or that they would be committed on
    branch: str  # the desired one
    is_of_branch: bool  # whether `head` is there, and not on a branch to be merged


def problems(verdict: Verdict, place: Place) -> tuple[Problem, ...]:
    """All that is wrong, in reading order, with what is deleted or would wait for a person."""
    was_there = _was_there(verdict, place)
    found = (
        each
        for each in verdict.problems
        if each.code != come_back.CODE or not was_there(each.path, default=False)
    )
    deletions = _deletions(verdict, was_there)
    return tuple(sorted((*found, *deletions, *_other_history(verdict, place))))


class _WasThere(Protocol):
    def __call__(self, path: str, *, default: bool) -> bool: ...


def _was_there(verdict: Verdict, place: Place) -> _WasThere:
    """Whether a file was there already where a branch that is behind began; else `default`."""
    applied = verdict.status.reconcile.desired_commit
    is_known = applied is not None and place.repo.find_object(applied) is not None
    base = place.repo.merge_base(place.head, applied) if is_known and applied is not None else None

    def was_there(path: str, *, default: bool) -> bool:
        if base is None or base == applied:
            return default
        return place.repo.entry_at(base, path) is not None

    return was_there


def _deletions(verdict: Verdict, was_there: _WasThere) -> Iterator[Problem]:
    deletions = []
    paths = {workflow: key for key, workflow in verdict.status.requests.items()}
    for deletion in verdict.plan.deletions:
        path = file_of(paths[deletion.workflow_id])
        if was_there(path, default=True):
            deletions.append(deletion)
            yield from _deletion(verdict, deletion.workflow_id, path)
    why = deletion_guard.objection(deletions, verdict.desired, verdict.status)
    if why:
        yield deletion_guard.warning(why)


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
    applied = verdict.status.reconcile.desired_commit
    if not place.is_of_branch or applied is None or place.repo.find_object(applied) is None:
        return
    if descends(place.repo, place.head, applied) or descends(place.repo, applied, place.head):
        return  # one that is behind is pulled, not pushed
    yield Problem(
        path=place.branch,
        code="desired.not-accepted",
        message=f"it does not descend from {applied[:12]}, the last commit that was applied",
        hint=f"git pull; {deletion_guard.ASKED_FIRST}",
        severity=Severity.WARNING,
    )
