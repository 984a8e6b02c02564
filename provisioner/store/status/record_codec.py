"""Encodes a workflow's record as `record.json`, and decodes it.

Written once and never changed, so a file that an older version wrote must keep its bytes:
fields that were added later are left out while they hold their default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar

from provisioner.model.workflow import Action, WorkerAddress, WorkflowRecord
from provisioner.store.status import action_text, json_lines
from provisioner.store.status.json_lines import broken, encode_sorted

# Fields that version 1 of the format does not have.
_ADDED: Mapping[type, frozenset[str]] = {
    WorkflowRecord: frozenset(
        {"arrival", "start_timeout_seconds", "installs_os", "allows_netboot"}
    ),
    Action: frozenset({"max_attempts", "background", "network"}),
}

_NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (WorkflowRecord, Action, WorkerAddress)
}
_DEFAULTS: Mapping[type, Mapping[str, object]] = {
    kind: {each.name: each.default for each in fields(kind) if each.name in _ADDED.get(kind, ())}
    for kind in _NAMES
}
_REQUIRED: Mapping[type, frozenset[str]] = {
    kind: frozenset(names).difference(_DEFAULTS[kind]) for kind, names in _NAMES.items()
}
_STEP_NAMES = ("task_name", "name", "worker_id")
# What many workflows say alike is held once.
_SHARED_TEXTS = ("name", "template_id", "template_name", "template_blob", "desired_commit")

T = TypeVar("T")


def encode_record(record: WorkflowRecord) -> bytes:
    raw = _fields_of(record)
    raw["workers"] = [_fields_of(worker) for worker in record.workers]
    texts = {name: encode_sorted(value) for name, value in raw.items() if name != "actions"}
    actions = ", ".join([action_text.encode(each, _action_text) for each in record.actions])
    texts["actions"] = f"[{actions}]"
    body = ",\n".join([f'"{name}": {texts[name]}' for name in raw])
    try:
        return f"{{\n{body}\n}}\n".encode()
    except UnicodeEncodeError:
        raw["actions"] = [_fields_of(action) for action in record.actions]
        return json_lines.lines(raw)


def _action_text(action: Action) -> str:
    return encode_sorted(_fields_of(action))


def is_as_written(content: bytes, path: str) -> bool:
    """Whether a record is to the byte as we write it; refuse what is no record at all.

    A third of the time of `decode_record` and `encode_record`.
    """
    try:
        raw = json.loads(content)
        kinds = [WorkflowRecord, *(Action for _ in raw["actions"])]
        kinds += (WorkerAddress for _ in raw["workers"])
        parts = [raw, *raw["actions"], *raw["workers"]]
        for part, kind in zip(parts, kinds, strict=True):
            _check_names(kind, part)
        for action in raw["actions"]:
            if not all(isinstance(action[name], str) for name in _STEP_NAMES):
                raise ValueError("the name or the worker of an action is no text")
        names = [name for name in _NAMES[WorkflowRecord] if name in raw]
        return json_lines.lines({name: raw[name] for name in names}) == content
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise broken(path, f"is not a workflow record: {error}") from error


def _check_names(kind: type, part: Mapping[str, object]) -> None:
    """A record has all fields, and those that were added later only with a value."""
    extra = set(part) ^ _REQUIRED[kind]
    defaults = _DEFAULTS[kind]
    if not extra <= defaults.keys():
        raise ValueError("a field is missing or unknown")
    if any(part[name] == defaults[name] for name in extra):
        raise ValueError("a field holds what it means when it is left out")


def decode_record(content: bytes, path: str) -> WorkflowRecord:
    try:
        raw = json.loads(content)
        for name in _SHARED_TEXTS:
            raw[name] = intern(raw[name])
        raw["actions"] = tuple(map(_action, raw["actions"]))
        raw["workers"] = tuple(_build(WorkerAddress, each) for each in raw["workers"])
        return _build(WorkflowRecord, raw)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise broken(path, f"is not a workflow record: {error}") from error


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


def _fields_of(value: WorkflowRecord | Action | WorkerAddress) -> dict[str, Any]:
    kind = type(value)
    raw = {name: getattr(value, name) for name in _NAMES[kind]}
    for name, default in _DEFAULTS[kind].items():
        if raw[name] == default:
            del raw[name]
    return raw


def _build(kind: type[T], raw: dict[str, Any]) -> T:
    """Make a value of `kind`; lists become tuples where values are frozen."""
    frozen = {
        name: _frozen(value) if isinstance(value, list) else value for name, value in raw.items()
    }
    return kind(**frozen)


def _frozen(value: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(each) if isinstance(each, list) else each for each in value)
