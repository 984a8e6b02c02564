"""What must be read from git to check some commits, in the order in which it is needed?

Their status files and new records; and of workflows that are met for the first time, the
two files that they go on from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from provisioner.git import stream
from provisioner.git.history import CommitChanges, RawChange
from provisioner.git.repo import GitRepo
from provisioner.git.tree import FILE_MODE
from provisioner.model.ids import WorkflowId
from provisioner.store.status import layout

_WINDOW_CHANGES = 10_000  # asked of one process: some 5 MB; what it answers is not kept
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Read(NamedTuple):
    """`before` holds the record and the status file from which a workflow goes on."""

    commit: CommitChanges
    contents: dict[str, bytes | None]  # by path; None where the object is missing
    before: dict[WorkflowId, tuple[bytes, bytes]]


class _Asked(NamedTuple):
    commit: CommitChanges
    changes: list[RawChange]
    before: dict[WorkflowId, tuple[str, str]]  # names


def windows(past: Iterable[CommitChanges]) -> Iterator[list[CommitChanges]]:
    window: list[CommitChanges] = []
    size = 0
    for commit in past:
        window.append(commit)
        size += len(commit.changes)
        if size > _WINDOW_CHANGES:
            yield window
            window, size = [], 0
    yield window


def read(
    repo: GitRepo, window: list[CommitChanges], knows: Callable[[str], bool]
) -> Iterator[Read]:
    """Read what the commits of a window wrote; `knows` tells what need not be read again."""
    met: set[str] = set()
    asked = [
        _Asked(each, [*filter(_is_read, each.changes)], _before(each, met, knows))
        for each in window
    ]
    names = chain.from_iterable(map(_names, asked))
    contents = stream.found_although_damaged(repo.common_dir, names)
    for each in asked:
        before: dict[WorkflowId, tuple[bytes, bytes]] = {}
        for workflow in each.before:
            record, status = next(contents), next(contents)
            if record is not None and status is not None:
                before[workflow] = (record, status)
        yield Read(each.commit, dict(_pairs(each, contents)), before)


def _pairs(asked: _Asked, contents: Iterator[bytes | None]) -> Iterator[tuple[str, bytes | None]]:
    for change in asked.changes:
        yield change.path, next(contents)


def _names(asked: _Asked) -> Iterator[str]:
    for pair in asked.before.values():
        yield from pair
    for change in asked.changes:
        yield change.new


def _before(
    commit: CommitChanges, met: set[str], knows: Callable[[str], bool]
) -> dict[WorkflowId, tuple[str, str]]:
    """Of workflows that are met here for the first time: the names of their two files."""
    wanted: dict[WorkflowId, tuple[str, str]] = {}
    for change in commit.changes:
        if not (change.new and change.path.startswith("status/")):
            continue
        workflow = change.path[-41:-5]  # of `…/<id>.json`
        if workflow in met or knows(workflow):
            continue
        known = WorkflowId(workflow)
        if not _ID.fullmatch(workflow) or change.path != layout.status(known):
            continue  # such a path has room for a new line, and is a problem anyway
        met.add(workflow)
        if change.old:
            wanted[known] = (f"{commit.commit}:{layout.record(known)}", change.old)
    return wanted


def _is_read(change: RawChange) -> bool:
    """Whether the content matters: status files and new records."""
    if not change.new or change.mode != FILE_MODE:
        return False
    top, _, rest = change.path.partition("/")
    if top == layout.RECORDS:
        return rest.endswith("/record.json")
    return top == layout.ARCHIVED or (top == layout.STATUS and rest.endswith(".json"))
