"""The files and the message of a batch's commit.

The encoded events of live workflows are cached, so that a report encodes one event and not
the whole history of its workflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.git import pack
from provisioner.git.commit import FileChange
from provisioner.model.event import ActionReported, DataPushed, WorkflowDeleted
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.views import Change, Reconciled, StatusView, WorkflowCreated, WorkflowEntry
from provisioner.store.status import codec, layout
from provisioner.store.writer.new_records import Contents

_CACHE_LIMIT = 20_000  # live workflows whose events stay encoded: 100 MB at 20 events each
_LISTED = 200  # lines of a message; a longer one is bytes that the files say already


class EventLines:
    """A cache of the encoded events of live workflows, without those written longest ago."""

    def __init__(self) -> None:
        self._lines: dict[WorkflowId, tuple[int, bytes]] = {}  # count, text

    def of(self, entry: WorkflowEntry) -> bytes:
        """All events of a workflow, encoded, a comma and a newline after each."""
        events = entry.events
        count, lines = self._lines.get(entry.id) or (0, b"")
        if count > len(events):
            count, lines = 0, b""
        lines += b"".join(codec.encode_event(event) + b",\n" for event in events[count:])
        if entry.context.is_final:
            self._lines.pop(entry.id, None)
        else:
            self._lines[entry.id] = len(events), lines
            if len(self._lines) > _CACHE_LIMIT:
                del self._lines[next(iter(self._lines))]
        return lines

    def clear(self) -> None:
        self._lines.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFiles:
    """What a batch's commit holds.

    `finished` are the changed workflows that have ended, with the ids of their status files.
    """

    changes: tuple[FileChange, ...]
    changed_ids: tuple[WorkflowId, ...]
    finished: tuple[tuple[WorkflowEntry, bytes], ...]
    message: str


def files_of(
    view: StatusView,
    changes: Iterable[Change],
    lines: EventLines,
    *,
    records: Contents,
    sets_format: bool,
    writer: str,
) -> BatchFiles:
    """Return what a commit holds that takes the branch to `view` by `changes`."""
    changes = tuple(changes)
    files: list[FileChange] = []
    if sets_format:
        files.append(FileChange(path=layout.FORMAT, content=codec.encode_format()))
    touched: dict[WorkflowId, None] = {}
    for change in changes:
        if isinstance(change, Reconciled):
            content = codec.encode_reconcile(change.report)
            files.append(FileChange(path=layout.RECONCILE, content=content))
            continue
        if isinstance(change, WorkflowCreated):
            files.append(_files_of_record(change, records[change.record.id]))
            touched[change.record.id] = None
            continue
        touched[change.workflow_id] = None
        files += _files_beside(change)
    finished: list[tuple[WorkflowEntry, bytes]] = []
    for workflow in touched:
        entry = view.workflows[workflow]
        content = codec.encode_status_with(entry.context, lines.of(entry), entry.record_id)
        files.append(FileChange(path=layout.status(workflow), content=content))
        if entry.context.is_final:
            finished.append((entry, pack.object_id("blob", content)))
    return BatchFiles(
        changes=tuple(files),
        changed_ids=tuple(touched),
        finished=tuple(finished),
        message=_message(view, changes, writer),
    )


def _files_of_record(created: WorkflowCreated, content: bytes) -> FileChange:
    text = created.rendered.encode("utf-8", "surrogateescape")
    return FileChange(
        path=layout.record_folder(created.record.id),
        files=((layout.RECORD, content), (layout.RENDERED, text)),
    )


def _files_beside(event: Change) -> tuple[FileChange, ...]:
    """What an event brings that is stored as files and not in the event."""
    if isinstance(event, ActionReported) and event.log_tail:
        path = layout.log(
            event.workflow_id,
            action_index=event.action_index,
            action_name=event.action_name,
            attempt=event.attempt,
        )
        return (FileChange(path=path, content=event.log_tail),)
    if isinstance(event, DataPushed):
        return (FileChange(path=layout.data(event.workflow_id), tree=event.version.tree_id),)
    return ()


def _message(view: StatusView, changes: tuple[Change, ...], writer: str) -> str:
    created = [it for it in changes if isinstance(it, WorkflowCreated)]
    events = [it for it in changes if not isinstance(it, (WorkflowCreated, Reconciled))]
    listed = [it for it in changes if not isinstance(it, Reconciled)]
    lines = [_line(view, it) for it in listed[:_LISTED]]
    if len(listed) == 1:
        subject = lines[0]
    else:
        parts = [_count(len(created), "workflow created", "workflows created")] * bool(created)
        if events:
            workflows = _count(
                len({event.workflow_id for event in events}), "workflow", "workflows"
            )
            parts.append(f"{_count(len(events), 'event', 'events')} in {workflows}")
        subject = ", ".join(parts) or "reconciled"
    if len(listed) == 1:
        lines = []
    if len(listed) > _LISTED:
        lines.append(f"and {len(listed) - _LISTED} more")
    body = "".join(f"{line}\n" for line in lines)
    trailers = "".join(f"{line}\n" for line in _trailers(changes, writer))
    return f"{subject}\n\n{body}\n{trailers}" if body else f"{subject}\n\n{trailers}"


def _line(view: StatusView, change: Change) -> str:
    if isinstance(change, WorkflowCreated):
        return _one_line(f"{layout.short(change.record.id)} {change.record.name}: created")
    assert not isinstance(change, Reconciled)
    record = view.workflows[change.workflow_id].record
    head = f"{layout.short(change.workflow_id)}"
    match change:
        case ActionReported():
            worker = record.actions[change.action_index].worker
            text = f"{change.action_name}: {change.action_status} {worker}"
        case DataPushed():
            text = f"{change.version.action_name}: data version {change.version.version}"
        case _:
            text = f"{record.name}: {codec.kind_of(change).replace('_', ' ')}"
    return _one_line(f"{head} {text}")


def _trailers(changes: tuple[Change, ...], writer: str) -> list[str]:
    commits: dict[CommitId, None] = {}
    requests: dict[str, None] = {}
    for change in changes:
        if isinstance(change, WorkflowCreated):
            commits[change.record.desired_commit] = None
            requests[change.record.request_path] = None
        elif isinstance(change, Reconciled) and change.report.desired_commit:
            commits[change.report.desired_commit] = None
        elif isinstance(change, WorkflowDeleted):
            commits[change.desired_commit] = None
    listed = list(requests)[:_LISTED]
    return [
        *(f"Desired-Commit: {commit}" for commit in commits),
        *(_one_line(f"Request: {path}") for path in listed),
        _one_line(f"Writer: {writer}"),
    ]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _one_line(text: str) -> str:
    """Names come from people's files: none may start a line, or a trailer, of its own."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)
