"""The JSON of an event, as `tink workflow events` and the HTTP API show it.

Fields have the names of the status branch, but for classic tink's `created_at`.  All that an
event of a kind can have is there, also where it holds its default; `schema/read/v1/event.json`
describes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from provisioner.model.event import ActionTimedOut, DataPushed, WorkflowEvent
from provisioner.model.state import State
from provisioner.model.views import WorkflowEntry
from provisioner.store.status import codec

# Given under other names, or stored as files beside the event.
_NOT_SHOWN = frozenset({"workflow_id", "at", "version", *codec.STORED_AS_FILES})


def events_of(entry: WorkflowEntry) -> Iterator[dict[str, object]]:
    """All events of a workflow, oldest first, numbered from 1."""
    for number, event in enumerate(entry.events, start=1):
        yield {
            "workflow_id": entry.id,
            "number": number,
            "kind": codec.kind_of(event),
            "created_at": event.at,
            **_details(event),
        }


def _details(event: WorkflowEvent) -> Mapping[str, object]:
    details = _shown(event)
    match event:
        case DataPushed():
            return details | _shown(event.version) | {"version": event.version.version}
        case ActionTimedOut():
            return details | {"action_status": State.TIMEOUT.value}
    return details


def _shown(value: Any) -> dict[str, object]:
    named = {each.name: getattr(value, each.name) for each in fields(value)}
    return {
        name: one.value if isinstance(one, State) else one
        for name, one in named.items()
        if name not in _NOT_SHOWN
    }
