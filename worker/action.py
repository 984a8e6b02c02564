"""One run of an action: what it needs, and how it ended.

Pure.  After a crash of the worker its container is found again by labels, so everything that
names a run is here.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from worker import wire
from worker.wire import Offer

RUNNING = "STATE_RUNNING"
SUCCESS = "STATE_SUCCESS"
FAILED = "STATE_FAILED"
TIMEOUT = "STATE_TIMEOUT"
FINAL_STATES = frozenset({SUCCESS, FAILED, TIMEOUT, "STATE_CANCELLED"})

DEFAULT_TIMEOUT_SECONDS = 3600  # classic tink's, for an action that names none

STARTED_MESSAGE = "Started execution"
SUCCESS_MESSAGE = "finished execution successfully"
FAILED_MESSAGE = "Action Failed"
TIMEOUT_MESSAGE = "Action Timed out"

LABEL_WORKFLOW = "tinkgit.workflow"
LABEL_ACTION_INDEX = "tinkgit.action-index"
LABEL_ATTEMPT = "tinkgit.attempt"
LABEL_WORKER = "tinkgit.worker"
LABEL_ROLE = "tinkgit.role"
LABEL_BOOT = "tinkgit.boot"
LABEL_BACKGROUND = "tinkgit.background"  # of a run that is handed over: JSON of `Handover`
LABEL_BEGAN = "tinkgit.began"  # seconds of the machine's monotonic clock since that boot

ROLE_ACTION = "action"
ROLE_ON_TIMEOUT = "on-timeout"
ROLE_ON_FAILURE = "on-failure"

# Added to the name of a container that is killed because its time is over.
TIMED_OUT_SUFFIX = ".timed-out"

NAME_LIMIT = 63  # of the readable part: docker sets no limit, but tools cut long names


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one action.  `asked_as` is the id with which the worker asked for it."""

    offer: Offer
    asked_as: str
    attempt: int
    folder: Path

    @property
    def timeout_seconds(self) -> int:
        return (
            self.offer.timeout_seconds
            if self.offer.timeout_seconds > 0
            else DEFAULT_TIMEOUT_SECONDS
        )

    def report_id(self, what: str) -> str:
        return wire.report_id(self.offer.workflow_id, self.offer.action_index, self.attempt, what)

    def __str__(self) -> str:
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return (
            f"workflow {self.offer.workflow_id} action {self.offer.action_index}"
            f" {self.offer.action_name!r}{again}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What a container says of a run that is started after its end was reported."""

    task_name: str
    action_name: str
    timeout_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """A run that this worker's engine still holds a container of."""

    workflow_id: str
    action_index: int
    attempt: int
    asked_as: str
    handover: Handover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    action_status: str
    message: str
    seconds: int = 0
    exit_code: int | None = None
    log_tail: str = ""


class ActionFailed(Exception):
    """The action can't run; the message is the reason for its event."""


class ActionTimedOut(ActionFailed):
    """Its time was over before it could run."""


class Cancelled(Exception):
    """The server no longer wants this run."""


class Leaving(Exception):
    """The worker is shutting down; the container keeps running, and the next start resumes it."""


class Interrupted(Exception):
    """The run was broken off from outside, by its engine or its machine: run it again."""


def container_name(run: Run, role: str) -> str:
    """Unique among all runs, the same after a crash, and a name that docker takes."""
    readable = re.sub(r"[^a-zA-Z0-9_.-]+", "-", run.offer.action_name).strip("-._")[:NAME_LIMIT]
    parts = ["tink", run.offer.workflow_id, str(run.offer.action_index), str(run.attempt)]
    if role != ROLE_ACTION:
        parts.append(role)
    return ".".join([*parts, readable or "action"])


def held_of(run: Run, handover: Handover | None = None) -> HeldRun:
    """How the containers of a run are found again."""
    return HeldRun(
        workflow_id=run.offer.workflow_id,
        action_index=run.offer.action_index,
        attempt=run.attempt,
        asked_as=run.asked_as,
        handover=handover,
    )


def labels(run: Run, role: str, boot_id: str) -> dict[str, str]:
    return {**labels_of(held_of(run)), LABEL_ROLE: role, LABEL_BOOT: boot_id}


def labels_of(held: HeldRun) -> dict[str, str]:
    """The labels that all containers of a run have, and no other."""
    return {
        LABEL_WORKFLOW: held.workflow_id,
        LABEL_ACTION_INDEX: str(held.action_index),
        LABEL_ATTEMPT: str(held.attempt),
        LABEL_WORKER: held.asked_as,
    }


def background_label(handover: Handover) -> dict[str, str]:
    """What is needed to repeat the report and to start the container after a crash."""
    return {LABEL_BACKGROUND: json.dumps(asdict(handover))}


def held_run(labels: dict[str, str]) -> HeldRun | None:
    """Read the labels back; None for labels that are not ours."""
    try:
        return HeldRun(
            workflow_id=labels[LABEL_WORKFLOW],
            action_index=int(labels[LABEL_ACTION_INDEX]),
            attempt=int(labels[LABEL_ATTEMPT]),
            asked_as=labels[LABEL_WORKER],
            handover=_handover(labels.get(LABEL_BACKGROUND, "")),
        )
    except (KeyError, ValueError, TypeError):
        return None


def _handover(text: str) -> Handover | None:
    return Handover(**json.loads(text)) if text else None


def shortened(message: str) -> str:
    """One line of at most `wire.MESSAGE_LIMIT` characters."""
    line = " ".join(message.split())
    return line if len(line) <= wire.MESSAGE_LIMIT else f"{line[: wire.MESSAGE_LIMIT - 1]}…"
