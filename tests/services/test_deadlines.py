"""Clocks that are set and servers that are away: each row of the rules, both ways."""

from __future__ import annotations

import pytest

from provisioner.errors import Refused
from provisioner.model.event import WorkflowTimedOut
from provisioner.model.state import State
from tests.builders import ONE, TWO
from tests.services.parts import FIRST
from tests.services.test_timeouts import GRACE, RUNNING, SUCCESS, YEAR, Site, a_record

JUMPS = [900 * 86_400.0, 7_200.0, -7_200.0, -900 * 86_400.0]


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_ends_no_workflow_whose_machine_is_alive(jump, restarts):
    site = Site(a_record(ONE, ONE, seconds=600, global_timeout_seconds=3_600))
    site.tell(0, RUNNING)
    for _ in range(20):
        site.clock.set_wall(jump)
        if restarts:
            site.restart(away=3, wall=jump)
        assert site.after(20) is RUNNING
        site.timeouts.contact(ONE)
    site.tell(0, SUCCESS)
    site.clock.set_wall(-jump)
    site.tell(1, RUNNING)
    site.tell(1, SUCCESS)
    assert site.context.state is SUCCESS


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_keeps_no_dead_machine_alive(jump, restarts):
    site = Site(a_record(ONE, seconds=600))
    site.tell(0, RUNNING)
    site.after(300)
    site.clock.set_wall(jump)
    if restarts:
        site.restart(away=50, wall=jump)
    assert site.after(300 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT
    assert site.entry.events[-1].seconds == 600 + GRACE, "what was waited"


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_is_set_moves_no_global_timeout(jump):
    site = Site(a_record(ONE, seconds=YEAR, global_timeout_seconds=600))
    site.tell(0, RUNNING)
    for _ in range(4):
        site.restart(away=10_000, wall=jump)
        site.clock.set_wall(jump)
        assert site.after(149) is RUNNING
    assert site.after(4) is State.TIMEOUT
    event = site.entry.events[-1]
    assert isinstance(event, WorkflowTimedOut)
    assert event.seconds == 600


@pytest.mark.parametrize("uptime", [1.0, 60.0, 599.0])
def test_restarts_do_not_keep_a_workflow_going_for_ever(uptime):
    site = Site(a_record(ONE, seconds=YEAR, global_timeout_seconds=600))
    site.tell(0, RUNNING)
    served = 0.0
    while site.after(uptime) is RUNNING and served < 1_200:
        served += uptime
        site.restart(away=5)
    assert site.context.state is State.TIMEOUT
    assert served < 600


def test_without_a_note_time_counts_from_the_start():
    site = Site(a_record(ONE, seconds=600, global_timeout_seconds=900))
    site.tell(0, RUNNING)
    site.after(500)
    site.start()  # a clone, or a note that was lost
    assert site.after(600 + GRACE - 1) is RUNNING
    assert site.after(1) is State.TIMEOUT


def test_what_comes_before_a_start_has_read_all_workflows_is_judged_by_the_note():
    site = Site(a_record(ONE, seconds=YEAR, global_timeout_seconds=100))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(100)
    site.note()  # and then the server is killed, before the time-out is written
    site.start(watches=False)
    site.timeouts.contact(ONE)
    with pytest.raises(Refused, match="global_timeout of 100 s"):
        site.tell(0, SUCCESS)
    site.timeouts.watch_all()
    assert site.after(0) is State.TIMEOUT


def test_a_note_of_another_run_counts_for_the_workflow_alone():
    site = Site(a_record(ONE, seconds=600, global_timeout_seconds=1_000))
    site.tell(0, RUNNING)
    site.after(400)
    site.note()
    site.tell(0, RUNNING, attempt=2)  # and then the server is killed
    site.start()
    assert site.after(599) is RUNNING
    assert site.after(1) is State.TIMEOUT
    assert isinstance(site.entry.events[-1], WorkflowTimedOut)


def test_a_time_out_that_passed_while_the_server_was_away_waits_for_the_machine_to_be_heard():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.after(59)
    site.restart(away=3_600)
    assert site.after(GRACE) is RUNNING, "the start counts as a sign of life"
    site.timeouts.contact(ONE)
    assert site.after(GRACE - 1) is RUNNING
    site.tell(0, SUCCESS)
    assert site.context.state is SUCCESS


def test_a_success_after_the_deadline_is_refused_before_the_time_out_is_written():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(60 + GRACE)
    with pytest.raises(Refused, match="out of time: no sign of life"):
        site.tell(0, SUCCESS)
    assert site.after(0) is State.TIMEOUT


def test_a_success_after_the_deadline_is_refused_also_after_a_restart():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.after(30)
    site.restart(away=3_600)
    site.clock.pass_seconds(30 + GRACE)
    with pytest.raises(Refused, match="out of time"):
        site.tell(0, SUCCESS)
    assert site.after(0) is State.TIMEOUT


def test_a_success_before_the_deadline_counts_although_it_is_written_after_it():
    site = Site(a_record(ONE, seconds=60, global_timeout_seconds=100))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(99)
    arrival = site.timeouts.arrival()
    site.clock.pass_seconds(1_000)
    site.tell(0, SUCCESS, arrival=arrival)
    assert site.context.state is SUCCESS


def test_a_success_after_the_global_timeout_is_refused():
    site = Site(a_record(ONE, seconds=YEAR, global_timeout_seconds=100))
    site.tell(0, RUNNING)
    site.restart(away=500)
    site.clock.pass_seconds(99)
    site.timeouts.contact(ONE)
    site.clock.pass_seconds(1)
    with pytest.raises(Refused, match="global_timeout of 100 s"):
        site.tell(0, SUCCESS)
    assert site.after(0) is State.TIMEOUT


def test_a_sign_of_life_after_the_deadline_revives_nobody():
    site = Site(a_record(ONE, seconds=60))
    site.tell(0, RUNNING)
    site.clock.pass_seconds(60 + GRACE)
    site.timeouts.contact(ONE)
    assert site.after(0) is State.TIMEOUT


def test_a_start_of_an_action_that_comes_too_late_is_refused():
    site = Site(a_record(ONE, TWO, seconds=60))
    site.tell(0, RUNNING)
    site.tell(0, SUCCESS)
    site.clock.pass_seconds(60 + GRACE)
    with pytest.raises(Refused, match="did not start"):
        site.tell(1, RUNNING, worker=TWO)


def test_a_machine_that_was_off_over_night_loses_nothing():
    site = Site(a_record(ONE, seconds=60, global_timeout_seconds=600))
    site.after(12 * 3_600)
    site.tell(0, RUNNING)
    assert site.after(60) is RUNNING
    site.tell(0, SUCCESS)
    assert site.writer.view.workflows[FIRST].state is SUCCESS
