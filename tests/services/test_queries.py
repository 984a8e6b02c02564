"""What a machine is told, and what it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import NotFound, UserError
from provisioner.model.event import WorkflowDeleted
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import DesiredState, Snapshot
from provisioner.services.queries import Queries
from tests import builders
from tests.builders import COMMIT, IPS, MACS, ONE, TWO, hardware, record, report, status, template
from tests.planning.test_desired import after, file
from tests.services.parts import FIRST, SECOND

RUNNING, SUCCESS = State.RUNNING, State.SUCCESS

MACHINES = (hardware(ONE), hardware(TWO))


def queries(*events, records=(), machines=MACHINES):
    desired = after({each.source.path: file(each) for each in (*machines, template())})
    view = builders.after(status(*(records or [record(ONE, TWO, workflow=FIRST)])), events)
    return Queries(Snapshot(desired=desired, status=view))


def told(index, state, worker=ONE, workflow=FIRST, **more):
    return report(index, state, worker=worker, workflow=workflow, **more)


@pytest.mark.parametrize(
    "worker", [MACS[ONE], "08-00-27-00-00-01", "080027000001", IPS[ONE], ONE, ONE.upper()]
)
def test_a_worker_may_ask_by_any_of_its_names_in_any_spelling(worker):
    assert queries().offer(worker).record.id == FIRST


def test_only_the_worker_whose_turn_it_is_gets_an_offer():
    asked = queries()
    assert asked.offer(MACS[ONE]).action.index == 0
    assert asked.offer(MACS[TWO]) is None
    asked = queries(told(0, RUNNING), told(0, SUCCESS))
    assert asked.offer(MACS[ONE]) is None
    assert asked.offer(MACS[TWO]).action.index == 1


def test_an_action_under_way_is_offered_with_its_attempt():
    assert queries().offer(MACS[ONE]).attempt == 0
    assert queries(told(0, RUNNING)).offer(MACS[ONE]).attempt == 1


def interfaces(machine, *said):
    [one] = machine.interfaces
    return replace(machine, interfaces=tuple(replace(one, allow_workflow=each) for each in said))


@pytest.mark.parametrize(
    ("said", "is_allowed"),
    [
        ((), True),
        ((None,), True),
        ((True,), True),
        ((False,), False),
        ((False, None), False),
        ((False, True), True),
        ((False, False), False),
    ],
)
def test_a_machine_runs_workflows_unless_all_that_is_said_is_no(said, is_allowed):
    assert interfaces(hardware(ONE), *said).allows_workflow is is_allowed


def test_a_machine_that_may_run_no_workflow_is_offered_nothing_also_of_what_it_began():
    refused = interfaces(hardware(ONE), False)
    for events in ((), (told(0, RUNNING),)):
        for worker in (MACS[ONE], IPS[ONE], ONE):
            asked = queries(*events, machines=(refused, hardware(TWO)))
            assert asked.offer(worker) is None
    said = queries(machines=(refused, hardware(TWO))).waiting_reason(FIRST)
    assert f"allow_workflow is false in {refused.source.path}" in said


def test_a_machine_whose_document_is_gone_finishes_its_work():
    assert queries(machines=(hardware(TWO),)).offer(MACS[ONE]).action.index == 0


def test_the_newest_document_of_an_address_counts():
    other = HardwareId("33333333-3333-4333-8333-333333333333")
    refused = interfaces(hardware(other, mac=MACS[ONE], ip=IPS[ONE]), False)
    assert queries(machines=(refused, hardware(TWO))).offer(MACS[ONE]) is None


def test_what_waits_behind_a_machine_that_may_not_work_says_so():
    records = [record(ONE, TWO, workflow=FIRST), record(TWO, workflow=SECOND)]
    machines = (interfaces(hardware(ONE), False), hardware(TWO))
    said = queries(records=records, machines=machines).waiting_reason(SECOND)
    assert "allow_workflow is false" in said


def test_idle_and_unknown_machines_get_the_same_nothing():
    asked = queries(told(0, RUNNING), told(0, State.FAILED))
    assert asked.offer(MACS[ONE]) is None
    assert asked.offer("52:54:00:ff:ff:ff") is None
    assert asked.offer("10.99.0.1") is None
    assert asked.offer("99999999-9999-4999-8999-999999999999") is None


@pytest.mark.parametrize("worker", ["", "one", "../x", "-o", "08:00:27", "x" * 36])
def test_what_names_no_worker_is_refused(worker):
    with pytest.raises(UserError):
        queries().offer(worker)


def test_workflows_of_one_worker_run_one_after_the_other():
    both = [record(ONE, workflow=FIRST), record(ONE, workflow=SECOND)]
    asked = queries(records=both)
    assert asked.offer(MACS[ONE]).record.id == FIRST
    assert f"busy with workflow {FIRST}" in asked.waiting_reason(SECOND)
    asked = queries(told(0, RUNNING), told(0, SUCCESS), records=both)
    assert asked.offer(MACS[ONE]).record.id == SECOND


def test_a_running_machine_keeps_its_work_when_its_hardware_file_is_gone():
    asked = queries(told(0, RUNNING), machines=())
    assert asked.offer(MACS[ONE]).action.index == 0
    assert asked.offer(IPS[ONE]).action.index == 0


def test_a_machine_whose_id_was_changed_goes_on_with_its_old_workflow():
    renamed = hardware(TWO, mac=MACS[ONE], ip="10.0.0.9")
    asked = queries(told(0, RUNNING), machines=[renamed])
    assert asked.offer(MACS[ONE]).record.id == FIRST


def test_a_run_that_is_wanted_goes_on_and_any_other_is_cancelled_with_the_reason():
    def verdict(*events, worker=MACS[ONE], index=0, attempt=1):
        return queries(*events).verdict(FIRST, worker, action_index=index, attempt=attempt)

    assert not verdict(told(0, RUNNING)).cancel
    deleted = WorkflowDeleted(workflow_id=FIRST, at="", desired_commit=COMMIT, message="")
    assert verdict(told(0, RUNNING), deleted).reason == "the workflow was deleted"
    assert "has ended in STATE_FAILED" in verdict(told(0, RUNNING), told(0, State.FAILED)).reason
    assert verdict(told(0, RUNNING), worker=MACS[TWO]).cancel
    assert verdict(told(0, RUNNING), index=1).cancel
    assert verdict(told(0, RUNNING), told(0, RUNNING, attempt=2)).cancel
    assert verdict().cancel
    with pytest.raises(NotFound):
        queries().verdict(SECOND, MACS[ONE], action_index=0, attempt=1)


def test_things_are_found_by_their_names():
    asked = queries()
    assert asked.hardware(ONE.upper()).id == ONE
    assert asked.hardware_by_mac("08-00-27-00-00-02").id == TWO
    assert asked.hardware_by_ip("192.168.1.5").id == ONE
    assert asked.template("hello_world_workflow") == asked.template(template().id)
    assert [each.id for each in asked.all_hardware()] == [ONE, TWO]
    assert [each.name for each in asked.all_templates()] == ["hello_world_workflow"]
    assert [each.id for each in asked.all_workflows()] == [FIRST]
    for ask in (asked.hardware, asked.template, asked.workflow):
        with pytest.raises(NotFound):
            ask("nothing")
    with pytest.raises(NotFound):
        asked.hardware_by_mac("52:54:00:ff:ff:ff")
    with pytest.raises(NotFound):
        asked.hardware_by_ip("10.99.0.1")


def test_a_workflow_says_what_it_waits_for():
    assert f"waiting for worker {MACS[ONE]}" in queries().waiting_reason(FIRST)
    assert queries(told(0, RUNNING)).waiting_reason(FIRST) == ""


def test_what_waits_behind_another_machine_says_for_whom():
    line = [record(TWO, ONE, workflow=FIRST), record(ONE, workflow=SECOND)]
    off = queries(records=line).waiting_reason(SECOND)
    assert f"waiting behind workflow {FIRST}, which waits for worker {MACS[TWO]}" in off
    running = queries(told(0, RUNNING, worker=TWO), records=line).waiting_reason(SECOND)
    assert f"behind workflow {FIRST}, of which worker {MACS[TWO]} runs action" in running


def test_the_end_of_a_line_says_who_leads_it():
    third = WorkflowId("0190a5c0-0000-7000-8000-0000000000a3")
    line = [
        record(TWO, workflow=FIRST),
        record(TWO, ONE, workflow=SECOND),
        record(ONE, workflow=third),
    ]
    asked = queries(records=line)
    reason = asked.waiting_reason(third)
    assert f"behind workflow {SECOND}, in a line that workflow {FIRST} leads" in reason
    assert f"waits for worker {MACS[TWO]}" in reason
    assert asked.blocker_of(third) == SECOND
    assert asked.blocker_of(FIRST) is None


def test_an_empty_branch_answers_too():
    empty = Queries(Snapshot(desired=DesiredState(), status=status()))
    assert empty.offer(MACS[ONE]) is None
    assert list(empty.all_workflows()) == []
