"""The server's clock: nothing stays RUNNING for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import ONE, TWO, record, report, status

from provisioner.model.event import ActionTimedOut, WorkflowTimedOut
from provisioner.model.state import State
from provisioner.services.clock import timestamp
from provisioner.services.timeouts import LEAST_TIME_TO_START_SECONDS, Timeouts
from services.parts import FIRST, SECOND, HandClock, MemoryWriter

GRACE = 120.0
RUNNING, SUCCESS = State.RUNNING, State.SUCCESS


class Unread:
    """A workflow that is on the disk."""

    def __init__(self, entry):
        self.id, self.state = entry.id, entry.state


class Site:
    def __init__(self, *records, is_unread=False):
        self.clock = HandClock()
        view = status(*records)
        for entry in view.workflows.values() if is_unread else ():
            view = replace(view, workflows=view.workflows.set(entry.id, Unread(entry)))
        self.writer = MemoryWriter(view)
        self.timeouts = self.started()

    def started(self):
        """A server that has just started."""
        timeouts = Timeouts(clock=self.clock, view=lambda: self.writer.view, grace_seconds=GRACE)
        timeouts.watch_all()
        self.writer.followers[:] = [timeouts.published]
        return timeouts

    def tell(self, index, state, worker=ONE, workflow=FIRST, attempt=1):
        told = report(index, state, worker=worker, workflow=workflow, attempt=attempt)
        event = replace(told, at=timestamp(self.clock.now()))
        self.writer.propose(lambda view: (event,)).result()

    def after(self, seconds):
        """Let time pass and end what is out of time; return the state."""
        self.clock.pass_seconds(seconds)
        for workflow in self.timeouts.pop_due():
            self.writer.propose(self.timeouts.proposal(workflow)).result()
        return self.context.state

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


def test_a_server_that_was_away_gives_everybody_the_grace_again():
    site = Site(a_record(ONE, seconds=60, global_timeout_seconds=90))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(3_600)
    site.timeouts = site.started()
    assert site.after(GRACE - 1) is RUNNING
    assert site.after(2) is State.TIMEOUT


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


def test_a_machine_that_never_comes_gets_an_hour_and_the_grace():
    site = Site(a_record(ONE, seconds=60))
    assert site.after(LEAST_TIME_TO_START_SECONDS + GRACE - 1) is State.PENDING
    assert site.after(2) is State.TIMEOUT
    assert "did not start" in site.entry.events[-1].message


def test_a_machine_with_long_actions_gets_as_long_to_come():
    site = Site(a_record(ONE, seconds=20_000))
    assert site.after(20_000 + GRACE - 1) is State.PENDING
    assert site.after(2) is State.TIMEOUT


def test_what_waits_for_its_first_report_is_not_read_when_a_server_starts():
    later = a_record(ONE, workflow=SECOND, created_at="2026-11-24T10:00:00.000000Z")
    site = Site(a_record(ONE), later, is_unread=True)
    site.clock.pass_seconds(LEAST_TIME_TO_START_SECONDS + GRACE - 1)
    assert site.timeouts.pop_due() == []
    site.clock.pass_seconds(1)
    assert site.timeouts.pop_due() == [FIRST], "the other waits behind it"


def test_a_workflow_of_two_machines_of_which_one_is_busy_is_watched_too():
    busy = a_record(
        TWO, workflow=SECOND, seconds=9 * 3_600, created_at="2026-11-22T10:00:00.000000Z"
    )
    site = Site(busy, a_record(ONE, TWO))
    assert site.after(LEAST_TIME_TO_START_SECONDS + GRACE - 1) is State.PENDING
    assert site.after(2) is State.TIMEOUT


def test_the_second_machine_has_its_time_from_the_hand_over():
    site = Site(a_record(ONE, TWO, seconds=60))
    site.tell(0, RUNNING)
    site.after(100)
    site.tell(0, SUCCESS)
    assert site.after(LEAST_TIME_TO_START_SECONDS + GRACE - 1) is RUNNING
    assert site.after(2) is State.TIMEOUT


def test_a_workflow_that_waits_behind_another_waits_as_long_as_it_takes():
    site = Site(
        a_record(TWO, seconds=10 * 3_600, workflow=SECOND),
        a_record(TWO, workflow=FIRST, created_at="2026-11-24T10:00:00.000000Z"),
    )
    site.tell(0, RUNNING, worker=TWO, workflow=SECOND)
    assert site.after(9 * 3_600) is State.PENDING
    site.tell(0, SUCCESS, worker=TWO, workflow=SECOND)
    assert site.after(LEAST_TIME_TO_START_SECONDS + GRACE - 1) is State.PENDING
    assert site.after(2) is State.TIMEOUT


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


@pytest.mark.parametrize("ending", [SUCCESS, State.FAILED])
def test_a_report_that_comes_first_wins(ending):
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(60 + GRACE + 1)
    late = site.timeouts.proposal(FIRST)
    site.tell(0, ending)
    site.writer.propose(late).result()
    assert site.context.state is ending


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


def _full_disk(view):
    raise OSError(28, "No space left on device")
