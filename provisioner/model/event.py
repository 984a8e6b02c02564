"""What can happen to a workflow.  A workflow's history is the list of its events.

Each event carries its time (`at`, RFC 3339 UTC with microseconds, the server's clock).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from provisioner.model.ephemeral import DataFile, DataVersion
from provisioner.model.ids import CommitId, HardwareId, ReportId, WorkflowId
from provisioner.model.state import State

MESSAGE_LIMIT = 200  # characters; classic tink's column was that long, and reports failed beyond
LOG_TAIL_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionReported:
    """A worker told how its action goes.  `log_tail` is stored as a file, not in the event."""

    workflow_id: WorkflowId
    at: str
    report_id: ReportId
    worker_id: HardwareId
    task_name: str
    action_name: str
    action_index: int
    attempt: int
    action_status: State
    seconds: int = 0
    message: str = ""
    exit_code: int | None = None
    log_tail: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTimedOut:
    """The server's clock gave up on a silent worker, or on one that never came."""

    workflow_id: WorkflowId
    at: str
    worker_id: HardwareId
    task_name: str
    action_name: str
    action_index: int
    attempt: int
    seconds: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTimedOut:
    """`global_timeout` passed."""

    workflow_id: WorkflowId
    at: str
    seconds: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowDeleted:
    """Its request was deleted: cancels the workflow unless it has ended; hides it from lists."""

    workflow_id: WorkflowId
    at: str
    desired_commit: CommitId
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMoved:
    """Its request file has a new path."""

    workflow_id: WorkflowId
    at: str
    desired_commit: CommitId
    request_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPushed:
    """The ephemeral data has a new version.  `files` are stored as files, not in the event."""

    workflow_id: WorkflowId
    at: str
    report_id: ReportId
    action_index: int
    attempt: int
    version: DataVersion
    files: tuple[DataFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePhonedHome:
    """The system that a workflow installed said that it runs (cloud-init's phone_home)."""

    workflow_id: WorkflowId
    at: str
    worker_id: HardwareId


WorkflowEvent: TypeAlias = (
    ActionReported
    | ActionTimedOut
    | WorkflowTimedOut
    | WorkflowDeleted
    | RequestMoved
    | DataPushed
    | MachinePhonedHome
)
