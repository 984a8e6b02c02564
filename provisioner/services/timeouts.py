"""Ends what has run out of time, so that a dead machine never leaves a workflow RUNNING.

The rules are in deadlines.py.  Each workflow that can run out of time has one next moment to
look at it, never after its deadline; nothing is scanned.  A workflow that waits for its first
report and has no `start_timeout` costs nothing here.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Protocol

from provisioner.errors import Refused
from provisioner.model import state_machine, times
from provisioner.model.event import ActionTimedOut, WorkflowTimedOut
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import Proposal, Receipt, StatusView, WorkflowEntry
from provisioner.services import deadlines
from provisioner.services.clock import Clock
from provisioner.services.deadlines import GRACE_SECONDS, Expiry, Step
from provisioner.services.heard_time import TICK_SECONDS
from provisioner.store.upkeep.elapsed import Elapsed

# Workflows that are read after a start: as many as stay decoded when they were only read.
READ_AHEAD = 10_000
RETRY_SECONDS = 5.0  # after a time-out that could not be written
NOTE_SECONDS = 2.0  # between two notes of what has elapsed: what kill -9 lets count again
_NOTE_SHARE = 500  # a note that takes long is written less often: 0.2 % of a processor
_SLICE = 50  # workflows looked at while a writer that publishes may have to wait
_PAUSE_SECONDS = 0.05  # between slices that nobody waits for: a tenth of a processor

_LOG = logging.getLogger(__name__)


class Proposer(Protocol):
    def propose(self, proposal: Proposal) -> Future[Receipt]: ...


class Heard(Protocol):
    """Seconds that the server listened (heard_time.py)."""

    @property
    def is_listening(self) -> bool: ...
    def now(self) -> float: ...
    def tick(self) -> None: ...


class Timeouts:
    """`published` is called by who takes the writer's step, `run` by its own thread, and
    `contact`, `arrival` and `check` by any."""

    def __init__(
        self,
        *,
        clock: Clock,
        heard: Heard,
        view: Callable[[], StatusView],
        grace_seconds: float = GRACE_SECONDS,
        is_waiting: Callable[[HardwareId], bool] = lambda _: False,
        noted: Mapping[WorkflowId, Elapsed] = MappingProxyType({}),
        note: Callable[[Mapping[WorkflowId, Elapsed]], None] = lambda _: None,
    ) -> None:
        """`is_waiting` says whether a machine asks for work just now; `noted` is what a
        server before this one left, and `note` leaves it for the next."""
        self._clock = clock
        self._heard = heard
        self._view = view
        self._grace = grace_seconds
        self._is_waiting = is_waiting
        self._noted = noted
        self._note = note
        self._started = heard.now()
        self._contacts: dict[HardwareId, float] = {}
        self._unread: deque[WorkflowId] = deque()  # of `run`
        self._note_at = self._started + TICK_SECONDS  # of `run`
        self._is_noted = not noted  # of `run`: whether the last note holds nothing
        self._condition = threading.Condition()  # guards the six below
        self._steps: dict[WorkflowId, Step] = {}
        self._moments: list[tuple[float, WorkflowId]] = []
        self._next_of: dict[WorkflowId, float] = {}
        self._sleeps_until = -math.inf  # when `run` wakes up by itself
        self._retry_at = -math.inf
        self._is_closed = False

    # What machines do.

    def arrival(self) -> float:
        """The moment at which something arrives, for `check`."""
        return self._heard.now()

    def contact(self, worker: HardwareId) -> None:
        """Note a sign of life of a machine that has a workflow; of others there are too many.

        One that comes too late for the workflow that it works on changes nothing.
        """
        view = self._view()
        head = view.head_of_queue(worker)
        if head is None:
            return
        now = self._heard.now()
        if self._is_over(view, head, now) is None:
            self._contacts[worker] = now

    def check(self, view: StatusView, workflow: WorkflowId, arrival: float) -> None:
        """Refuse what arrived when the workflow was out of time already."""
        expiry = self._is_over(view, workflow, arrival)
        if expiry is not None:
            raise Refused(f"workflow {workflow} is out of time: {expiry.message}")

    def _is_over(self, view: StatusView, workflow: WorkflowId, now: float) -> Expiry | None:
        """Whether its time is over; 0.1 µs unless it may be."""
        if now < self._next_of.get(workflow, -math.inf):
            return None
        if workflow not in self._steps and workflow not in self._noted:
            return None
        expiry = self.expiry(view, workflow)
        return expiry if expiry is not None and expiry.at <= now else None

    # What happens to workflows.

    def published(self, view: StatusView, changed: Iterable[WorkflowId]) -> None:
        """Look again at what changed, and at what is next in the queues it left."""
        now = self._heard.now()
        looked_at = set(changed)
        for workflow in tuple(looked_at):
            entry = view.readable(workflow)
            if entry is not None and entry.context.is_final:
                heads = (view.head_of_queue(worker.id) for worker in entry.record.workers)
                looked_at.update(head for head in heads if head is not None)
        with self._condition:
            for workflow in looked_at:
                self._schedule(view, workflow, now)
            if self._moments and self._moments[0][0] < self._sleeps_until:
                self._sleeps_until = -math.inf  # woken once, not for each batch
                self._condition.notify()

    def watch_all(self) -> None:
        """Begin with the live workflows, in slices: at once with those that are under way.

        Those that wait for their first report have to be read to know their `start_timeout`:
        as many as stay decoded now, the others little by little in `run`.
        """
        view = self._view()
        live = {each for queue in view.queues.values() for each in queue}
        under_way = [each for each in live if view.workflows[each].state is not State.PENDING]
        for some in _slices(sorted(under_way)):
            self._look_at(some)
        heads = {queue[0] for queue in view.queues.values()}
        self._unread.extend(sorted(heads.difference(under_way)))
        for _ in range(0, min(READ_AHEAD, len(self._unread)), _SLICE):
            self._look_at_unread()

    def _look_at(self, workflows: list[WorkflowId]) -> None:
        if self._is_closed:
            return
        for each in workflows:
            self._view().readable(each)  # read without holding up the writer
        with self._condition:
            # Read here: whoever publishes a newer view is let in after it.
            view, now = self._view(), self._heard.now()
            for each in workflows:
                self._schedule(view, each, now)

    def _look_at_unread(self) -> None:
        self._look_at([self._unread.popleft() for _ in range(min(_SLICE, len(self._unread)))])

    # The thread.

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def run(self, writer: Proposer) -> None:
        """Propose time-outs until closed."""
        self.watch_all()
        while not self._is_closed:
            self._heard.tick()
            for workflow in self._await_due():
                self.expiry(self._view(), workflow)  # read here, not in the writer's step
                writer.propose(self.proposal(workflow)).add_done_callback(
                    lambda future, workflow=workflow: self._settled(workflow, future)  # type: ignore[misc]  # bound now
                )
            if self._unread:
                self._look_at_unread()
            if self._heard.now() >= self._note_at:
                self._note_elapsed()
        self._note_elapsed()

    def _await_due(self) -> list[WorkflowId]:
        """Take what is due, or else sleep until something may be, for a tick at most."""
        with self._condition:
            now = self._heard.now()
            may_write = self._heard.is_listening and now >= self._retry_at
            due = self.pop_due() if may_write and not self._is_closed else []
            if not due and not self._is_closed:
                first = self._moments[0][0] if self._moments and may_write else math.inf
                longest = _PAUSE_SECONDS if self._unread else TICK_SECONDS
                wait = min(max(first - now, 0.0), longest)
                self._sleeps_until = now + wait
                self._condition.wait(wait)
                self._sleeps_until = -math.inf
        return due

    def pop_due(self) -> list[WorkflowId]:
        """Take the workflows whose moment has come; each is to be proposed."""
        due = []
        with self._condition:
            now = self._heard.now()
            while self._moments and self._moments[0][0] <= now:
                at, workflow = heapq.heappop(self._moments)
                if self._next_of.get(workflow) == at:
                    del self._next_of[workflow]
                    due.append(workflow)
        return due

    def proposal(self, workflow: WorkflowId) -> Proposal:
        """End the workflow if its time is over, on the newest view."""

        def propose(view: StatusView) -> tuple[ActionTimedOut | WorkflowTimedOut, ...]:
            now = self._heard.now()
            expiry = self.expiry(view, workflow)
            if expiry is None or expiry.at > now:
                with self._condition:
                    self._schedule(view, workflow, now)
                return ()
            event = expiry.make(times.of_event(self._clock.now()), now)
            entry = view.workflows[workflow]
            accepted = state_machine.decide(entry.context, entry.record.actions, event)
            return (event,) if accepted else ()

        return propose

    def expiry(self, view: StatusView, workflow: WorkflowId) -> Expiry | None:
        """The first moment at which this workflow is out of time, as things are."""
        entry, step = view.readable(workflow), self._steps.get(workflow)
        if entry is None or entry.context.is_final:
            return None
        if step is None and workflow in self._noted:  # a start that has not come to it yet
            step = self._step(entry, None, self._key(view, entry), now=self._started)
        if step is None:
            return None
        worker = entry.record.actions[step.action_index].worker_id
        return deadlines.expiry(
            entry, step, heard_of=lambda: self._heard_of(worker), grace=self._grace
        )

    def elapsed(self) -> dict[WorkflowId, Elapsed]:
        """What the next server has to know; 1 ms for 1,000 workflows."""
        with self._condition:
            steps, now = list(self._steps.items()), self._heard.now()
        return {
            workflow: Elapsed(
                action_index=step.action_index,
                attempt=step.attempt,
                step_seconds=round(now - step.since, 1) if step.is_turn else 0.0,
                workflow_seconds=round(now - step.begun, 1) if step.begun is not None else 0.0,
            )
            for workflow, step in steps
        }

    def _heard_of(self, worker: HardwareId) -> float:
        if self._is_waiting(worker):
            return self._heard.now()
        return self._contacts.get(worker, self._started)

    def _note_elapsed(self) -> None:
        began = time.monotonic()
        elapsed = self.elapsed()
        if elapsed or not self._is_noted:
            try:
                self._note(elapsed)
                self._is_noted = not elapsed
            except OSError as error:
                _LOG.warning("the elapsed time can't be stored: %s", error)
        pause = max(NOTE_SECONDS, (time.monotonic() - began) * _NOTE_SHARE)
        self._note_at = self._heard.now() + pause

    # With the condition held:

    def _schedule(self, view: StatusView, workflow: WorkflowId, now: float) -> None:
        entry = view.readable(workflow)
        context = entry.context if entry is not None else None
        index = context.due_index if context is not None else None
        if (
            entry is None
            or context is None
            or index is None
            or not (context.started_at or entry.record.start_timeout_seconds)
        ):
            self._steps.pop(workflow, None)
            self._next_of.pop(workflow, None)
            return
        action = entry.record.actions[index]
        key = self._key(view, entry)
        step = self._steps.get(workflow)
        if step is None or (step.action_index, step.attempt, step.is_turn) != key:
            self._steps[workflow] = self._step(entry, step, key, now=now)
        # Of a workflow that goes on as planned the next moment is only looked at when it
        # comes: 2 µs for a report instead of 12.
        is_soon_enough = (
            self._next_of.get(workflow, math.inf) <= now + action.timeout_seconds + self._grace
        )
        if is_soon_enough and context.event_count > 1:
            return
        expiry = self.expiry(view, workflow)
        at = expiry.at if expiry else math.inf
        if self._next_of.get(workflow) != at:
            self._next_of[workflow] = at
            if expiry:
                heapq.heappush(self._moments, (at, workflow))

    @staticmethod
    def _key(view: StatusView, entry: WorkflowEntry) -> tuple[int, int, bool]:
        """What distinguishes one step of a workflow that has not ended from another."""
        context = entry.context
        index = context.current_action_index + (context.current_action_state is State.SUCCESS)
        attempt = context.attempt if context.current_action_state is State.RUNNING else 0
        worker = entry.record.actions[index].worker_id
        return index, attempt, attempt > 0 or view.head_of_queue(worker) == entry.id

    def _step(
        self, entry: WorkflowEntry, last: Step | None, key: tuple[int, int, bool], *, now: float
    ) -> Step:
        """A new step; the first one of this server goes on from what was noted."""
        noted = self._noted.get(entry.id) if last is None else None
        since, begun = now, last.begun if last is not None else None
        if noted is not None and key == (noted.action_index, noted.attempt, True):
            since = self._started - noted.step_seconds
        if begun is None and entry.context.started_at:
            begun = self._started - noted.workflow_seconds if noted is not None else now
        return Step(*key, since, begun)

    def _settled(self, workflow: WorkflowId, future: Future[Receipt]) -> None:
        """Try again when the time-out could not be written."""
        error = future.exception()
        if error is None:
            return
        _LOG.warning("workflow %s has timed out, but that can't be written: %s", workflow, error)
        with self._condition:
            if not self._is_closed:
                now = self._heard.now()
                self._retry_at = now + RETRY_SECONDS
                self._next_of[workflow] = now
                heapq.heappush(self._moments, (now, workflow))


def _slices(workflows: list[WorkflowId]) -> Iterator[list[WorkflowId]]:
    return (workflows[at : at + _SLICE] for at in range(0, len(workflows), _SLICE))
