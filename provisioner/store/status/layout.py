"""The paths of the status branch; each follows from a workflow's id."""

from __future__ import annotations

import re
from functools import lru_cache

from provisioner.model.ids import WorkflowId, shard

FORMAT = "format.json"
RECONCILE = "reconcile.json"
RECORDS = "workflows"
STATUS = "status"
DATA = "data"
LOGS = "logs"
ARCHIVED = "archived"
RECORD = "record.json"
RENDERED = "workflow.yaml"

_NAME_LIMIT = 60  # characters of an action's name in the name of its log


def record(workflow: WorkflowId) -> str:
    return f"{RECORDS}/{shard(workflow)}/{workflow}/{RECORD}"


def rendered(workflow: WorkflowId) -> str:
    return f"{RECORDS}/{shard(workflow)}/{workflow}/{RENDERED}"


@lru_cache(maxsize=50_000)  # asked for with each report; a UUID takes 10 µs to take apart
def status(workflow: WorkflowId) -> str:
    return f"{STATUS}/{shard(workflow)}/{workflow}.json"


def data(workflow: WorkflowId) -> str:
    return f"{DATA}/{shard(workflow)}/{workflow}"


def logs(workflow: WorkflowId) -> str:
    return f"{LOGS}/{shard(workflow)}/{workflow}"


def log(workflow: WorkflowId, *, action_index: int, action_name: str, attempt: int) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", action_name)[:_NAME_LIMIT]
    return f"{logs(workflow)}/{action_index}-{name}.{attempt}.log"


def archived(workflow: WorkflowId) -> str:
    """The list that names an archived workflow: one for each day."""
    return f"{ARCHIVED}/{shard(workflow).rpartition('/')[0]}.jsonl"


def day_of(workflow: WorkflowId) -> str:
    """The day of creation in an id (`2026-11-23`); empty when it has none."""
    day = shard(workflow).rpartition("/")[0]
    return day.replace("/", "-") if workflow[14] == "7" else ""


def record_folder(workflow: WorkflowId) -> str:
    return f"{RECORDS}/{shard(workflow)}/{workflow}"


def all_of(workflow: WorkflowId) -> tuple[str, str, str, str]:
    """Everything that the branch holds of one workflow."""
    return record_folder(workflow), status(workflow), data(workflow), logs(workflow)


def archive_branch(branch: str) -> str:
    return f"{branch}-archive"


def archive_ref(branch: str) -> str:
    return f"refs/heads/{archive_branch(branch)}"


def is_log_of(name: str, *, action_index: int, attempt: int) -> bool:
    return name.startswith(f"{action_index}-") and name.endswith(f".{attempt}.log")


def short(workflow: WorkflowId) -> str:
    """Enough of an id to be unique in practice: of a UUIDv7, all of its time in milliseconds."""
    return workflow[:13] if workflow[14] == "7" else workflow[:8]
