"""How workflows become files of the status branch, and are read back.

The same value always gives the same bytes.  What can be derived (who was told what, the
newest data version's details) is left out: reading replays the events, and a file whose
state is not what its events lead to is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

from provisioner.model import state_machine
from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import (
    ActionReported,
    ActionTimedOut,
    DataPushed,
    RequestMoved,
    WorkflowDeleted,
    WorkflowEvent,
    WorkflowTimedOut,
)
from provisioner.model.ids import BlobId, CommitId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem, Severity
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import LiveWorkflow, ReconcileReport
from provisioner.model.workflow import Action, WorkerAddress, WorkflowRecord
from provisioner.store import action_text

FORMAT_VERSION = 1
EVENT_KINDS: Mapping[str, type[WorkflowEvent]] = {
    "action_reported": ActionReported,
    "action_timed_out": ActionTimedOut,
    "workflow_timed_out": WorkflowTimedOut,
    "workflow_deleted": WorkflowDeleted,
    "request_moved": RequestMoved,
    "data_pushed": DataPushed,
}
_KIND_OF = {kind: name for name, kind in EVENT_KINDS.items()}
# Kept beside the event as files, or said by the file's own id.
_NOT_IN_EVENTS = frozenset({"workflow_id", "log_tail", "files"})

_NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (WorkflowRecord, Action, WorkerAddress, WorkflowContext, DataVersion, Problem)
}
# Who was told what and how a workflow ended follow from the events.
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

_STEP_NAMES = ("task_name", "name", "worker_id")
# What many workflows say alike is held once.
_SHARED_TEXTS = ("name", "template_id", "template_name", "template_blob", "desired_commit")
_SHARED_EVENT_TEXTS = frozenset({"worker_id", "task_name", "action_name"})

T = TypeVar("T")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in a status file")


_quote = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, default=_plain, sort_keys=True).encode
_encode_ascii = json.JSONEncoder(default=_plain, sort_keys=True).encode


def encode_format() -> bytes:
    return _lines({"format": "tinkgit status branch", "version": FORMAT_VERSION})


def check_format(content: bytes | None) -> None:
    """Refuse a branch that a newer program, or no program of ours, has written."""
    try:
        version = json.loads(content or b"null")["version"]
    except (ValueError, TypeError, KeyError):
        raise _broken("format.json", "is not the format file of a status branch") from None
    if version != FORMAT_VERSION:
        raise _broken(
            "format.json",
            f"status branch has format {version}, this program knows {FORMAT_VERSION}",
            hint="use the version of tink that wrote it, or a newer one",
        )


def encode_record(record: WorkflowRecord) -> bytes:
    raw = _fields_of(record)
    raw["workers"] = [_fields_of(worker) for worker in record.workers]
    texts = {name: _encode_sorted(value) for name, value in raw.items() if name != "actions"}
    actions = ", ".join([action_text.encode(each, _action_text) for each in record.actions])
    texts["actions"] = f"[{actions}]"
    body = ",\n".join([f'"{name}": {texts[name]}' for name in raw])
    try:
        return f"{{\n{body}\n}}\n".encode()
    except UnicodeEncodeError:
        raw["actions"] = [_fields_of(action) for action in record.actions]
        return _lines(raw)


def _action_text(action: Action) -> str:
    return _encode_sorted(_fields_of(action))


def is_as_written(content: bytes, path: str) -> bool:
    """Whether a record is to the byte as we write it; refuse what is no record at all.

    A third of the time of `decode_record` and `encode_record`.
    """
    try:
        raw = json.loads(content)
        names = [_NAMES[WorkflowRecord], *(_NAMES[Action] for _ in raw["actions"])]
        names += (_NAMES[WorkerAddress] for _ in raw["workers"])
        parts = [raw, *raw["actions"], *raw["workers"]]
        for part, known in zip(parts, names, strict=True):
            if set(part) != set(known):
                raise ValueError("a field is missing or unknown")
        for action in raw["actions"]:
            if not all(isinstance(action[name], str) for name in _STEP_NAMES):
                raise ValueError("the name or the worker of an action is no text")
        return _lines({name: raw[name] for name in names[0]}) == content
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _broken(path, f"is not a workflow record: {error}") from error


def decode_record(content: bytes, path: str) -> WorkflowRecord:
    try:
        raw = json.loads(content)
        for name in _SHARED_TEXTS:
            raw[name] = intern(raw[name])
        raw["actions"] = tuple(map(_action, raw["actions"]))
        raw["workers"] = tuple(_build(WorkerAddress, each) for each in raw["workers"])
        return _build(WorkflowRecord, raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _broken(path, f"is not a workflow record: {error}") from error


def _action(raw: dict[str, Any]) -> Action:
    """Actions of one template share their texts and lists: a record is 3 KB instead of 11."""
    for name, value in raw.items():
        if isinstance(value, str):
            raw[name] = intern(value)
        elif isinstance(value, list):
            raw[name] = _shared(_frozen(value)) if value else ()
    return Action(**raw)


@lru_cache(maxsize=4_096)
def _shared(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first of all equal tuples."""
    return value


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
    return _utf8(_encode(raw), raw)


def _report_text(event: ActionReported) -> str:
    """As JSON; spelt out, a fifth of the time: it is most of what is ever written."""
    rest = f', "seconds": {event.seconds}' if event.seconds else ""
    if event.message:
        rest += f', "message": {_quote(event.message)}'
    if event.exit_code is not None:
        rest += f', "exit_code": {event.exit_code}'
    return (
        f'{{"kind": "action_reported", "at": {_quote(event.at)},'
        f' "report_id": {_quote(event.report_id)}, "worker_id": {_quote(event.worker_id)},'
        f' "task_name": {_quote(event.task_name)}, "action_name": {_quote(event.action_name)},'
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


def encode_status(context: WorkflowContext, event_lines: Iterable[bytes]) -> bytes:
    return encode_status_with(context, b"".join(line + b",\n" for line in event_lines))


def encode_status_with(context: WorkflowContext, events: bytes) -> bytes:
    """Like `encode_status`, of event lines that end in a comma each."""
    return b'{\n"id": "%s",\n"state": "%s",\n"context": %s,\n"events": [\n%s\n]\n}\n' % (
        context.workflow_id.encode(),
        context.state.encode(),
        _utf8(_summary_text(context), context),
        events[:-2],
    )


def decode_status(content: bytes, record: WorkflowRecord, path: str) -> LiveWorkflow:
    """Read a status file; raise `InvalidInput` when it is not the replay of its events."""
    try:
        raw = json.loads(content)
        events = tuple(decode_event(each, record.id) for each in raw["events"])
        begun = state_machine.begin(record.id, len(record.actions))
        context = state_machine.replay(begun, events)
        is_true = (
            raw["id"] == record.id
            and raw["state"] == context.state
            and raw["context"] == json.loads(_encode(_summary(context)))
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _broken(path, f"is not a status file: {error}") from error
    if not is_true:
        raise _broken(path, "state is not what its events lead to", code="status.replay")
    return LiveWorkflow(id=record.id, record=record, context=context, events=events)


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
    return _lines(raw)


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
    except (ValueError, TypeError, KeyError) as error:
        raise _broken("reconcile.json", f"can't be read: {error}") from error


def line_of(content: bytes, name: str) -> Any:
    """Read one top-level value of a file of ours without parsing the rest."""
    mark = b'\n"%s": ' % name.encode()
    start = content.find(mark)
    if start < 0:
        raise _broken(name, "is missing from a file of the status branch")
    start += len(mark)
    return json.loads(content[start : content.index(b"\n", start)].rstrip(b","))


def _summary(context: WorkflowContext) -> dict[str, object]:
    """The context as people and scripts read it; empty values are left out."""
    raw: dict[str, object] = {
        name: value
        for name in _SUMMARY_NAMES
        if (value := getattr(context, name)) not in ("", None) and value is not False
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
            parts.append(f'"{name}": {_quote(text)}')
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
            parts.append(f'"{name}": {_quote(text)}')
    parts.append(f'"event_count": {context.event_count}')
    if context.data_version is not None:
        parts.append(f'"data_version": {context.data_version.version}')
    return "{" + ", ".join(parts) + "}"


def _lines(raw: Mapping[str, object]) -> bytes:
    """A JSON object with one top-level key a line, so that diffs and `line_of` are easy."""
    body = ",\n".join(f"{_encode(key)}: {_encode_sorted(value)}" for key, value in raw.items())
    try:
        return f"{{\n{body}\n}}\n".encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON allows and UTF-8 doesn't
        body = ",\n".join(f"{_encode(key)}: {_encode_ascii(raw[key])}" for key in raw)
        return f"{{\n{body}\n}}\n".encode()


def _utf8(text: str, raw: object) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        if isinstance(raw, WorkflowContext):
            raw = _summary(raw)
        return json.dumps(raw, default=_plain).encode()


def _fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _NAMES[type(value)]}


def _build(kind: type[T], raw: dict[str, Any]) -> T:
    """Make a value of `kind`; lists become tuples where values are frozen."""
    frozen = {
        name: _frozen(value) if isinstance(value, list) else value for name, value in raw.items()
    }
    return kind(**frozen)


def _frozen(value: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(each) if isinstance(each, list) else each for each in value)


def _broken(
    path: str, message: str, *, code: str = "status.format", hint: str = ""
) -> InvalidInput:
    return InvalidInput([Problem(path=path, code=code, message=message, hint=hint)])
