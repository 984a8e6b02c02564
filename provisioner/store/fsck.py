"""How the status branch proves itself from its own history.

Commit by commit: no record ever changed or vanished, every status file is exactly the
replay of its events, events are only ever added and were allowed when they were, and each
version of ephemeral data is there.  It costs what was written, and with `since` only what
was written after that commit.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provisioner.errors import Refused
from provisioner.model import state_machine
from provisioner.model.event import DataPushed, WorkflowEvent
from provisioner.model.ids import CommitId, InvalidId, WorkflowId, parse_uuid
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.workflow import WorkflowRecord
from provisioner.store import bulk, git_stream, history, layout, status_codec, status_index
from provisioner.store.history import CommitChanges, RawChange
from provisioner.store.object_reader import TreeEntry
from provisioner.store.repo import GitRepo
from provisioner.store.status_index import Row
from provisioner.store.status_store import StatusStore
from provisioner.store.tree import EMPTY_TREE, FILE_MODE, TreeEditor

PROBLEM_LIMIT = 1_000  # a broken branch is broken; nobody reads more
KEPT_WORKFLOWS = 20_000  # that stay decoded, some 10 KB each; more live ones are read again
_WINDOW_BLOBS = 4_000  # read from git together: some 10 MB
_PATHS = (layout.FORMAT, layout.RECORDS, layout.STATUS, layout.LOGS, layout.ARCHIVED)
_EVENTS = b'\n"events": [\n'
_END = b"\n]\n}\n"

Progress = Callable[[int, int], None]  # commits done, commits in all


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """Problems name the file in their path and the commit in their message."""

    commit: CommitId | None
    commits: int = 0
    workflows: int = 0
    events: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Workflow:
    """What is known of a workflow so far; of one that was not met lately, only ids."""

    id: WorkflowId
    record_blob: str = ""
    events: bytes = b""
    is_written: bool = False
    archived: str = ""  # the status file, when it was moved to the archive

    def forget(self) -> None:
        """Drop what can be read again."""
        self.events, self.record, self.context = b"", None, None

    record: WorkflowRecord | None = None
    context: WorkflowContext | None = None


def check(
    repo: GitRepo,
    branch: str = "status",
    *,
    since: CommitId | None = None,
    progress: Progress | None = None,
) -> FsckReport:
    """Check the history of a branch, or of what came after the commit `since`."""
    tip = repo.branch(branch)
    if tip is None:
        return FsckReport(commit=None)
    if since is not None and not repo.is_ancestor(since, tip):
        problem = Problem(
            path=branch,
            code="fsck.rewritten",
            message=f"commit {since} is not in the history of branch {branch} any more",
        )
        return FsckReport(commit=tip, problems=(problem,))
    with bulk.without_collections():
        return _Check(repo, branch, since).run(tip, progress or (lambda done, total: None))


class _Check:
    def __init__(self, repo: GitRepo, branch: str, since: CommitId | None) -> None:
        self._repo = repo
        self._since = since
        self._workflows: dict[WorkflowId, _Workflow] = {}
        self._wanted_trees: dict[str, str] = {}  # tree id: the path that needs it
        self._recent: OrderedDict[WorkflowId, _Workflow] = OrderedDict()
        self._leaving: dict[WorkflowId, Row] = {}
        self._archived: dict[WorkflowId, str] = {}  # its status file
        self._archives = StatusStore(repo, branch).archives()
        self._problems: list[Problem] = []
        self._events = 0
        self._commit = CommitId("")

    def run(self, tip: CommitId, progress: Progress) -> FsckReport:
        past = history.read(self._repo, self._since, tip, _PATHS)
        total, done = len(past.lines), 0
        for self._commit in past.merges:
            self._report("", "fsck.merge", "is a merge: only one history can be true")
        for window in _windows(past):
            blobs = git_stream.objects(
                self._repo.common_dir,
                (change.new for commit in window for change in commit.changes if _is_read(change)),
            )
            for commit in window:
                self._commit = commit.commit
                contents = {
                    change.path: next(blobs).content
                    for change in commit.changes
                    if _is_read(change)
                }
                self._check_commit(commit, contents)
            done += len(window)
            progress(done, total)
            if len(self._problems) >= PROBLEM_LIMIT:
                break
        self._check_trees()
        self._check_archive()
        return FsckReport(
            commit=tip,
            commits=total,
            workflows=len(self._workflows),
            events=self._events,
            problems=tuple(self._problems[:PROBLEM_LIMIT]),
        )

    def _check_commit(self, commit: CommitChanges, contents: dict[str, bytes]) -> None:
        """Records come before the status files that need them."""
        self._leaving = self._read_archived(commit, contents)
        checks = {
            layout.RECORDS: self._check_record,
            layout.LOGS: self._check_log,
            layout.STATUS: self._check_status,
        }
        by_top: dict[str, list[RawChange]] = {top: [] for top in checks}
        for change in commit.changes:
            top = change.path.partition("/")[0]
            if top in by_top:
                by_top[top].append(change)
            elif change.path == layout.FORMAT and change.old:
                self._report(change.path, "fsck.format", "changed")
        for top, check_one in checks.items():
            for change in by_top[top]:
                try:
                    check_one(change, contents.get(change.path, b""))
                except InvalidInput as invalid:
                    for problem in invalid.problems:
                        self._report(change.path, problem.code, problem.message)

    def _read_archived(
        self, commit: CommitChanges, contents: dict[str, bytes]
    ) -> dict[WorkflowId, Row]:
        """Which workflows leave the tip in this commit, by the lists that say so."""
        leaving: dict[WorkflowId, Row] = {}
        for change in commit.changes:
            if not change.path.startswith(f"{layout.ARCHIVED}/"):
                continue
            old = self._repo.blob(change.old) if change.old else b""
            new = contents.get(change.path, b"")
            if not new.startswith(old):
                self._report(change.path, "fsck.archive", "lost or changed a line")
                continue
            rows = status_index.decode_archived(new[len(old) :])
            leaving |= {row.id: row for row in rows}
            self._archived |= {row.id: row.status_blob for row in rows}
        return leaving

    def _may_leave(self, workflow: WorkflowId, change: RawChange, blob: str = "") -> bool:
        """Whether a file that is gone was moved to the archive as it was."""
        return not change.new and workflow in self._leaving and blob in ("", change.old)

    def _check_record(self, change: RawChange, content: bytes) -> None:
        workflow = _id_of(change.path.split("/")[-2])
        if change.old:
            row = self._leaving.get(workflow)
            is_record = change.path == layout.record(workflow)
            if not self._may_leave(workflow, change, row.record_blob if row and is_record else ""):
                said = "changed" if change.new else "vanished"
                self._report(change.path, "fsck.record", f"{said}, and records never do")
            return
        if change.path != layout.record(workflow):
            if change.path != layout.rendered(workflow):
                self._report(change.path, "fsck.path", "is no file of ours")
            return
        known = _Workflow(id=workflow, record_blob=change.new)
        known.record = status_codec.decode_record(content, change.path)
        self._workflows[workflow] = known
        if known.record.id != workflow or status_codec.encode_record(known.record) != content:
            self._report(change.path, "fsck.record", "is not as we write it")
        self._keep(known)

    def _keep(self, known: _Workflow) -> None:
        self._recent[known.id] = known
        self._recent.move_to_end(known.id)
        if len(self._recent) > KEPT_WORKFLOWS:
            self._recent.popitem(last=False)[1].forget()

    def _check_log(self, change: RawChange, _: bytes) -> None:
        workflow = _id_of(change.path.split("/")[-2])
        if change.old and not self._may_leave(workflow, change):
            said = "changed" if change.new else "vanished"
            self._report(change.path, "fsck.log", f"{said}, and logs never do")

    def _check_status(self, change: RawChange, content: bytes) -> None:
        workflow = _id_of(change.path.rpartition("/")[2].removesuffix(".json"))
        if change.path != layout.status(workflow):
            self._report(change.path, "fsck.path", "is no file of ours")
        elif not change.new:
            row = self._leaving.get(workflow)
            if row is None or not self._may_leave(workflow, change, row.status_blob):
                self._report(change.path, "fsck.status", "vanished, and status files never do")
            known = self._workflows.setdefault(workflow, _Workflow(id=workflow))
            known.archived = change.old
            if row is not None:
                known.record_blob = row.record_blob
        elif change.mode != FILE_MODE:
            self._report(change.path, "fsck.path", f"has the file mode {change.mode:o}")
        else:
            self._check_events(self._known(workflow, change), change, content)

    def _known(self, workflow: WorkflowId, change: RawChange) -> _Workflow:
        """What came before this change; read again where it was let go, or never seen."""
        known = self._workflows.setdefault(workflow, _Workflow(id=workflow))
        if not known.record_blob:
            path = layout.record(workflow)
            entry = self._repo.entry_at(self._commit, path) or self._in_archive(path)
            if entry is None:
                raise InvalidInput(
                    [Problem(path=path, code="fsck.record", message="there is no record")]
                )
            known.record_blob = entry.id
        if known.record is None:
            content = self._repo.blob(known.record_blob)
            known.record = status_codec.decode_record(content, change.path)
        if known.context is None:
            known.archived = known.archived or self._archived_before(known)
            before = change.old or known.archived
            if before:
                content = self._repo.blob(before)
                live = status_codec.decode_status(content, known.record, change.path)
                known.context, known.events = live.context, _event_bytes(content)
            else:
                known.context = state_machine.begin(workflow, len(known.record.actions))
        return known

    def _archived_before(self, known: _Workflow) -> str:
        """The status file of a workflow that was in the archive when this check begins."""
        if self._since is None or known.is_written:
            return ""
        lines = self._repo.blob_at(self._since, layout.archived(known.id)) or b""
        rows = {row.id: row for row in status_index.decode_archived(lines)}
        return rows[known.id].status_blob if known.id in rows else ""

    def _in_archive(self, path: str) -> TreeEntry | None:
        found = (self._repo.entry_at(archive, path) for archive in self._archives)
        return next((entry for entry in found if entry is not None), None)

    def _check_archive(self) -> None:
        """What left the tip must be in the archive branch, as it was or with more events."""
        editors = [
            TreeEditor(self._repo.commit(each).tree, lambda tree: self._repo.object(tree).content)
            for each in self._archives
        ]
        for workflow, blob in self._archived.items():
            found = (each.get(layout.status(workflow)) for each in editors)
            if not any(entry is not None and entry.id == blob for entry in found):
                self._report(layout.status(workflow), "fsck.archive", "is not in the archive")

    def _check_events(self, known: _Workflow, change: RawChange, content: bytes) -> None:
        assert known.record is not None and known.context is not None
        old, new = known.events, _event_bytes(content)
        is_new = not change.old and not known.archived
        if not new.startswith(old) or (known.is_written and is_new):
            self._report(change.path, "fsck.history", "events that were there are gone or changed")
            live = status_codec.decode_status(content, known.record, change.path)
            known.context = live.context
        else:
            for event in _events(new[len(old) :], known.id, change.path):
                self._check_event(known, event, change.path)
        if status_codec.encode_status_with(known.context, new) != content:
            self._report(change.path, "status.replay", "state is not what its events lead to")
        known.events, known.is_written, known.archived = new, True, ""
        if known.context.is_final:
            known.forget()
        else:
            self._keep(known)

    def _check_event(self, known: _Workflow, event: WorkflowEvent, path: str) -> None:
        assert known.record is not None and known.context is not None
        self._events += 1
        try:
            allowed = state_machine.decide(known.context, known.record.actions, event)
        except (Refused, IndexError) as refused:
            self._report(path, "fsck.event", f"holds an event that was not allowed: {refused}")
        else:
            if allowed != (event,):
                self._report(path, "fsck.event", "holds an event twice")
        known.context = state_machine.evolve(known.context, event)
        if isinstance(event, DataPushed):
            self._check_data(known.id, event, path)

    def _check_data(self, workflow: WorkflowId, event: DataPushed, path: str) -> None:
        wanted = event.version.tree_id
        entry = self._repo.entry_at(self._commit, layout.data(workflow))
        if (entry.id if entry else EMPTY_TREE) != wanted:
            version = event.version.version
            self._report(path, "fsck.data", f"data version {version} is not what it says it is")
        self._wanted_trees[wanted] = path

    def _check_trees(self) -> None:
        """Every tree of ephemeral data, and all that is in it, must be in the repository."""
        wanted = {tree: path for tree, path in self._wanted_trees.items() if tree != EMPTY_TREE}
        while wanted:
            there = self._repo.sizes(wanted)
            below: dict[str, str] = {}
            for tree, path in wanted.items():
                if tree not in there:
                    self._report(path, "fsck.data", f"ephemeral data {tree} is missing")
                    continue
                found = self._repo.find_object(tree)
                if found is not None and found.kind == "tree":
                    below |= {entry.id: path for entry in self._repo.tree(tree)}
            wanted = below

    def _report(self, path: str, code: str, message: str) -> None:
        text = f"in commit {self._commit[:12]}: {message}"
        self._problems.append(Problem(path=path or self._commit, code=code, message=text))


def _windows(past: history.History) -> Iterator[list[CommitChanges]]:
    window: list[CommitChanges] = []
    size = 0
    for commit in past:
        window.append(commit)
        size += len(commit.changes)
        if size > _WINDOW_BLOBS:
            yield window
            window, size = [], 0
    yield window


def _is_read(change: RawChange) -> bool:
    """Whether the content matters: status files and new records."""
    is_status = change.path.startswith("status/") and change.path.endswith(".json")
    is_record = change.path.startswith("workflows/") and change.path.endswith("/record.json")
    is_list = change.path.startswith("archived/")
    return change.mode == FILE_MODE and (is_status or is_record or is_list) and bool(change.new)


def _id_of(text: str) -> WorkflowId:
    try:
        return WorkflowId(parse_uuid(text))
    except InvalidId:
        raise InvalidInput(
            [Problem(path=text, code="fsck.path", message="is no file of ours")]
        ) from None


def _event_bytes(content: bytes) -> bytes:
    """The lines of the events, each with a comma: what history may only add to."""
    start = content.find(_EVENTS)
    if start < 0 or not content.endswith(_END):
        return b""
    lines = content[start + len(_EVENTS) : -len(_END)]
    return lines + b",\n" if lines else b""


def _events(lines: bytes, workflow: WorkflowId, path: str) -> list[WorkflowEvent]:
    if not lines:
        return []
    try:
        rows = json.loads(b"[" + lines[:-2] + b"]")
        return [status_codec.decode_event(each, workflow) for each in rows]
    except (ValueError, TypeError, KeyError) as error:
        problem = Problem(path=path, code="status.format", message=f"has a bad event: {error}")
        raise InvalidInput([problem]) from error
