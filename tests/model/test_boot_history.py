"""What is remembered of the past of each machine, and that every way to it agrees."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import Refused
from provisioner.model import boot_history, state_machine
from provisioner.model.boot_history import NO_HISTORY, MachineHistory
from provisioner.model.event import ActionTimedOut, WorkflowDeleted, WorkflowTimedOut
from provisioner.model.ids import WorkflowId
from provisioner.model.shard_map import ShardMap
from provisioner.model.state import State
from provisioner.model.views import StatusView, order_of
from tests import builders
from tests.builders import COMMIT, ONE, TWO

INSTALL, HARMLESS = (WorkflowId(f"0190a5c0-0000-7000-8000-0000000000{n:02x}") for n in (1, 2))


def view_after(*changes, records):
    return builders.after(builders.status(*records), changes)


def installing(workflow=INSTALL, *owners, arrival=1):
    owners = owners or (ONE,)
    return builders.record(*owners, workflow=workflow, installs_os=owners, arrival=arrival)


def history(view, worker=ONE):
    return view.machines.get(worker) or NO_HISTORY


def report(index, state, workflow=INSTALL, worker=ONE, **changes):
    return builders.report(index, state, workflow=workflow, worker=worker, **changes)


def test_a_workflow_that_nobody_began_is_no_history():
    view = view_after(records=[installing()])
    assert history(view) == NO_HISTORY


def test_the_first_start_counts_and_the_last_success_ends_it():
    begun = view_after(report(0, State.RUNNING), records=[installing()])
    assert history(begun).ran == (INSTALL,)
    assert history(begun).install == ((1, builders.AT, INSTALL), False, "")
    end = report(0, State.SUCCESS, at="2026-11-24T00:00:00.000000Z")
    done = builders.after(begun, [end])
    assert history(done).install == ((1, builders.AT, INSTALL), True, end.at)


def test_the_part_of_one_machine_is_done_while_others_go_on():
    record = installing(INSTALL, ONE, TWO)
    view = view_after(report(0, State.RUNNING), report(0, State.SUCCESS), records=[record])
    assert history(view).install.is_done
    assert history(view, TWO) == NO_HISTORY


def test_what_is_deleted_ran_not_but_its_install_stays():
    gone = WorkflowDeleted(workflow_id=INSTALL, at=builders.AT, desired_commit=COMMIT, message="")
    view = view_after(
        report(0, State.RUNNING), report(0, State.SUCCESS), gone, records=[installing()]
    )
    assert history(view).ran == ()
    assert history(view).install.is_done


def test_the_later_install_decides_and_a_harmless_workflow_does_not():
    second = installing(HARMLESS, arrival=2)
    harmless = replace(second, installs_os=())
    for record, workflow in ((second, HARMLESS), (harmless, INSTALL)):
        view = view_after(
            report(0, State.RUNNING),
            report(0, State.SUCCESS),
            report(0, State.RUNNING, HARMLESS),
            records=[installing(), record],
        )
        assert history(view).install.workflow == workflow
        assert history(view).install.is_done is (workflow == INSTALL)
        assert history(view).ran == (INSTALL, HARMLESS)


def test_an_older_install_that_reports_late_does_not_take_the_place_of_a_later_one():
    view = view_after(
        report(0, State.RUNNING, HARMLESS),
        report(0, State.RUNNING),
        records=[installing(), installing(HARMLESS, arrival=2)],
    )
    assert history(view).install.workflow == HARMLESS


def test_a_second_attempt_does_not_undo_an_install_that_is_done():
    record = installing()
    done = boot_history.with_report(ShardMap(), record, report(0, State.SUCCESS))
    again = boot_history.with_report(done, record, report(0, State.RUNNING, attempt=2))
    assert again[ONE] == done[ONE] and again[ONE].install.is_done


def test_the_parts_of_a_workflow_say_when_the_last_action_of_a_machine_succeeded():
    record = builders.record(ONE, ONE, TWO, workflow=INSTALL, installs_os=(ONE,), arrival=1)
    events = [
        report(0, State.RUNNING),
        report(0, State.SUCCESS, at="2026-11-24T00:00:00.000000Z"),
        report(1, State.RUNNING),
        report(1, State.SUCCESS, at="2026-11-25T00:00:00.000000Z"),
        report(2, State.RUNNING, worker=TWO),
    ]
    entry = view_after(*events, records=[record]).workflows[INSTALL]
    assert boot_history.parts_of(record, entry.context, entry.events) == (
        (ONE, True, True, "2026-11-25T00:00:00.000000Z"),
        (TWO, False, False, ""),
    )


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["RUNNING", "SUCCESS", "FAILED", "TIMEOUT", "GLOBAL", "DELETED"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(
    EVENTS,
    st.lists(
        st.tuples(st.lists(st.sampled_from([ONE, TWO]), min_size=1, max_size=4), st.booleans()),
        min_size=3,
        max_size=3,
    ),
)
def test_what_reports_add_up_to_is_what_a_reading_of_all_finds(events, workflows):
    ids = [WorkflowId(f"0190a5c0-0000-7000-8000-0000000000{n:02x}") for n in range(3)]
    records = [
        builders.record(
            *owners,
            workflow=ids[number],
            arrival=number + 1,
            installs_os=tuple(dict.fromkeys(owners)) if installs else (),
        )
        for number, (owners, installs) in enumerate(workflows)
    ]
    view = builders.status(*records)
    for kind, number, index in events:
        view = proposed(view, records[number], kind, index)
    assert dict(view.machines) == dict(read_afresh(view))


def proposed(view: StatusView, record, kind, index) -> StatusView:
    """Apply an event if the rules accept it."""
    context = view.workflows[record.id].context
    index = min(index, len(record.actions) - 1)
    action = record.actions[index]
    about = {"workflow_id": record.id, "at": builders.AT, "message": "", "seconds": 1}
    match kind:
        case "DELETED":
            event = WorkflowDeleted(
                workflow_id=record.id, at=builders.AT, desired_commit=COMMIT, message=""
            )
        case "GLOBAL":
            event = WorkflowTimedOut(**about)
        case "TIMEOUT":
            event = ActionTimedOut(
                worker_id=action.worker_id,
                task_name=action.task_name,
                action_name=action.name,
                action_index=index,
                attempt=context.attempt if context.current_action_state is State.RUNNING else 0,
                **about,
            )
        case _:
            running = context.current_action_state is State.RUNNING
            attempt = context.attempt if running else 0
            event = builders.report(
                index,
                State(f"STATE_{kind}"),
                workflow=record.id,
                worker=action.worker_id,
                attempt=attempt + (kind == "RUNNING"),
                task_name=action.task_name,
                action_name=action.name,
            )
    try:
        accepted = state_machine.decide(context, record.actions, event)
    except Refused:
        return view
    return builders.after(view, accepted)


def read_afresh(view: StatusView):
    machines: ShardMap = ShardMap()
    for entry in sorted(view.workflows.values(), key=order_of):
        parts = boot_history.parts_of(entry.record, entry.context, entry.events)
        machines = boot_history.with_parts(
            machines, order_of(entry), parts, is_deleted=entry.context.is_deleted
        )
    return {worker: each for worker, each in machines.items() if isinstance(each, MachineHistory)}


def test_a_machine_whose_first_action_alone_succeeded_is_not_done():
    record = builders.record(ONE, ONE, workflow=INSTALL, installs_os=(ONE,), arrival=1)
    events = [report(0, State.RUNNING), report(0, State.SUCCESS)]
    entry = view_after(*events, records=[record]).workflows[INSTALL]
    parts = boot_history.parts_of(record, entry.context, entry.events)
    assert parts == ((ONE, True, False, ""),)
