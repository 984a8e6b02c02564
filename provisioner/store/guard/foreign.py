"""Judges what somebody else put on a branch that only we write.

A tip that is missing or behind ours lost something.  One that goes on from ours is checked by
the rules of `tink fsck`: records never change, events are only added and each was allowed, a
state is the replay of its events.  Anything else is for a person.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from provisioner.errors import NotFound, Unavailable
from provisioner.git import tree
from provisioner.git.command import GitFailed
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, PathChange
from provisioner.model.ids import BlobId, CommitId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.set_aside import Damaged
from provisioner.store.fsck import fsck
from provisioner.store.status import codec, layout, record_codec, single_files
from provisioner.store.status.store import StatusStore

_ID = re.compile(r"(?<=/)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/|$)")
_PROBLEM_LIMIT = 20  # of which the first is shown

_LOG = logging.getLogger(__name__)


class Kind(Enum):
    """How what was found stands to what we left."""

    BEHIND = "behind"  # or missing
    AHEAD = "ahead"
    BROKEN = "broken"  # ahead, against the rules
    DIVERGED = "diverged"
    LOST = "lost"  # what we left is not in the repository any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    kind: Kind
    problems: tuple[Problem, ...] = ()

    @property
    def is_for_the_archive(self) -> bool:
        """Whether nothing is wrong but that the archive lacks something, perhaps not for long."""
        return bool(self.problems) and {each.code for each in self.problems} == {"fsck.archive"}


def judge(repo: GitRepo, branch: str, *, ours: CommitId, found: CommitId | None) -> Verdict:
    """Compare what stands on a status branch, or its archive, with what we left there."""
    if not is_commit(repo, ours):
        return Verdict(kind=Kind.LOST)
    if found is None or not is_commit(repo, found) or is_ancestor(repo, found, ours):
        return Verdict(kind=Kind.BEHIND)
    if not is_ancestor(repo, ours, found):
        return Verdict(kind=Kind.DIVERGED)
    try:
        problems = tuple(_problems(repo, branch, ours, found))
    except InvalidInput as invalid:
        problems = invalid.problems
    except Damaged as damaged:
        problems = (damaged.problem,)
    except Unavailable:
        raise  # git, not what it holds
    except (NotFound, ValueError, KeyError) as error:
        problems = (Problem(path=branch, code="status.format", message=str(error)),)
    except Exception as error:
        # Whoever may push must not stop the server with what nobody has thought of.
        _LOG.exception("%s of branch %s can't be checked, and is rejected", found, branch)
        problems = (Problem(path=branch, code="status.format", message=repr(error)),)
    if problems:
        return Verdict(kind=Kind.BROKEN, problems=problems[:_PROBLEM_LIMIT])
    return Verdict(kind=Kind.AHEAD)


def is_commit(repo: GitRepo, commit: CommitId) -> bool:
    try:
        repo.commit(commit)
    except (NotFound, Unavailable):
        return False
    return True


def is_ancestor(repo: GitRepo, older: CommitId, newer: CommitId) -> bool:
    try:
        return repo.is_ancestor(older, newer)
    except GitFailed:
        return False  # a part of its history is not in this repository


def _problems(repo: GitRepo, branch: str, ours: CommitId, found: CommitId) -> Iterator[Problem]:
    if branch.endswith(layout.archive_branch("")):
        yield from _problems_of_archive(repo, ours, found)
        return
    yield from fsck.check(repo, branch, since=ours, tip=found, processes=1).problems
    yield from _problems_beside(repo, StatusStore(repo, branch), ours, found)


def _problems_beside(
    repo: GitRepo, store: StatusStore, ours: CommitId, found: CommitId
) -> Iterator[Problem]:
    """What fsck leaves to whoever reads it: the report of the reconciler, the newest data."""
    touched: set[WorkflowId] = set()
    for change in _changes(repo, ours, found):
        top = change.path.partition("/")[0]
        if top == layout.DATA:
            touched.update(map(WorkflowId, _ID.findall(change.path)[:1]))
        elif change.path == layout.RECONCILE:
            if change.new is None:
                yield _problem(change, "vanished")
            damage = single_files.read_reconcile(repo, found).damage
            if damage is not None:
                yield damage
    for workflow in sorted(touched):
        path = layout.data(workflow)
        entry = repo.entry_at(found, path)
        if entry is None and repo.entry_at(found, layout.status(workflow)) is None:
            continue  # archived, which fsck has looked at
        versions = store.list_data_versions(workflow, found)
        wanted = versions[-1].tree_id if versions else EMPTY_TREE
        if (entry.id if entry else EMPTY_TREE) != wanted:
            yield Problem(path=path, code="fsck.data", message="is not the newest data version")


def _problems_of_archive(repo: GitRepo, ours: CommitId, found: CommitId) -> Iterator[Problem]:
    """An archive only gains files; of those that it has, only events may be added to."""
    store = StatusStore(repo)
    for change in _changes(repo, ours, found):
        top = change.path.partition("/")[0]
        if change.new is None:
            yield _problem(change, "vanished, and archived files never do")
        elif top == layout.STATUS:
            yield from _problems_of_archived_status(repo, store, change, found)
        elif change.old is not None:
            yield _problem(change, "changed, and archived files never do")


def _problems_of_archived_status(
    repo: GitRepo, store: StatusStore, change: PathChange, found: CommitId
) -> Iterator[Problem]:
    assert change.new is not None
    workflow = WorkflowId(change.path.rpartition("/")[2].removesuffix(".json"))
    new = repo.blob(change.new.id)
    record = repo.entry_at(found, layout.record(workflow))
    if record is None:
        yield _problem(change, "has no record")
        return
    decoded = record_codec.decode_record(repo.blob(record.id), layout.record(workflow))
    codec.decode_status(new, decoded, change.path, BlobId(record.id))
    if change.old is not None and not _events(new).startswith(_events(repo.blob(change.old.id))):
        yield _problem(change, "events that were there are gone or changed")


def _events(content: bytes) -> bytes:
    _, mark, events = content.partition(codec.EVENTS_START)
    return events.removesuffix(codec.EVENTS_END) if mark else b""


def _changes(repo: GitRepo, ours: CommitId, found: CommitId) -> Iterator[PathChange]:
    trees = (repo.commit(each).tree for each in (ours, found))
    yield from tree.compare(repo.tree, *trees)


def _problem(change: PathChange, message: str) -> Problem:
    return Problem(path=change.path, code="fsck.path", message=message)
