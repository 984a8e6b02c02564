"""Assigns the files of a status branch to workflows, and finds those out of place.

A workflow has a record and a status file, or a line in the lists of the archive; one that has
half of that is damaged, and to take it for one that never was would run its request again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field

from provisioner.git import tree
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, InvalidId, WorkflowId, parse_uuid
from provisioner.model.problem import Problem
from provisioner.store.status import layout
from provisioner.store.status.index import Row
from provisioner.store.status.lazy_workflow import Blobs

CODE = "status.damaged"


@dataclass(slots=True, kw_only=True)
class Files:
    """`damaged` says why of a workflow; `strays` are files of no workflow, by path."""

    blobs: list[Blobs] = field(default_factory=list)
    damaged: dict[WorkflowId, Problem] = field(default_factory=dict)
    strays: dict[str, Problem] = field(default_factory=dict)

    def add(self, workflow: WorkflowId, record: str | None, status: str | None) -> None:
        if record is not None and status is not None:
            self.blobs.append(Blobs(workflow, record, status))
        elif record is None:
            self.damaged[workflow] = damage(layout.record(workflow), "is gone")
        else:
            self.damaged[workflow] = damage(layout.status(workflow), "is gone")


@dataclass(slots=True, kw_only=True)
class Changes(Files):
    """What differs between two commits; `moved` are those that only the archive has now."""

    moved: list[WorkflowId] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)


def damage(path: str, message: str) -> Problem:
    return Problem(path=path, code=CODE, message=message)


def list_all(
    repo: GitRepo, commit: CommitId, archived: Mapping[WorkflowId, Row], *, below: str = ""
) -> Files:
    """List all workflows of a commit, or those of the folders of one day."""
    words = ("-r", "-z", "--full-tree", "--end-of-options", commit)
    tops = (f"{top}/{below}" for top in (layout.RECORDS, layout.STATUS))
    listing = repo.run("ls-tree", *words, *tops)
    records: dict[WorkflowId, str] = {}
    statuses: dict[WorkflowId, str] = {}
    files = Files()
    for line in listing.decode("utf-8", "surrogateescape").split("\0"):
        if not line.endswith(".json"):
            continue
        path = line[53:]
        workflow = _owner(path)
        if workflow is None:
            files.strays[path] = damage(path, "is no file of ours")
        else:
            (statuses if path.startswith("s") else records)[workflow] = line[12:52]
    for workflow in statuses.keys() | records.keys():
        record = records.get(workflow)
        if record is None and workflow in archived:  # something happened to it afterwards
            record = archived[workflow].record_blob
        files.add(workflow, record, statuses.get(workflow))
    return files


def compare(
    repo: GitRepo,
    old: CommitId,
    new: CommitId,
    *,
    record_of: Callable[[WorkflowId], str | None],
    doubted: Container[WorkflowId],
    archived: Callable[[], Mapping[WorkflowId, Row]],
) -> Changes:
    """List what differs.

    `record_of` is asked for the records of workflows that were there already; of those that
    are `doubted`, the branch may hold another.
    """
    changes = Changes()
    records: dict[WorkflowId, str | None] = {}
    statuses: dict[WorkflowId, str | None] = {}
    trees = (repo.commit(each).tree for each in (old, new))
    are_lists_changed = False
    for change in tree.compare(repo.tree, *trees):
        changes.paths.add(change.path)
        top = change.path.partition("/")[0]
        are_lists_changed |= top == layout.ARCHIVED
        if top not in (layout.RECORDS, layout.STATUS) or not change.path.endswith(".json"):
            continue
        workflow = _owner(change.path)
        found = change.new.id if change.new is not None else None
        if workflow is not None:
            (statuses if top == layout.STATUS else records)[workflow] = found
        elif found is not None:
            changes.strays[change.path] = damage(change.path, "is no file of ours")
    is_any_gone = None in records.values() or None in statuses.values()
    lists = archived() if is_any_gone or are_lists_changed else {}
    for workflow in statuses.keys() | records.keys():
        before = record_of(workflow)
        record, status = records.get(workflow), statuses.get(workflow)
        if workflow in lists:
            if status is None:
                changes.moved.append(workflow)
                continue
            record = record or lists[workflow].record_blob
        if workflow not in records:
            is_known = before is not None and workflow not in doubted
            record = record or (before if is_known else _id_at(repo, new, layout.record(workflow)))
        if workflow not in statuses:
            status = _id_at(repo, new, layout.status(workflow))
        if before is not None and record not in (None, before):
            changed = damage(layout.record(workflow), "was changed, and records never are")
            changes.damaged[workflow] = changed
        else:
            changes.add(workflow, record, status)
    # Those that came and were archived in between have files in neither commit.
    for workflow in lists.keys() - statuses.keys() - records.keys():
        if record_of(workflow) is None and _id_at(repo, new, layout.status(workflow)) is None:
            changes.moved.append(workflow)
    return changes


def _id_at(repo: GitRepo, commit: CommitId, path: str) -> str | None:
    entry = repo.entry_at(commit, path)
    return entry.id if entry is not None else None


def _owner(path: str) -> WorkflowId | None:
    """The workflow whose file stands at a path; None when no file of ours does."""
    try:
        if path.startswith(f"{layout.STATUS}/"):
            workflow = WorkflowId(parse_uuid(path[-41:-5]))
            return workflow if path == layout.status(workflow) else None
        workflow = WorkflowId(parse_uuid(path[-48:-12]))
        return workflow if path == layout.record(workflow) else None
    except InvalidId:
        return None


def versions(repo: GitRepo, commit: CommitId, path: str) -> Iterator[str]:
    """Yield the blobs that a path had up to a commit, the newest first.

    Walks the history: 50 µs for each commit, so only for what is damaged.
    """
    words = ("--format=", "--raw", "-z", "--no-abbrev", "--no-renames", "--end-of-options")
    listing = repo.run("log", *words, commit, "--", path)
    for token in listing.decode("utf-8", "surrogateescape").split("\0"):
        if token.startswith(":") and not (new := token[56:96]).startswith("0" * 40):
            yield new
