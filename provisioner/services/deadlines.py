"""The rules of when a workflow times out, without a clock.

All times here are seconds that the server listened (heard_time.py).  Neither a clock that is
set nor a server that is away brings a deadline nearer.

    the workflow                              is out of time
    ----------------------------------------  ------------------------------------------------
    none of its actions began                 never; with `start_timeout` so long after it was
                                              its turn on the machine of its first action
    an action runs                            when its timeout has passed and nothing was heard
                                              of its machine for the grace
    an action is due, and its machine could   its timeout (`start_timeout` if that is longer)
    start it                                  and the grace after that began
    an action is due, and its machine is      the same, after the machine was last heard of
    busy with another workflow
    has a `global_timeout`                    so long after its first report

A report, data or a sign of life that comes at that moment or later is too late, also when
the time-out is not written yet; one that came before counts, also when it is written later.

After a restart all goes on from the note that the server before left (store/upkeep/elapsed.py), or
from the start if there is none.  The start itself counts as a sign of life of everybody, for
nobody could be heard before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from provisioner.model.event import ActionTimedOut, WorkflowTimedOut
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import WorkflowEntry

GRACE_SECONDS = 120.0  # twice what a worker takes at most between two signs of life


class Step(NamedTuple):
    """What a workflow is at: a run of an action, or an action that is due (`attempt` 0).

    `is_turn` says whether the machine could start it; `since` when that began, and `begun`
    when the workflow's first report came, if one came.
    """

    action_index: int
    attempt: int
    is_turn: bool
    since: float
    begun: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When a workflow is out of time; `make` takes the wall clock's time and ours."""

    at: float
    message: str
    make: Callable[[str, float], ActionTimedOut | WorkflowTimedOut]


def attempt_of(context: WorkflowContext) -> int:
    """The run that is under way, or 0."""
    return context.attempt if context.current_action_state is State.RUNNING else 0


def expiry(
    entry: WorkflowEntry, step: Step, *, heard_of: Callable[[], float], grace: float
) -> Expiry | None:
    """The first moment at which a workflow is out of time, as things are.

    `heard_of` returns when the step's machine was last heard of.
    """
    found = (_of_action(entry, step, heard_of, grace), _of_workflow(entry, step))
    known = (each for each in found if each is not None)
    return min(known, key=lambda each: each.at, default=None)


def _of_workflow(entry: WorkflowEntry, step: Step) -> Expiry | None:
    limit, begun = entry.record.global_timeout_seconds, step.begun
    if not limit or begun is None:
        return None
    message = f"the workflow took longer than its global_timeout of {limit} s"

    def make(at: str, now: float) -> WorkflowTimedOut:
        return WorkflowTimedOut(
            workflow_id=entry.id, at=at, seconds=round(now - begun), message=message
        )

    return Expiry(at=begun + limit, message=message, make=make)


def _of_action(
    entry: WorkflowEntry, step: Step, heard_of: Callable[[], float], grace: float
) -> Expiry | None:
    context, index = entry.context, step.action_index
    if context.due_index != index or attempt_of(context) != step.attempt:
        return None  # a newer view than the one that the step was made of
    action = entry.record.actions[index]
    limit, start_limit = action.timeout_seconds, entry.record.start_timeout_seconds
    if not context.started_at:
        if not start_limit or not step.is_turn:
            return None
        moment = step.since + start_limit
        message = f"worker {action.worker} did not start within start_timeout, {start_limit} s"
    elif step.attempt:
        moment = max(step.since + limit, heard_of()) + grace
        message = f"no sign of life from worker {action.worker}; the action had {limit} s"
    else:
        since = step.since if step.is_turn else max(step.since, heard_of())
        moment = since + max(limit, start_limit) + grace
        message = f"worker {action.worker} did not start the action"

    def make(at: str, now: float) -> ActionTimedOut:
        return ActionTimedOut(
            workflow_id=entry.id,
            at=at,
            worker_id=action.worker_id,
            task_name=action.task_name,
            action_name=action.name,
            action_index=index,
            attempt=step.attempt,
            seconds=round(now - step.since),
            message=message,
        )

    return Expiry(at=moment, message=message, make=make)
