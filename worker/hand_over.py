"""Actions that end the machine: created, reported as successful, and only then started.

Nothing of it is kept here.  The engine holds the container, with all that is needed to go on in
its labels: a worker that starts again finds it created and never started, repeats the report,
and starts it when that is acknowledged.  One of an earlier boot has done its work, or never
will: after a power cut between report and start it does not run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from worker import action, wire
from worker.action import Handover, HeldRun, Interrupted, Outcome, Run
from worker.transport import ServerApi, ServerRefused
from worker.watch import LOOK_SECONDS, Watch
from worker.wire import Acknowledgement, Report

log = logging.getLogger(__name__)

MESSAGE = "handed over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How far a handed-over container is; `left_seconds` until its timeout."""

    is_of_this_boot: bool
    has_started: bool
    has_ended: bool
    exit_code: int
    left_seconds: float


class Runtime(Protocol):
    """What holds the containers."""

    def prepare(self, run: Run, watch: Watch) -> None: ...
    def handed_over(self, held: HeldRun, watch: Watch) -> Held | None: ...
    def start_handed_over(self, held: HeldRun) -> None: ...
    def drop(self, held: HeldRun) -> bool: ...


def held_of(run: Run) -> HeldRun:
    """How the container of a run is found again, with what its report needs."""
    handover = Handover(
        task_name=run.offer.task_name,
        action_name=run.offer.action_name,
        timeout_seconds=run.timeout_seconds,
    )
    return action.held_of(run, handover)


def report_of(held: HeldRun) -> Report:
    """The report of its end, the same each time."""
    handover = held.handover
    assert handover is not None
    return Report(
        report_id=wire.report_id(held.workflow_id, held.action_index, held.attempt, "end"),
        worker=held.asked_as,
        task_name=handover.task_name,
        action_name=handover.action_name,
        action_index=held.action_index,
        attempt=held.attempt,
        action_status=action.SUCCESS,
        seconds=0,
        message=MESSAGE,
        exit_code=None,
        log_tail="",
    )


def finish(held: HeldRun, runtime: Runtime, api: ServerApi, watch: Watch) -> Acknowledgement | None:
    """Report, start, and wait until the container has ended or its time is over.

    None when there is nothing to hand over any more: another boot's, or a run that the server
    does not want.  The container is gone afterwards.
    """
    state = runtime.handed_over(held, watch)
    if state is None:
        return None
    if not state.is_of_this_boot:
        runtime.drop(held)
        return None
    acknowledged = None
    if not state.has_started:
        try:
            acknowledged = api.report(held.workflow_id, report_of(held))
        except ServerRefused as error:
            log.error("%s: it is not handed over, the server refused: %s", _name(held), error)
            runtime.drop(held)
            return None
        log.info("%s: %s", _name(held), MESSAGE)
        _start(held, runtime, watch)
    _await_end(held, runtime, watch)
    runtime.drop(held)
    return acknowledged


def failed(reason: object) -> Outcome:
    """How an action ends that could not be prepared."""
    message = action.shortened(f"{action.FAILED_MESSAGE}: {reason}")
    return Outcome(action_status=action.FAILED, message=message)


def _start(held: HeldRun, runtime: Runtime, watch: Watch) -> None:
    """It was promised: an engine that is away is waited for."""
    while True:
        try:
            runtime.start_handed_over(held)
            return
        except Interrupted as error:
            log.warning("%s can't be started yet: %s", _name(held), error)
            watch.pause(LOOK_SECONDS)


def _await_end(held: HeldRun, runtime: Runtime, watch: Watch) -> None:
    while True:
        try:
            state = runtime.handed_over(held, watch)
        except Interrupted as error:  # the engine goes down with the machine
            log.info("%s: %s", _name(held), error)
            watch.pause(LOOK_SECONDS)
            continue
        if state is None:
            return
        if state.has_ended:
            level = logging.INFO if state.exit_code == 0 else logging.WARNING
            log.log(level, "%s ended with exit code %d", _name(held), state.exit_code)
            return
        if state.left_seconds <= 0:
            log.warning("%s did not end in its time; it is removed", _name(held))
            return
        watch.pause(min(LOOK_SECONDS, state.left_seconds))


def _name(held: HeldRun) -> str:
    name = held.handover.action_name if held.handover else ""
    return f"workflow {held.workflow_id} action {held.action_index} {name!r}"
