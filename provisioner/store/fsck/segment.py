"""Checks what a stretch of history wrote.  See fsck.py; this is one process's part.

What the branch held before the stretch is trusted: another part, or an earlier check, has
looked at it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from provisioner.errors import NotFound, Refused, Unavailable
from provisioner.git import history, pack
from provisioner.git.history import CommitChanges, RawChange
from provisioner.git.object_reader import TreeEntry
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, FILE_MODE
from provisioner.model import state_machine
from provisioner.model.event import DataPushed, WorkflowEvent
from provisioner.model.ids import BlobId, CommitId, InvalidId, WorkflowId, parse_uuid
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import UNKNOWN_BLOB
from provisioner.store.fsck import reading
from provisioner.store.fsck.arrival_order import Arrivals, Span
from provisioner.store.fsck.known_workflows import Known, KnownWorkflows, Step
from provisioner.store.status import codec, index, json_lines, layout, record_codec
from provisioner.store.status.index import Row
from provisioner.store.status.store import StatusStore

PROBLEM_LIMIT = 1_000  # a broken branch is broken; nobody reads more
PATHS = (layout.FORMAT, layout.RECORDS, layout.STATUS, layout.LOGS, layout.ARCHIVED)
_RECORD = re.compile(rb'\{\n"id": "[^"\n]*",\n"record": "([0-9a-f]{40})",\n')
_decode = json.JSONDecoder().decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`archived` maps the workflows that left the tip to their status files."""

    workflows: frozenset[WorkflowId] = frozenset()
    events: int = 0
    problems: tuple[Problem, ...] = ()
    archived: dict[WorkflowId, str] = field(default_factory=dict)
    arrivals: Span = field(default_factory=Span)


class Segment:
    def __init__(self, repo: GitRepo, branch: str, since: CommitId | None) -> None:
        self._repo = repo
        self._since = since
        self._known_workflows = KnownWorkflows()
        self._before: dict[WorkflowId, tuple[bytes, bytes]] = {}  # record and status file
        self._paths: dict[str, WorkflowId] = {}  # of status files
        self._wanted_trees: dict[str, str] = {}  # tree id: the path that needs it
        self._leaving: dict[WorkflowId, Row] = {}
        self._archived: dict[WorkflowId, str] = {}  # its status file
        self._archives = StatusStore(repo, branch).archives()
        self._arrivals = Arrivals()
        self._problems: list[Problem] = []
        self._events = 0
        self._commit = CommitId("")

    def run(self, past: history.History, progress: Callable[[int], None]) -> Found:
        """Check the commits; tell how many are done now and then."""
        done = 0
        for self._commit in past.merges:
            self._report("", "fsck.merge", "is a merge: only one history can be true")
        for window in reading.windows(past):
            for read in reading.read(self._repo, window, self._known_workflows.knows):
                self._commit, self._before = read.commit.commit, read.before
                self._check_commit(read.commit, read.contents)
            done += len(window)
            progress(done)
            if len(self._problems) >= PROBLEM_LIMIT:
                break
        self._check_trees()
        return Found(
            workflows=frozenset(self._known_workflows.workflows),
            events=self._events,
            problems=tuple(self._problems[:PROBLEM_LIMIT]),
            archived=self._archived,
            arrivals=self._arrivals.span,
        )

    def _check_commit(self, commit: CommitChanges, contents: dict[str, bytes | None]) -> None:
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
            elif change.path == layout.FORMAT and change.old and not _is_upgrade(change):
                said = "changed" if change.new else "vanished"
                self._report(change.path, "fsck.format", f"{said} in a way that no program does")
        for top, check_one in checks.items():
            for change in by_top[top]:
                content = contents.get(change.path, b"")
                if content is None:
                    self._report(change.path, "fsck.missing", f"object {change.new} is missing")
                    continue
                try:
                    check_one(change, content)
                except InvalidInput as invalid:
                    for problem in invalid.problems:
                        self._report(change.path, problem.code, problem.message)
                except (NotFound, Unavailable) as missing:
                    self._report(change.path, "fsck.missing", f"needs what is missing: {missing}")
        for path, message in self._arrivals.settle():
            self._report(path, "fsck.arrival", message)

    def _read_archived(
        self, commit: CommitChanges, contents: dict[str, bytes | None]
    ) -> dict[WorkflowId, Row]:
        """Which workflows leave the tip in this commit, by the lists that say so."""
        leaving: dict[WorkflowId, Row] = {}
        for change in commit.changes:
            if not change.path.startswith(f"{layout.ARCHIVED}/"):
                continue
            try:
                old = self._repo.blob(change.old) if change.old else b""
                new = contents.get(change.path, b"") or b""
                if not new.startswith(old):
                    self._report(change.path, "fsck.archive", "lost or changed a line")
                    continue
                rows = index.decode_archived(new[len(old) :])
            except (ValueError, TypeError, KeyError, NotFound, Unavailable) as error:
                self._report(change.path, "fsck.archive", f"can't be read: {error}")
                continue
            leaving |= {row.id: row for row in rows}
            self._archived |= {row.id: row.status_blob for row in rows}
        return leaving

    def _may_leave(self, workflow: WorkflowId, change: RawChange, blob: str = "") -> bool:
        """Whether a file that is gone was moved to the archive as it was."""
        return not change.new and workflow in self._leaving and blob in ("", change.old)

    def _check_record(self, change: RawChange, content: bytes) -> None:
        workflow = _id_of(_folder_of(change.path))
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
        known = self._known_workflows.workflows[workflow] = Known(
            id=workflow, record_blob=change.new
        )
        is_ours = record_codec.is_as_written(content, change.path)
        is_ours = is_ours and json_lines.line_of(content, "id") == workflow
        known.steps = self._known_workflows.steps(_steps(content, change.path))
        arrival = json_lines.find_line(content, "arrival") or 0
        if not is_ours:
            self._report(change.path, "fsck.record", "is not as we write it")
        known.names_record = arrival != 0  # both came with version 2
        self._arrivals.note(arrival, change.path)
        known.context = _begun(known)
        self._known_workflows.hold(known)

    def _check_log(self, change: RawChange, _: bytes) -> None:
        workflow = _id_of(_folder_of(change.path))
        if change.old and not self._may_leave(workflow, change):
            said = "changed" if change.new else "vanished"
            self._report(change.path, "fsck.log", f"{said}, and logs never do")

    def _check_status(self, change: RawChange, content: bytes) -> None:
        workflow = self._paths.get(change.path)
        if workflow is None:
            workflow = _id_of(change.path.rpartition("/")[2].removesuffix(".json"))
            if change.path != layout.status(workflow):
                self._report(change.path, "fsck.path", "is no file of ours")
                return
            self._paths[change.path] = workflow
        if not change.new:
            row = self._leaving.get(workflow)
            if row is None or not self._may_leave(workflow, change, row.status_blob):
                self._report(change.path, "fsck.status", "vanished, and status files never do")
            known = self._known_workflows.of(workflow)
            known.archived = change.old
            if row is not None:
                known.record_blob = row.record_blob
        elif change.mode != FILE_MODE:
            self._report(change.path, "fsck.path", f"has the file mode {change.mode:o}")
        else:
            self._check_events(self._known(workflow, change), change, content)

    def _known(self, workflow: WorkflowId, change: RawChange) -> Known:
        """What came before this change; read again where it was let go, or never seen."""
        known = self._known_workflows.of(workflow)
        if known.steps is None:
            before = self._before.pop(workflow, None)
            record, status = before or self._read_before(known, change)
            known.record_blob = known.record_blob or pack.object_id("blob", record).hex()
            known.steps = self._known_workflows.steps(_steps(record, change.path))
            self._go_on_from(known, status, change.path)
        return known

    def _go_on_from(self, known: Known, status: bytes, path: str) -> None:
        """Replay a status file that is trusted."""
        known.forget_events()
        known.names_record = known.names_record or _RECORD.match(status) is not None
        lines = _event_bytes(status)
        known.new_events(lines)
        known.context = state_machine.replay(_begun(known), _events(lines, known.id, path))

    def _read_before(self, known: Known, change: RawChange) -> tuple[bytes, bytes]:
        if not known.record_blob:
            path = layout.record(known.id)
            entry = self._repo.entry_at(self._commit, path) or self._in_archive(path)
            if entry is None:
                raise InvalidInput(
                    [Problem(path=path, code="fsck.record", message="there is no record")]
                )
            known.record_blob = entry.id
        known.archived = known.archived or self._archived_before(known)
        before = change.old or known.archived
        return self._repo.blob(known.record_blob), self._repo.blob(before) if before else b""

    def _archived_before(self, known: Known) -> str:
        """The status file of a workflow that was in the archive when this check begins."""
        if self._since is None or known.is_written:
            return ""
        lines = self._repo.blob_at(self._since, layout.archived(known.id)) or b""
        rows = {row.id: row for row in index.decode_archived(lines)}
        return rows[known.id].status_blob if known.id in rows else ""

    def _in_archive(self, path: str) -> TreeEntry | None:
        found = (self._repo.entry_at(archive, path) for archive in self._archives)
        return next((entry for entry in found if entry is not None), None)

    def _check_events(self, known: Known, change: RawChange, content: bytes) -> None:
        is_again = known.is_written and not change.old and not known.archived
        events = _event_bytes(content)
        new = known.new_events(events)
        if new is None or is_again:
            self._report(change.path, "fsck.history", "events that were there are gone or changed")
            again = _events(events, known.id, change.path)
            known.context = state_machine.replay(_begun(known), again)
        else:
            if known.context is None:
                old = _events(events[: len(events) - len(new)], known.id, change.path)
                known.context = state_machine.replay(_begun(known), old)
            for event in _events(new, known.id, change.path):
                self._check_event(known, event, change.path)
        named = self._named_record(known, change.path, content)
        if codec.encode_status_with(known.context, events, named) != content:
            self._report(change.path, "status.replay", "state is not what its events lead to")
        known.is_written, known.archived = True, ""
        self._known_workflows.hold(known)

    def _named_record(self, known: Known, path: str, content: bytes) -> BlobId:
        found = _RECORD.match(content)
        named = BlobId(found[1].decode()) if found else UNKNOWN_BLOB
        if named and named != known.record_blob:
            self._report(path, "status.record", f"names record {named}, which is not its own")
        elif known.names_record and not named:
            self._report(path, "status.record", "names its record no longer")
        known.names_record = known.names_record or found is not None
        return named

    def _check_event(self, known: Known, event: WorkflowEvent, path: str) -> None:
        assert known.context is not None
        self._events += 1
        try:
            allowed = state_machine.decide(known.context, known.actions, event)
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


def _is_upgrade(change: RawChange) -> bool:
    old, new = (pack.object_id("blob", codec.encode_format(each)).hex() for each in (1, 2))
    newest = pack.object_id("blob", codec.encode_format()).hex()
    return (change.old, change.new) in {(old, new), (old, newest), (new, newest)}


def _begun(known: Known) -> WorkflowContext:
    return state_machine.begin(known.id, len(known.actions))


def _steps(record: bytes, path: str) -> list[Step]:
    """What is to be done, of a record that was checked before."""
    try:
        raw = json_lines.line_of(record, "actions")
        return [Step(each["task_name"], each["name"], each["worker_id"]) for each in raw]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        message = f"has a bad record: {error}"
        raise InvalidInput([Problem(path=path, code="status.format", message=message)]) from error


@lru_cache(maxsize=10_000)  # each is asked for with every file of a workflow
def _folder_of(path: str) -> str:
    return path.split("/")[-2:][0]  # of a file at the top: its own name, which is no id


def _id_of(text: str) -> WorkflowId:
    try:
        return WorkflowId(parse_uuid(text))
    except InvalidId:
        raise InvalidInput(
            [Problem(path=text, code="fsck.path", message="is no file of ours")]
        ) from None


def _event_bytes(content: bytes) -> bytes:
    """The lines of the events, each with a comma: what history may only add to."""
    start = content.find(codec.EVENTS_START)
    if start < 0 or not content.endswith(codec.EVENTS_END):
        return b""
    lines = content[start + len(codec.EVENTS_START) : -len(codec.EVENTS_END)]
    return lines + b",\n" if lines else b""


def _events(lines: bytes, workflow: WorkflowId, path: str) -> list[WorkflowEvent]:
    if not lines:
        return []
    try:
        rows = _decode(f"[{lines[:-2].decode('utf-8', 'surrogatepass')}]")
        return [codec.decode_event(each, workflow) for each in rows]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        problem = Problem(path=path, code="status.format", message=f"has a bad event: {error}")
        raise InvalidInput([problem]) from error
