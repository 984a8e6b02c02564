"""The server's clock: nothing stays RUNNING for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from provisioner.model import times
from provisioner.model.event import ActionTimedOut, WorkflowTimedOut
from provisioner.model.state import State
from provisioner.services import timeouts
from provisioner.services.timeouts import Timeouts
from tests.builders import ONE, TWO, record, report, status
from tests.services.parts import FIRST, SECOND, HandClock, MemoryWriter

GRACE = 120.0
YEAR = 365 * 86_400
RUNNING, SUCCESS = State.RUNNING, State.SUCCESS


class Unread:
    """A workflow that is on the disk."""

    def __init__(self, entry):
        self.id, self.state = entry.id, entry.state


class Listening:
    """Hears as long as the test lets time pass."""

    is_listening = True

    def __init__(self, clock):
        self.clock, self.started = clock, clock.monotonic()

    def now(self):
        return self.clock.monotonic() - self.started

    def tick(self):
        pass


class Site:
    def __init__(self, *records, is_unread=False):
        self.clock = HandClock()
        view = status(*records)
        for entry in view.workflows.values() if is_unread else ():
            view = replace(view, workflows=view.workflows.set(entry.id, cast(Any, Unread(entry))))
        self.writer = MemoryWriter(view)
        self.noted = {}
        self.waiting = set()
        self.start()

    def start(self, *, watches=True):
        """A server starts, and knows what the one before noted last."""
        self.heard = Listening(self.clock)
        self.timeouts = Timeouts(
            clock=self.clock,
            heard=self.heard,
            view=lambda: self.writer.view,
            grace_seconds=GRACE,
            is_waiting=self.waiting.__contains__,
            noted=self.noted,
        )
        if watches:
            self.timeouts.watch_all()
        self.writer.followers[:] = [self.timeouts.published]

    def note(self):
        self.noted = self.timeouts.elapsed()

    def restart(self, *, away=0.0, wall=0.0):
        """The server ends, is away, and starts with a clock that somebody set meanwhile."""
        self.note()
        self.clock.pass_seconds(away)
        self.clock.set_wall(wall)
        self.start()

    def tell(self, index, state, worker=ONE, workflow=FIRST, attempt=1, arrival=None):
        """As services.reports does it: heard first, then judged by when it came."""
        arrived = self.timeouts.arrival() if arrival is None else arrival
        if arrival is None:
            self.timeouts.contact(worker)
        told = report(index, state, worker=worker, workflow=workflow, attempt=attempt)
        event = replace(told, at=times.of_event(self.clock.now()))

        def propose(view):
            self.timeouts.check(view, workflow, arrived)
            return (event,)

        self.writer.propose(propose).result()

    def after(self, seconds, workflow=FIRST):
        """Let time pass and end what is out of time; return the state."""
        self.clock.pass_seconds(seconds)
        for due in self.timeouts.pop_due():
            self.writer.propose(self.timeouts.proposal(due)).result()
        return self.writer.view.workflows[workflow].state

    @property
    def entry(self):
        return self.writer.view.workflows[FIRST]

    @property
    def context(self):
        return self.entry.context


def a_record(*owners, seconds=60, workflow=FIRST, **changes):
    made = record(*owners, workflow=workflow, **changes)
    actions = tuple(replace(each, timeout_seconds=seconds) for each in made.actions)
    return replace(made, actions=actions)


def test_a_silent_worker_gets_the_timeout_and_the_grace():
    site = Site(a_record(ONE, seconds=600))
    site.tell(0, RUNNING)
    assert site.after(600 + GRACE - 1) is RUNNING
    assert site.after(2) is State.TIMEOUT
    event = site.entry.events[-1]
    assert isinstance(event, ActionTimedOut)
    assert "no sign of life" in event.message
    assert event.seconds == 600 + GRACE + 1


def test_a_sign_of_life_counts_from_when_it_came():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    for _ in range(10):
        assert site.after(GRACE - 1) is RUNNING
        site.timeouts.contact(ONE)
    assert site.after(GRACE + 1) is State.TIMEOUT


def test_the_time_counts_anew_for_each_action_and_attempt():
    site = Site(a_record(ONE, ONE, seconds=1_000))
    for index, attempt in ((0, 1), (0, 2), (1, 1)):
        if index:
            site.tell(0, SUCCESS, attempt=2)
        site.tell(index, RUNNING, attempt=attempt)
        assert site.after(1_000) is RUNNING
    assert site.after(GRACE) is State.TIMEOUT
    assert site.context.current_action_index == 1


def test_a_workflow_that_goes_on_is_left_alone():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.tell(0, SUCCESS)
    assert site.after(1_000_000) is SUCCESS


def test_a_workflow_that_has_not_begun_waits_as_long_as_it_takes():
    site = Site(a_record(ONE, seconds=60, global_timeout_seconds=600))
    assert site.after(10 * YEAR) is State.PENDING
    site.restart(away=YEAR)
    assert site.after(10 * YEAR) is State.PENDING
    assert not site.timeouts.elapsed(), "nothing has to be remembered of it"


def test_start_timeout_ends_a_workflow_that_nobody_began():
    site = Site(a_record(ONE, seconds=60, start_timeout_seconds=600))
    assert site.after(599) is State.PENDING
    assert site.after(1) is State.TIMEOUT
    event = site.entry.events[-1]
    assert (event.seconds, event.attempt) == (600, 0)
    assert "start_timeout, 600 s" in event.message


def test_start_timeout_counts_from_the_workflows_turn():
    site = Site(
        a_record(TWO, seconds=YEAR, workflow=SECOND),
        a_record(TWO, start_timeout_seconds=100, created_at="2026-11-24T10:00:00.000000Z"),
    )
    site.tell(0, RUNNING, worker=TWO, workflow=SECOND)
    assert site.after(YEAR / 2) is State.PENDING
    site.tell(0, SUCCESS, worker=TWO, workflow=SECOND)
    assert site.after(99) is State.PENDING
    assert site.after(1) is State.TIMEOUT


def test_start_timeout_is_watched_after_a_start_and_goes_on_over_restarts():
    site = Site(a_record(ONE, start_timeout_seconds=100))
    site.after(60)
    site.restart(away=1_000, wall=-YEAR)
    assert site.after(39) is State.PENDING
    assert site.after(1) is State.TIMEOUT


def test_what_waits_behind_another_is_not_read_when_a_server_starts():
    later = a_record(ONE, workflow=SECOND, created_at="2026-11-24T10:00:00.000000Z")
    site = Site(a_record(ONE), later)
    behind: Any = Unread(site.writer.view.workflows[SECOND])
    view = site.writer.view
    site.writer = MemoryWriter(replace(view, workflows=view.workflows.set(SECOND, behind)))
    site.start()
    assert site.timeouts.pop_due() == []


def test_the_second_machine_has_its_time_from_the_hand_over():
    site = Site(a_record(ONE, TWO, seconds=60))
    site.tell(0, RUNNING)
    site.after(100)
    site.tell(0, SUCCESS)
    assert site.after(60 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT
    assert "did not start" in site.entry.events[-1].message
    assert site.entry.events[-1].seconds == 60 + GRACE


def test_start_timeout_gives_the_second_machine_time_to_boot():
    site = Site(a_record(ONE, TWO, seconds=60, start_timeout_seconds=1_200))
    site.tell(0, RUNNING)
    site.tell(0, SUCCESS)
    assert site.after(1_200 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT


def a_begun_workflow_behind_one_that_has_not():
    """FIRST goes on at TWO, which has an older workflow first: that one waits for it too."""
    site = Site(
        a_record(TWO, workflow=SECOND, seconds=60),
        a_record(ONE, TWO, seconds=60, created_at="2026-11-24T10:00:00.000000Z"),
    )
    site.tell(0, RUNNING)
    site.tell(0, SUCCESS)
    return site


def test_a_dead_machine_leaves_nothing_running_behind_what_waits_for_it():
    site = a_begun_workflow_behind_one_that_has_not()
    assert site.after(60 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT
    assert site.writer.view.workflows[SECOND].state is State.PENDING


def test_a_machine_that_is_alive_may_be_busy_as_long_as_it_takes():
    site = a_begun_workflow_behind_one_that_has_not()
    site.tell(0, RUNNING, worker=TWO, workflow=SECOND)
    for _ in range(100):
        assert site.after(60) is RUNNING
        site.timeouts.contact(TWO)
    site.tell(0, SUCCESS, worker=TWO, workflow=SECOND)
    assert site.after(60 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT


def test_a_machine_whose_question_waits_for_an_answer_is_alive():
    site = a_begun_workflow_behind_one_that_has_not()
    site.waiting.add(TWO)
    for _ in range(10):
        assert site.after(60 + GRACE) is RUNNING
    site.waiting.clear()
    assert site.after(2 * (60 + GRACE)) is State.TIMEOUT


def test_global_timeout_counts_from_the_first_report():
    site = Site(a_record(ONE, ONE, seconds=500, global_timeout_seconds=600))
    site.after(1_000)
    site.tell(0, RUNNING)
    site.after(400)
    site.tell(0, SUCCESS)
    site.tell(1, RUNNING)
    assert site.after(199) is RUNNING
    assert site.after(2) is State.TIMEOUT
    assert isinstance(site.entry.events[-1], WorkflowTimedOut)


def test_a_time_out_that_cannot_be_written_is_tried_again():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(60 + GRACE + 1)
    asked = []

    class FullDisk:
        def propose(self, proposal):
            asked.append(proposal)
            future = site.writer.propose(_full_disk)
            site.timeouts.close()
            return future

    site.timeouts.run(FullDisk())
    assert len(asked) == 1
    assert site.context.state is RUNNING


@pytest.mark.parametrize("is_halted", [False, True])
def test_nothing_is_proposed_while_writing_is_halted(monkeypatch, is_halted):
    monkeypatch.setattr(timeouts, "TICK_SECONDS", 0.01)
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(60 + GRACE + 1)
    site.heard.is_listening = not is_halted
    rounds = iter([lambda: None, lambda: None, site.timeouts.close])
    site.heard.tick = lambda: next(rounds)()
    site.timeouts.run(site.writer)
    assert site.context.state is (RUNNING if is_halted else State.TIMEOUT)


def _full_disk(view):
    raise OSError(28, "No space left on device")
