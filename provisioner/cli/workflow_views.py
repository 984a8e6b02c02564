"""How a workflow looks: in classic tink's tables, in its JSON, and in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from provisioner.cli import table
from provisioner.model.event import (
    ActionReported,
    ActionTimedOut,
    DataPushed,
    MachinePhonedHome,
    RequestMoved,
    WorkflowDeleted,
    WorkflowTimedOut,
)
from provisioner.model.state import CLASSIC_NUMBER, State
from provisioner.model.summary import WorkflowSummary, summary_of
from provisioner.model.views import WorkflowEntry
from provisioner.model.workflow import Action

LIST_COLUMNS = table.columns(
    "Workflow ID", "Template ID", "Hardware Device", "Created At", "Updated At"
)
MORE_COLUMNS = table.columns("Progress", "Name", "Request")
LIST_COLUMNS_WIDE = (*LIST_COLUMNS, *table.columns("State", numbers=("State",)), *MORE_COLUMNS)
GET_COLUMNS = table.columns(
    "ID", "Template ID", "State", "Created At", "Updated At", numbers=("State",)
)
STATE_COLUMNS = table.columns("Field Name", "Values")
EVENT_COLUMNS = table.columns(
    *("Worker ID", "Task Name", "Action Name", "Execution Time", "Message", "Action Status"),
    "Time",
    numbers=("Execution Time", "Action Status"),
)
EVENT_COLUMNS_WIDE = (*EVENT_COLUMNS, *table.columns("Kind", "Attempt", "Exit Code"))


def updated_at(entry: WorkflowEntry) -> str:
    return entry.context.updated_at or entry.record.created_at


def local_time(text: str) -> str:
    """As classic tink's lists print a time: `2020-07-08 15:17:02 +0000 UTC`."""
    return f"{_moment(text).astimezone():%Y-%m-%d %H:%M:%S %z %Z}"


def short_time(text: str) -> str:
    """RFC 3339 to the second, as classic tink's `get` prints it."""
    return f"{_moment(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def device_map(devices: Mapping[str, object]) -> str:
    """As PostgreSQL's jsonb printed it: shorter keys first, a space after colon and comma."""
    keys = sorted(devices, key=lambda key: (len(key), key))
    return json.dumps({key: devices[key] for key in keys}, ensure_ascii=False)


def list_row(summary: WorkflowSummary) -> list[object]:
    times = (local_time(summary.created_at), local_time(summary.updated_at))
    return [summary.id, summary.template_id, device_map(summary.device_map), *times]


def list_row_wide(entry: WorkflowEntry) -> list[object]:
    return [*list_row(summary_of(entry)), entry.context.state, *more_cells(entry)]


def more_cells(entry: WorkflowEntry) -> list[object]:
    now = entry.context
    request = now.moved_to or entry.record.request_path
    return [f"{now.progress_percent}%", entry.record.name, request]


def get_row(summary: WorkflowSummary) -> list[object]:
    times = (short_time(summary.created_at), short_time(summary.updated_at))
    return [summary.id, summary.template_id, summary.state, *times]


def state_rows(entry: WorkflowEntry, *, is_wide: bool = False) -> list[tuple[str, object]]:
    """Classic tink's six rows; one more where those can't tell how the workflow stands."""
    now = entry.context
    rows: list[tuple[str, object]] = [
        ("Workflow ID", now.workflow_id),
        ("Workflow Progress", f"{now.progress_percent}%"),
        ("Current Task", now.current_task),
        ("Current Action", now.current_action),
        ("Current Worker", now.current_worker or ""),
        ("Current Action State", now.current_action_state),
    ]
    if is_wide or now.ended is not None:
        rows.append(("Workflow State", now.state))
    if is_wide:
        rows += [("Attempt", now.attempt), ("Started At", now.started_at)]
        rows += [("Updated At", updated_at(entry)), ("Name", entry.record.name)]
    return rows


def action_progress(entry: WorkflowEntry) -> Iterator[tuple[Action, State, int]]:
    """Each action with its newest state and the seconds that it took."""
    newest: dict[int, tuple[State, int]] = {}
    for event in entry.events:
        match event:
            case ActionReported():
                newest[event.action_index] = (event.action_status, event.seconds)
            case ActionTimedOut():
                newest[event.action_index] = (State.TIMEOUT, event.seconds)
    for action in entry.record.actions:
        yield action, *newest.get(action.index, (State.PENDING, 0))


def event_rows(entry: WorkflowEntry, *, is_wide: bool) -> Iterator[list[object]]:
    """Wide adds what is no action's: data versions, moved requests."""
    for event in entry.events:
        match event:
            case ActionReported():
                row = _action_row(event, event.action_status)
                extra = ["action", event.attempt, event.exit_code]
            case ActionTimedOut():
                row = _action_row(event, State.TIMEOUT)
                extra = ["action", event.attempt, None]
            case WorkflowTimedOut():
                row = ["", "", "", event.seconds, event.message, State.TIMEOUT, event.at]
                extra = ["workflow", None, None]
            case WorkflowDeleted():
                row = ["", "", "", "", event.message, _after_delete(entry), event.at]
                extra = ["workflow", None, None]
            case DataPushed(version=data) if is_wide:
                text = f"data version {data.version}: {data.file_count} files, {data.size_bytes} B"
                names = (data.worker_id, data.task_name, data.action_name)
                row = [*names, "", text, "", event.at]
                extra = ["data", event.attempt, None]
            case RequestMoved() if is_wide:
                row = ["", "", "", "", f"request moved to {event.request_path}", "", event.at]
                extra = ["request", None, None]
            case MachinePhonedHome() if is_wide:
                row = [event.worker_id, "", "", "", "the installed system runs", "", event.at]
                extra = ["machine", None, None]
            case _:
                continue
        yield [*row, *extra] if is_wide else row


def _action_row(event: ActionReported | ActionTimedOut, status: State) -> list[object]:
    names = (event.worker_id, event.task_name, event.action_name)
    return [*names, event.seconds, event.message, status, event.at]


def _after_delete(entry: WorkflowEntry) -> str:
    return entry.context.state if entry.context.ended is State.CANCELLED else ""


def workflow_data(entry: WorkflowEntry, rendered: str | None = None) -> dict[str, object]:
    """The object that `-o json` and `-o yaml` print."""
    record, now = entry.record, entry.context
    shown: dict[str, object] = {
        "id": record.id,
        "name": record.name,
        "state": now.state.value,
        "progress_percent": now.progress_percent,
        "template_id": record.template_id,
        "template_name": record.template_name,
        "hardware": dict(record.device_map),
        "workers": [worker.id for worker in record.workers],
        "created_at": record.created_at,
        "updated_at": updated_at(entry),
        "is_deleted": now.is_deleted,
        "request_path": now.moved_to or record.request_path,
        "desired_commit": record.desired_commit,
    }
    return shown if rendered is None else {**shown, "data": rendered}


def state_data(entry: WorkflowEntry) -> dict[str, object]:
    """Classic tink's WorkflowContext, with the workflow's own state and progress."""
    now = entry.context
    return {
        "workflow_id": now.workflow_id,
        "state": now.state.value,
        "progress_percent": now.progress_percent,
        "current_worker": now.current_worker or "",
        "current_task": now.current_task,
        "current_action": now.current_action,
        "current_action_index": now.current_action_index,
        "current_action_state": now.current_action_state.value,
        "total_number_of_actions": now.total_number_of_actions,
        "attempt": now.attempt,
    }


def classic_data(entry: WorkflowEntry, rendered: str | None) -> dict[str, object]:
    """`tink workflow get --format json` of v0.6: numbers for states, zero values left out."""
    record = entry.record
    shown: dict[str, object] = {
        "id": record.id,
        "template": record.template_id,
        "hardware": device_map(entry.record.device_map),
        "state": CLASSIC_NUMBER[entry.context.state],
        "created_at": _classic_moment(record.created_at),
        "updated_at": _classic_moment(updated_at(entry)),
        "data": rendered or "",
    }
    return {key: value for key, value in shown.items() if value}


def _classic_moment(text: str) -> Mapping[str, int]:
    moment = _moment(text)
    shown = {"seconds": int(moment.timestamp()), "nanos": moment.microsecond * 1000}
    return {key: value for key, value in shown.items() if value}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
