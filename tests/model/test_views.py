"""What has happened, indexed: queues, addresses, requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import Refused
from provisioner.model import state_machine
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.ids import WorkflowId
from provisioner.model.state import State
from provisioner.model.views import LiveWorkflow, StatusView, WorkflowCreated
from tests import builders
from tests.builders import AT, COMMIT, IPS, MACS, ONE, TWO, record, report, status

FIRST = WorkflowId("0190a5c0-0000-7000-8000-0000000000a1")
SECOND = WorkflowId("0190a5c0-0000-7000-8000-0000000000a2")


def finished(view, workflow, *owners):
    for index, owner in enumerate(owners):
        for told in (State.RUNNING, State.SUCCESS):
            view = view.apply(report(index, told, workflow=workflow, worker=owner))
    return view


def test_workflows_of_one_worker_wait_in_the_order_of_creation():
    late = record(workflow=FIRST, created_at="2026-11-23T10:00:02.000000Z")
    early = record(workflow=SECOND, created_at="2026-11-23T10:00:01.000000Z")
    view = status(late, early)
    assert view.queues[ONE] == (SECOND, FIRST)
    assert view.head_of_queue(ONE) == SECOND
    assert view.head_of_queue(TWO) is None


def test_a_finished_workflow_leaves_every_queue():
    view = status(record(ONE, TWO, workflow=FIRST), record(workflow=SECOND))
    view = finished(view, FIRST, ONE, TWO)
    assert view.queues[ONE] == (SECOND,)
    assert TWO not in view.queues
    assert view.workflows[FIRST].context.state is State.SUCCESS


def test_a_machine_is_known_by_the_addresses_of_its_live_workflows():
    view = status(record(workflow=FIRST), record(workflow=SECOND))
    assert view.live_addresses[MACS[ONE]] == (ONE,)
    view = finished(view, FIRST, ONE)
    assert view.live_addresses[IPS[ONE]] == (ONE,)
    view = finished(view, SECOND, ONE)
    assert MACS[ONE] not in view.live_addresses


def test_a_moved_request_is_found_at_its_new_path_only():
    view = status(record(workflow=FIRST, request_path="workflows/a.yaml"))
    for path in ("workflows/b.yaml", "workflows/c.yaml"):
        view = view.apply(
            RequestMoved(workflow_id=FIRST, at=AT, desired_commit=COMMIT, request_path=path)
        )
    assert dict(view.requests) == {"workflows/c.yaml": FIRST}


def test_a_path_that_another_workflow_has_by_now_stays_with_that_one():
    path = "workflows/a.yaml"
    view = status(
        record(workflow=FIRST, request_path=path), record(workflow=SECOND, request_path=path)
    )
    moved = RequestMoved(
        workflow_id=FIRST, at=AT, desired_commit=COMMIT, request_path="workflows/b.yaml"
    )
    gone = WorkflowDeleted(workflow_id=FIRST, at=AT, desired_commit=COMMIT, message="")
    assert dict(view.apply(gone).requests) == {path: SECOND}
    assert dict(view.apply(moved).requests) == {path: SECOND, "workflows/b.yaml": FIRST}


def test_events_are_kept_in_order_with_the_workflow():
    view = status(record(workflow=FIRST))
    told = [report(0, state, workflow=FIRST) for state in (State.RUNNING, State.FAILED)]
    assert builders.after(view, told).workflows[FIRST].events == tuple(told)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([FIRST, SECOND]),
        st.sampled_from([0, 1]),
        st.sampled_from([State.RUNNING, State.SUCCESS, State.FAILED, "delete"]),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(STEPS)
def test_the_indexes_say_what_a_scan_would_say(steps):
    owners = {FIRST: (ONE, TWO), SECOND: (TWO, ONE)}
    view = status(*(record(*owners[each], workflow=each) for each in owners))
    for workflow, index, told in steps:
        if told == "delete":
            event = WorkflowDeleted(workflow_id=workflow, at=AT, desired_commit=COMMIT, message="")
        else:
            event = report(index, told, workflow=workflow, worker=owners[workflow][index])
        entry = view.workflows[workflow]
        try:
            accepted = state_machine.decide(entry.context, entry.record.actions, event)
        except Refused:
            continue
        view = builders.after(view, accepted)
    live = [id for id, entry in sorted(view.workflows.items()) if not entry.context.is_final]
    expected = {worker: tuple(id for id in live if worker in owners[id]) for worker in (ONE, TWO)}
    assert dict(view.queues) == {worker: queue for worker, queue in expected.items() if queue}
    assert {address for worker in view.queues for address in (MACS[worker], IPS[worker])} == set(
        view.live_addresses
    )
    assert rebuilt(view) == (dict(view.queues), dict(view.live_addresses))


def rebuilt(view):
    """The indexes as they are made when a branch is loaded."""
    live = []
    for _, entry in sorted(view.workflows.items()):
        assert isinstance(entry, LiveWorkflow)
        begun = state_machine.begin(entry.id, len(entry.record.actions))
        assert state_machine.replay(begun, entry.events) == entry.context
        if not entry.context.is_final:
            live.append(WorkflowCreated(record=entry.record, rendered=""))
    loaded = builders.after(StatusView(), live)
    return dict(loaded.queues), dict(loaded.live_addresses)


def test_a_created_workflow_is_found_by_request_and_by_meaning():
    made = record(workflow=FIRST, request_path="workflows/a.yaml", request_digest="d")
    view = StatusView().apply(WorkflowCreated(record=made, rendered=""))
    assert view.requests["workflows/a.yaml"] == FIRST
    assert view.by_digest["d"] == (FIRST,)


def test_a_draft_becomes_what_applying_one_by_one_gives_and_leaves_the_old_view_alone():
    old = status(record(ONE, TWO, workflow=FIRST), record(workflow=SECOND))
    changes: list[Any] = [
        report(0, State.RUNNING, workflow=FIRST),
        report(0, State.SUCCESS, workflow=FIRST),
        WorkflowCreated(record=record(TWO, workflow=WorkflowId(FIRST[:-1] + "3")), rendered=""),
        report(1, State.RUNNING, workflow=FIRST, worker=TWO),
        report(1, State.FAILED, workflow=FIRST, worker=TWO),
        RequestMoved(workflow_id=SECOND, at=AT, desired_commit=COMMIT, request_path="w/new.yaml"),
        WorkflowDeleted(workflow_id=SECOND, at=AT, desired_commit=COMMIT, message=""),
    ]
    before = replace(old)
    one_by_one = old
    for change in changes:
        one_by_one = one_by_one.apply(change)
    draft = old.draft()
    for change in changes:
        draft = draft.apply(change)
        assert draft.is_draft
    assert draft.settled() == one_by_one
    assert old == before and not one_by_one.is_draft
