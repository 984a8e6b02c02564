"""Which workflows have run out of time?

By the server's clock, so that a dead machine never leaves a workflow RUNNING.  Each live
workflow has one next moment to look at it; nothing is scanned.

- A running action has its time-out and then a grace, counted from the worker's last sign
  of life: the worker itself stops a container that takes too long, also while this server
  is away.  A server that starts takes its start as a sign of life of everybody.
- An action that is due and that its worker could start, but doesn't, has its time-out, an
  hour at least, and the grace.
- `global_timeout` counts from the workflow's first report.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from provisioner.model import state_machine
from provisioner.model.event import ActionReported, ActionTimedOut, WorkflowTimedOut
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import Proposal, Receipt, StatusView, WorkflowEntry
from provisioner.services.clock import Clock, seconds_of, timestamp

GRACE_SECONDS = 120.0  # four times what a worker takes between two signs of life
LEAST_TIME_TO_START_SECONDS = 3600.0  # a machine has to boot first

# Workflows that are read after a start: as many as stay decoded when they were only read.
READ_AHEAD = 10_000
_SLICE = 50  # workflows looked at while a writer that publishes may have to wait

_LOG = logging.getLogger(__name__)


class Proposer(Protocol):
    def propose(self, proposal: Proposal) -> Future[Receipt]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """Since when a worker could start an action."""

    action_index: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """When a workflow runs out of time, and what is to be said then."""

    at: float
    make: Callable[[float], ActionTimedOut | WorkflowTimedOut]


class Timeouts:
    """`published` is called by who takes the writer's turn, `contact` by any, `run` by its own."""

    def __init__(
        self,
        *,
        clock: Clock,
        view: Callable[[], StatusView],
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._clock = clock
        self._view = view
        self._grace = grace_seconds
        self._started = clock.now()
        self._contacts: dict[HardwareId, float] = {}
        self._condition = threading.Condition()  # guards the five below
        self._due: dict[WorkflowId, _Due] = {}
        self._moments: list[tuple[float, WorkflowId]] = []
        self._next_of: dict[WorkflowId, float] = {}
        self._sleeps_until = -math.inf  # when `run` wakes up by itself
        self._is_closed = False

    def watch_all(self) -> None:
        """Begin with the live workflows, in slices; read only those that are under way.

        A workflow that waits for its first report needs no look before the least time to
        start is over, and one that waits behind another none at all.
        """
        queues = self._view().queues
        first = {queue[0] for queue in queues.values()}
        behind = {each for queue in queues.values() for each in queue[1:]}
        for some in _slices(sorted(first - behind)):
            self.published(self._view(), self._watch_waiting(some))
        for some in _slices(sorted(first & behind)):  # of several workers: one waits
            self.published(self._view(), () if self._is_closed else some)

    def _read_ahead(self) -> None:
        """Read what machines will ask for first, so that none of them has to wait for it."""
        first = sorted({queue[0] for queue in self._view().queues.values()})
        for some in _slices(first[:READ_AHEAD]):
            if not self._is_closed:
                tuple(self._view().workflows[each].record for each in some)

    def _watch_waiting(self, workflows: Iterable[WorkflowId]) -> list[WorkflowId]:
        """Begin with workflows that could start; return those that have to be read."""
        begun = []
        with self._condition:
            view, now = self._view(), self._clock.now()
            at = now + LEAST_TIME_TO_START_SECONDS + self._grace
            for workflow in () if self._is_closed else workflows:
                if view.workflows[workflow].state is not State.PENDING:
                    begun.append(workflow)
                    continue
                self._due[workflow] = _Due(action_index=0, since=now)
                self._next_of[workflow] = at
                heapq.heappush(self._moments, (at, workflow))
        return begun

    def published(self, view: StatusView, changed: Iterable[WorkflowId]) -> None:
        """Look again at what changed, and at what is next in the queues it left."""
        now = self._clock.now()
        looked_at = set(changed)
        for workflow in tuple(looked_at):
            entry = view.workflows[workflow]
            if entry.context.is_final:
                heads = (view.head_of_queue(worker.id) for worker in entry.record.workers)
                looked_at.update(head for head in heads if head is not None)
        with self._condition:
            for workflow in looked_at:
                self._schedule(view, workflow, now)
            if self._moments and self._moments[0][0] < self._sleeps_until:
                self._sleeps_until = -math.inf  # woken once, not for each group
                self._condition.notify()

    def contact(self, worker: HardwareId) -> None:
        """Note a sign of life of a machine that has a workflow; of others there are too many."""
        if worker in self._view().queues:
            self._contacts[worker] = self._clock.now()

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def run(self, writer: Proposer) -> None:
        """Propose time-outs until closed."""
        self.watch_all()
        self._read_ahead()
        while True:
            with self._condition:
                if self._is_closed:
                    return
                now = self._clock.now()
                due = self._pop_due(now)
                if not due:
                    wait = self._moments[0][0] - now if self._moments else None
                    self._sleeps_until = self._moments[0][0] if self._moments else math.inf
                    self._condition.wait(wait)
                    self._sleeps_until = -math.inf
                    continue
            for workflow in due:
                self.expiry(self._view(), workflow)  # read here, not in the writer's turn
                writer.propose(self.proposal(workflow)).add_done_callback(
                    lambda future, workflow=workflow: self._settled(workflow, future)  # type: ignore[misc]  # bound now
                )

    def pop_due(self) -> list[WorkflowId]:
        """Take the workflows whose moment has come; each is to be proposed."""
        with self._condition:
            return self._pop_due(self._clock.now())

    def proposal(self, workflow: WorkflowId) -> Proposal:
        """End the workflow if its time is over, on the newest view."""

        def propose(view: StatusView) -> tuple[ActionTimedOut | WorkflowTimedOut, ...]:
            now = self._clock.now()
            expiry = self.expiry(view, workflow)
            if expiry is None or expiry.at > now:
                with self._condition:
                    self._schedule(view, workflow, now)
                return ()
            event = expiry.make(now)
            entry = view.workflows[workflow]
            accepted = state_machine.decide(entry.context, entry.record.actions, event)
            return (event,) if accepted else ()

        return propose

    def expiry(self, view: StatusView, workflow: WorkflowId) -> Expiry | None:
        """The first moment at which this workflow is out of time, as things are."""
        entry = view.workflows.get(workflow)
        if entry is None or entry.context.is_final:
            return None
        found = (self._of_action(view, entry), self._of_workflow(entry))
        return min(
            (each for each in found if each is not None), key=lambda each: each.at, default=None
        )

    def _of_workflow(self, entry: WorkflowEntry) -> Expiry | None:
        limit, started = entry.record.global_timeout_seconds, entry.context.started_at
        if not limit or not started:
            return None
        begun = seconds_of(started)

        def make(now: float) -> WorkflowTimedOut:
            return WorkflowTimedOut(
                workflow_id=entry.id,
                at=timestamp(now),
                seconds=round(now - begun),
                message=f"the workflow took longer than its global_timeout of {limit} s",
            )

        return Expiry(at=max(begun + limit, self._started + self._grace), make=make)

    def _of_action(self, view: StatusView, entry: WorkflowEntry) -> Expiry | None:
        context = entry.context
        index = context.due_index
        if index is None:
            return None
        action = entry.record.actions[index]
        limit = action.timeout_seconds
        if context.current_action_state is State.RUNNING:
            begun = _running_since(entry)
            contact = max(self._contacts.get(action.worker_id, 0.0), self._started)
            at = max(begun + limit, contact) + self._grace
            message = f"no sign of life from worker {action.worker}; the action had {limit} s"
            attempt = context.attempt
        else:
            due = self._due.get(entry.id)
            if due is None or due.action_index != index:
                return None
            begun = due.since
            at = begun + max(limit, LEAST_TIME_TO_START_SECONDS) + self._grace
            message = f"worker {action.worker} did not start the action"
            attempt = 0

        def make(now: float) -> ActionTimedOut:
            return ActionTimedOut(
                workflow_id=entry.id,
                at=timestamp(now),
                worker_id=action.worker_id,
                task_name=action.task_name,
                action_name=action.name,
                action_index=index,
                attempt=attempt,
                seconds=round(now - begun),
                message=message,
            )

        return Expiry(at=at, make=make)

    # With the condition held:

    def _schedule(self, view: StatusView, workflow: WorkflowId, now: float) -> None:
        entry = view.workflows.get(workflow)
        index = entry.context.due_index if entry else None
        if entry is None or index is None:
            self._due.pop(workflow, None)
            self._next_of.pop(workflow, None)
            return
        worker = entry.record.actions[index].worker_id
        can_start = view.head_of_queue(worker) == workflow
        known = self._due.get(workflow)
        if not can_start:
            self._due.pop(workflow, None)
        elif known is None or known.action_index != index:
            self._due[workflow] = _Due(action_index=index, since=now)
        # Of a workflow that goes on as planned the next moment is only looked at when it
        # comes: 2 µs for a report instead of 12.
        limit = entry.record.actions[index].timeout_seconds
        is_soon_enough = self._next_of.get(workflow, math.inf) <= now + limit + self._grace
        if is_soon_enough and entry.context.event_count > 1:
            return
        expiry = self.expiry(view, workflow)
        at = expiry.at if expiry else math.inf
        if self._next_of.get(workflow) != at:
            self._next_of[workflow] = at
            if expiry:
                heapq.heappush(self._moments, (at, workflow))

    def _pop_due(self, now: float) -> list[WorkflowId]:
        due = []
        while self._moments and self._moments[0][0] <= now:
            at, workflow = heapq.heappop(self._moments)
            if self._next_of.get(workflow) == at:
                del self._next_of[workflow]
                due.append(workflow)
        return due

    def _settled(self, workflow: WorkflowId, future: Future[Receipt]) -> None:
        """Try again when the time-out could not be written."""
        error = future.exception()
        if error is None:
            return
        _LOG.warning("workflow %s is out of time, but that can't be written: %s", workflow, error)
        with self._condition:
            if not self._is_closed:
                at = self._clock.now() + self._grace
                self._next_of[workflow] = at
                heapq.heappush(self._moments, (at, workflow))
                self._condition.notify()


def _slices(workflows: list[WorkflowId]) -> Iterator[list[WorkflowId]]:
    return (workflows[at : at + _SLICE] for at in range(0, len(workflows), _SLICE))


def _running_since(entry: WorkflowEntry) -> float:
    """When the run that is under way was reported."""
    for event in reversed(entry.events):
        if isinstance(event, ActionReported) and event.action_status is State.RUNNING:
            return seconds_of(event.at)
    return seconds_of(entry.context.updated_at)
