"""The life of a workflow, rule by rule, and then anything that could happen to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import Refused
from provisioner.model import state_machine
from provisioner.model.event import (
    ActionTimedOut,
    RequestMoved,
    WorkflowDeleted,
    WorkflowTimedOut,
)
from provisioner.model.ids import HardwareId, ReportId
from provisioner.model.state import State
from tests.builders import AT, COMMIT, ONE, TWO, WORKFLOW, action, actions, push, report

RUNNING, SUCCESS, FAILED, TIMEOUT = State.RUNNING, State.SUCCESS, State.FAILED, State.TIMEOUT


def after(*events, total=2):
    return state_machine.replay(state_machine.begin(WORKFLOW, total), events)


def decide(now, event, owners=(ONE, ONE)):
    return state_machine.decide(now, actions(*owners), event)


def timed_out(index, attempt):
    return ActionTimedOut(
        workflow_id=WORKFLOW,
        at=AT,
        worker_id=ONE,
        task_name="install",
        action_name=f"action_{index}",
        action_index=index,
        attempt=attempt,
        seconds=60,
        message="no sign of life",
    )


deleted = WorkflowDeleted(workflow_id=WORKFLOW, at=AT, desired_commit=COMMIT, message="deleted")
out_of_time = WorkflowTimedOut(workflow_id=WORKFLOW, at=AT, seconds=600, message="600 s passed")


def test_a_new_workflow_is_pending_and_its_first_action_is_due():
    now = after()
    assert now.state is State.PENDING
    assert now.due_index == 0
    assert now.progress_percent == 0


def test_the_first_running_starts_the_workflow():
    now = after(report(0, RUNNING))
    assert now.state is RUNNING
    assert now.started_at == AT


def test_a_success_in_the_middle_leaves_the_workflow_running_and_the_next_action_due():
    now = after(report(0, RUNNING), report(0, SUCCESS))
    assert now.state is RUNNING
    assert now.due_index == 1
    assert now.progress_percent == 50


def test_the_success_of_the_last_action_is_the_success_of_the_workflow():
    now = after(*(report(i, s) for i in (0, 1) for s in (RUNNING, SUCCESS)))
    assert now.state is SUCCESS
    assert now.is_final
    assert now.due_index is None
    assert now.progress_percent == 100


@pytest.mark.parametrize("told", [FAILED, TIMEOUT])
def test_what_ends_an_action_badly_ends_its_workflow(told):
    now = after(report(0, RUNNING), report(0, told))
    assert now.state is told
    assert now.is_final
    with pytest.raises(Refused, match="has ended in"):
        decide(now, report(1, RUNNING))


@pytest.mark.parametrize("told", [SUCCESS, FAILED, RUNNING])
def test_a_report_whose_ack_was_lost_counts_once(told):
    history = [report(0, RUNNING)] + ([report(0, told)] if told is not RUNNING else [])
    now = after(*history)
    assert decide(now, report(0, told)) == ()
    assert now.event_of(report(0, told).report_id) == len(history)


def test_a_late_repeat_is_recognised_after_the_workflow_has_ended():
    now = after(report(0, RUNNING), report(0, FAILED))
    assert decide(now, report(0, RUNNING)) == ()


def test_a_worker_may_not_report_for_another():
    with pytest.raises(Refused, match="belongs to another worker"):
        decide(after(), report(0, RUNNING, worker=TWO))


def test_an_action_that_is_not_due_may_not_be_reported():
    with pytest.raises(Refused, match="action 0 is due, the report is of action 1"):
        decide(after(), report(1, RUNNING))


def test_names_must_be_those_of_the_action():
    with pytest.raises(Refused, match="reported task name does not match the current action"):
        decide(after(), report(0, RUNNING, task_name="other"))
    with pytest.raises(Refused, match="reported action name does not match the current action"):
        decide(after(), report(0, RUNNING, action_name="other"))


def test_an_end_without_a_start_is_refused():
    with pytest.raises(Refused, match="has not started"):
        decide(after(), report(0, SUCCESS))


def test_a_machine_that_comes_back_runs_the_action_again_as_the_next_attempt():
    now = after(report(0, RUNNING))
    assert decide(now, report(0, RUNNING, attempt=2))
    now = state_machine.evolve(now, report(0, RUNNING, attempt=2))
    assert now.attempt == 2
    with pytest.raises(Refused, match="attempt 2 of action 0 is running"):
        decide(now, report(0, SUCCESS, attempt=1))


def test_the_timeout_of_a_run_ends_that_run_alone():
    now = after(report(0, RUNNING), report(0, RUNNING, attempt=2))
    assert decide(now, timed_out(0, attempt=1)) == ()
    assert decide(now, timed_out(1, attempt=1)) == ()
    assert decide(now, timed_out(0, attempt=2)) == (timed_out(0, attempt=2),)


def begun_often(times):
    return after(*(report(0, RUNNING, attempt=each) for each in range(1, times + 1)))


def end_of_attempts(now, told, max_attempts=5):
    return state_machine.end_of_attempts(now, (action(0, max_attempts=max_attempts),), told)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_run_beyond_max_attempts_is_the_end_of_its_action(limit):
    for attempt in range(1, limit + 1):
        told = report(0, RUNNING, attempt=attempt)
        assert end_of_attempts(begun_often(attempt - 1), told, limit) is None
    now = begun_often(limit)
    one_more = report(0, RUNNING, attempt=limit + 1)
    end = end_of_attempts(now, one_more, limit)
    assert (end.action_status, end.attempt) == (FAILED, limit)
    assert f"max_attempts is {limit}" in end.message
    assert state_machine.decide(now, actions(ONE, ONE), end) == (end,), "as any other failure"
    now = state_machine.evolve(now, end)
    assert now.state is FAILED
    assert decide(now, one_more) == (), "repeating the report changes nothing"


def test_runs_that_an_older_version_allowed_count():
    now = begun_often(60)
    assert end_of_attempts(now, report(0, RUNNING, attempt=61)).attempt == 60
    assert end_of_attempts(now, report(0, SUCCESS, attempt=60)) is None


def test_the_end_of_the_last_attempt_is_taken_as_it_is():
    for told in (SUCCESS, FAILED, TIMEOUT):
        assert end_of_attempts(begun_often(5), report(0, told, attempt=5)) is None


@pytest.mark.parametrize("attempt", [0, 2, -1])
def test_the_first_run_is_attempt_one(attempt):
    with pytest.raises(Refused, match="is attempt 1"):
        decide(after(), report(0, RUNNING, attempt=attempt))


@pytest.mark.parametrize("told", [State.PENDING, State.CANCELLED])
def test_a_worker_may_not_report_every_state(told):
    with pytest.raises(Refused, match="can't report"):
        decide(after(), report(0, told))


def test_the_next_action_belongs_to_whichever_worker_it_names():
    now = after(report(0, RUNNING), report(0, SUCCESS))
    assert decide(now, report(1, RUNNING, worker=TWO), owners=(ONE, TWO))
    with pytest.raises(Refused, match="belongs to another worker"):
        decide(now, report(1, RUNNING, worker=ONE), owners=(ONE, TWO))


def test_deleting_cancels_a_running_workflow_and_hides_it():
    now = after(report(0, RUNNING), deleted)
    assert now.state is State.CANCELLED
    assert now.is_deleted


def test_deleting_a_finished_workflow_leaves_its_state():
    now = after(report(0, RUNNING), report(0, FAILED), deleted)
    assert now.state is FAILED
    assert now.is_deleted


def test_global_timeout_ends_what_has_not_ended():
    assert decide(after(report(0, RUNNING)), out_of_time) == (out_of_time,)
    assert after(report(0, RUNNING), out_of_time).state is TIMEOUT
    assert decide(after(report(0, RUNNING), report(0, FAILED)), out_of_time) == ()


def test_a_time_out_of_a_run_that_is_over_changes_nothing():
    now = after(report(0, RUNNING), report(0, SUCCESS))
    assert decide(now, timed_out(0, 1)) == ()
    assert decide(now, timed_out(1, 0)) == (timed_out(1, 0),)


def test_an_action_that_nobody_started_can_time_out():
    now = after(timed_out(0, 0))
    assert now.state is TIMEOUT
    assert now.current_action == "action_0"


def test_data_is_taken_only_from_the_run_that_is_under_way():
    assert decide(after(report(0, RUNNING)), push(0)) == (push(0),)
    with pytest.raises(Refused, match="attempt 1 of action 0 is not running"):
        decide(after(), push(0))
    with pytest.raises(Refused, match="belongs to another worker"):
        decide(after(report(0, RUNNING)), push(0, worker=TWO))
    now = after(report(0, RUNNING), push(0))
    assert decide(now, push(0)) == ()
    assert now.data_version == push(0).version


OWNERS = (ONE, TWO, ONE)
STRANGER = HardwareId("99999999-9999-4999-8999-999999999999")


@st.composite
def anything(draw):
    """One thing that is told: half of the time it makes sense somewhere."""
    index = draw(st.integers(0, len(OWNERS)))
    attempt = draw(st.integers(0, 3))
    owner = OWNERS[index] if index < len(OWNERS) else ONE
    worker = draw(st.sampled_from([owner, owner, owner, ONE, TWO, STRANGER]))
    what = draw(st.sampled_from(["report"] * 6 + ["data", "silent", "old", "deleted", "moved"]))
    match what:
        case "report":
            told = draw(st.sampled_from([RUNNING, RUNNING, SUCCESS, SUCCESS, *State]))
            return report(
                index,
                told,
                attempt=attempt,
                worker=worker,
                report_id=ReportId(draw(st.sampled_from([f"{index}-{attempt}-{told}", "same"]))),
            )
        case "data":
            return push(index, draw(st.integers(1, 3)), attempt=attempt, worker=worker)
        case "silent":
            return timed_out(index, attempt)
        case "old":
            return out_of_time
        case "deleted":
            return deleted
        case _:
            path = draw(st.sampled_from(["workflows/a.yaml", "workflows/b.yaml"]))
            return RequestMoved(
                workflow_id=WORKFLOW, at=AT, desired_commit=COMMIT, request_path=path
            )


def likely():
    """The story that goes well, so that random steps fall into every stage of it."""
    told = [
        report(index, state, worker=owner)
        for index, owner in enumerate(OWNERS)
        for state in (RUNNING, SUCCESS)
    ]
    return st.integers(0, len(told)).map(lambda count: told[:count])


@settings(max_examples=400, deadline=None)
@given(likely(), st.lists(anything(), max_size=25), st.data())
def test_nothing_that_is_told_leads_to_an_impossible_state(beginning, rest, data):
    begun = state_machine.begin(WORKFLOW, len(OWNERS))
    now, history = begun, []
    for event in [*beginning, *rest]:
        before = now
        try:
            accepted = state_machine.decide(now, actions(*OWNERS), event)
        except Refused:
            accepted = ()
        for each in accepted:
            now = state_machine.evolve(now, each)
            history.append(each)
            # once more, because its acknowledgement was lost
            assert state_machine.decide(now, actions(*OWNERS), each) == () or isinstance(
                each, ActionTimedOut
            )
        check_possible(now, history)
        if before.is_final:
            assert now.state is before.state
        assert now.current_action_index >= before.current_action_index
        if data.draw(st.booleans(), label="restart"):
            now = state_machine.replay(begun, history)
    assert state_machine.replay(begun, history) == now


def check_possible(now, history):
    assert now.event_count == len(history)
    assert 0 <= now.current_action_index < len(OWNERS)
    assert now.due_index is None or 0 <= now.due_index < len(OWNERS)
    assert (now.due_index is None) == now.is_final
    assert now.current_action_state is not State.CANCELLED
    if now.state is SUCCESS:
        assert now.is_at_last_action
    if now.current_action_state in (RUNNING, SUCCESS, FAILED):
        assert now.attempt >= 1
        assert now.current_worker == OWNERS[now.current_action_index]
        assert now.started_at
    assert len({report_id for report_id, _ in now.told}) == len(now.told)
    succeeded = [
        event.action_index for event in history if getattr(event, "action_status", None) is SUCCESS
    ]
    assert succeeded == list(range(len(succeeded)))
