"""Encodes workflows as files of the status branch, and decodes them.

The same value always gives the same bytes.  What can be derived (who was sent what, the
newest data version's details) is left out: reading replays the events, and a file whose
state is not what its events lead to is refused.

Version 2 of the format counts arrivals, and a status file names the content of its record:
an edit of one is not an edit of the other.  Version 3 says which machines a workflow installs,
and that an installed system was reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from sys import intern
from typing import Any

from provisioner.model import state_machine
from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import (
    ActionReported,
    ActionTimedOut,
    DataPushed,
    MachinePhonedHome,
    RequestMoved,
    WorkflowDeleted,
    WorkflowEvent,
    WorkflowTimedOut,
)
from provisioner.model.ids import BlobId, CommitId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem, Severity
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import UNKNOWN_BLOB, LiveWorkflow, ReconcileReport
from provisioner.model.workflow import WorkflowRecord
from provisioner.store.status import json_lines
from provisioner.store.status.json_lines import broken, quote

FORMAT_VERSION = 3
_KNOWN_VERSIONS = (1, 2, 3)  # an older branch is brought to the newest by the next commit
EVENT_KINDS: Mapping[str, type[WorkflowEvent]] = {
    "action_reported": ActionReported,
    "action_timed_out": ActionTimedOut,
    "workflow_timed_out": WorkflowTimedOut,
    "workflow_deleted": WorkflowDeleted,
    "request_moved": RequestMoved,
    "data_pushed": DataPushed,
    "machine_phoned_home": MachinePhonedHome,
}
_KIND_OF = {kind: name for name, kind in EVENT_KINDS.items()}
# What stands before and behind the events of a status file.
EVENTS_START, EVENTS_END = b'\n"events": [\n', b"\n]\n}\n"
# Stored beside the event as files, or said by the file's own id.
STORED_AS_FILES = frozenset({"log_tail", "files"})
_NOT_IN_EVENTS = STORED_AS_FILES | {"workflow_id"}

_NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (WorkflowContext, DataVersion, Problem)
}
# Which reports were received and how a workflow ended follow from the events.
_SUMMARY_NAMES = tuple(
    name
    for name in _NAMES[WorkflowContext]
    if name not in {"workflow_id", "told", "data_version", "ended"}
)
_EVENT_FIELDS: Mapping[type, tuple[tuple[str, object], ...]] = {
    kind: tuple(
        (each.name, each.default) for each in fields(kind) if each.name not in _NOT_IN_EVENTS
    )
    for kind in EVENT_KINDS.values()
}

_SHARED_EVENT_TEXTS = frozenset({"worker_id", "task_name", "action_name"})


def encode_format(version: int = FORMAT_VERSION) -> bytes:
    return json_lines.lines({"format": "tinkgit status branch", "version": version})


def read_format(content: bytes | None) -> int:
    """Return the version; refuse a branch that a newer program, or none of ours, has written."""
    version = _version_of(content)
    if version is None:
        raise no_format()
    if version not in _KNOWN_VERSIONS:
        raise broken(
            "format.json",
            f"status branch has format {version}, this program knows {FORMAT_VERSION}",
            hint="use the version of tink that wrote it, or a newer one",
        )
    return version


def is_format(content: bytes | None) -> bool:
    """Whether it is a format file at all, of whatever version."""
    return _version_of(content) is not None


def no_format() -> InvalidInput:
    return broken("format.json", "is not the format file of a status branch")


def _version_of(content: bytes | None) -> int | None:
    try:
        version = json.loads(content or b"null")["version"]
    except (ValueError, TypeError, KeyError):
        return None
    return version if type(version) is int else None


def encode_event(event: WorkflowEvent) -> bytes:
    """One line, without its end."""
    if type(event) is ActionReported:
        with suppress(UnicodeEncodeError):
            return _report_text(event).encode()
    raw: dict[str, object] = {"kind": _KIND_OF[type(event)]}
    for name, default in _EVENT_FIELDS[type(event)]:
        value = getattr(event, name)
        if value != default:
            raw[name] = _fields_of(value) if name == "version" else value
    return _utf8(json_lines.encode(raw), raw)


def _report_text(event: ActionReported) -> str:
    """As JSON; spelt out, a fifth of the time: it is most of what is ever written."""
    rest = f', "seconds": {event.seconds}' if event.seconds else ""
    if event.message:
        rest += f', "message": {quote(event.message)}'
    if event.exit_code is not None:
        rest += f', "exit_code": {event.exit_code}'
    return (
        f'{{"kind": "action_reported", "at": {quote(event.at)},'
        f' "report_id": {quote(event.report_id)}, "worker_id": {quote(event.worker_id)},'
        f' "task_name": {quote(event.task_name)}, "action_name": {quote(event.action_name)},'
        f' "action_index": {event.action_index}, "attempt": {event.attempt},'
        f' "action_status": "{event.action_status}"{rest}}}'
    )


def kind_of(event: WorkflowEvent) -> str:
    return _KIND_OF[type(event)]


def decode_event(raw: dict[str, Any], workflow: WorkflowId) -> WorkflowEvent:
    raw["workflow_id"] = workflow
    for name in _SHARED_EVENT_TEXTS.intersection(raw):
        raw[name] = intern(raw[name])
    kind = EVENT_KINDS[raw.pop("kind")]
    if "action_status" in raw:
        raw["action_status"] = State(raw["action_status"])
    if "version" in raw:
        raw["version"] = DataVersion(**raw["version"])
    return kind(**raw)


def encode_status(
    context: WorkflowContext, event_lines: Iterable[bytes], record_id: BlobId = UNKNOWN_BLOB
) -> bytes:
    events = b"".join(line + b",\n" for line in event_lines)
    return encode_status_with(context, events, record_id)


def encode_status_with(context: WorkflowContext, events: bytes, record_id: BlobId) -> bytes:
    """Like `encode_status`, of event lines that end in a comma each."""
    return b'{\n"id": "%s",\n%s"state": "%s",\n"context": %s,%s%s%s' % (
        context.workflow_id.encode(),
        record_line(record_id),
        context.state.encode(),
        _utf8(_summary_text(context), context),
        EVENTS_START,
        events[:-2],
        EVENTS_END,
    )


def record_line(record_id: BlobId) -> bytes:
    """What a status file says of its record; nothing in version 1."""
    return b'"record": "%s",\n' % record_id.encode() if record_id else b""


def decode_status(
    content: bytes, record: WorkflowRecord, path: str, record_id: BlobId = UNKNOWN_BLOB
) -> LiveWorkflow:
    """Read a status file; raise `InvalidInput` when it is not the replay of its events.

    Nor is one believed whose record is another than it names.  `record_id` is the one given.
    """
    try:
        raw = json.loads(content)
        named = raw.get("record")
        events = tuple(decode_event(each, record.id) for each in raw["events"])
        begun = state_machine.begin(record.id, len(record.actions))
        context = state_machine.replay(begun, events)
        is_true = (
            raw["id"] == record.id
            and raw["state"] == context.state
            and raw["context"] == json.loads(json_lines.encode(_summary(context)))
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise broken(path, f"is not a status file: {error}") from error
    if not is_true:
        raise broken(path, "state is not what its events lead to", code="status.replay")
    if named != record_id and (named is not None or record.arrival is not None):
        raise broken(path, f"is of record {named}, and not of {record_id}", code="status.record")
    return LiveWorkflow(
        id=record.id, record=record, context=context, events=events, record_id=record_id
    )


def encode_reconcile(report: ReconcileReport) -> bytes:
    problems = [
        {name: value for name, value in _fields_of(each).items() if value not in ("", 0)}
        for each in sorted(report.problems)
    ]
    raw = {
        "desired_commit": report.desired_commit,
        "at": report.at,
        "problems": problems,
        "in_force": dict(sorted(report.in_force)),
    }
    return json_lines.lines(raw)


def decode_reconcile(content: bytes) -> ReconcileReport:
    try:
        raw = json.loads(content)
        return ReconcileReport(
            desired_commit=CommitId(raw["desired_commit"]) if raw["desired_commit"] else None,
            at=raw["at"],
            problems=tuple(
                Problem(**each | {"severity": Severity(each["severity"])})
                for each in raw["problems"]
            ),
            in_force=tuple((path, BlobId(blob)) for path, blob in sorted(raw["in_force"].items())),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise broken("reconcile.json", f"can't be read: {error}") from error


def _summary(context: WorkflowContext) -> dict[str, object]:
    """The context as people and scripts read it; empty values are left out."""
    raw: dict[str, object] = {
        name: value
        for name in _SUMMARY_NAMES
        if (value := getattr(context, name)) not in ("", None, ()) and value is not False
    }
    if context.data_version is not None:
        raw["data_version"] = context.data_version.version
    return raw


def _summary_text(context: WorkflowContext) -> str:
    """`_summary` as JSON; spelt out, a third of the time: it is written with each report."""
    parts = [f'"total_number_of_actions": {context.total_number_of_actions}']
    for name, text in (
        ("current_worker", context.current_worker),
        ("current_task", context.current_task),
        ("current_action", context.current_action),
    ):
        if text:
            parts.append(f'"{name}": {quote(text)}')
    parts.append(
        f'"current_action_index": {context.current_action_index},'
        f' "current_action_state": "{context.current_action_state.value}",'
        f' "attempt": {context.attempt}'
    )
    if context.is_deleted:
        parts.append('"is_deleted": true')
    for name, text in (
        ("moved_to", context.moved_to),
        ("started_at", context.started_at),
        ("updated_at", context.updated_at),
    ):
        if text:
            parts.append(f'"{name}": {quote(text)}')
    parts.append(f'"event_count": {context.event_count}')
    if context.phoned_home:
        parts.append(f'"phoned_home": {json_lines.encode(context.phoned_home)}')
    if context.data_version is not None:
        parts.append(f'"data_version": {context.data_version.version}')
    return "{" + ", ".join(parts) + "}"


def _utf8(text: str, raw: object) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        if isinstance(raw, WorkflowContext):
            raw = _summary(raw)
        return json_lines.encode_ascii(raw).encode()


def _fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _NAMES[type(value)]}
