"""Queues are in the order of arrival, whatever the clock said."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model.ids import WorkflowId
from provisioner.model.state import State
from provisioner.model.views import StatusView, WorkflowCreated
from provisioner.model.workflow import WorkflowRecord
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint, layout, record_codec
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id

IN_1972 = "1972-01-01T00:00:00.000000Z"


def queue(view: StatusView) -> list[WorkflowId]:
    return list(view.queues[builders.ONE])


def in_1972(number: int) -> WorkflowRecord:
    return replace(sites.record(number), created_at=IN_1972)


def arrival(repo: GitRepo, number: int) -> int | None:
    return StatusStore(repo).read_workflow(workflow_id(number)).record.arrival


def test_a_workflow_made_while_the_clock_was_wrong_waits_for_its_turn(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(5), sites.record(4))))
        result(writer.propose(create(in_1972(1), in_1972(2))))
        in_turn = [workflow_id(each) for each in (5, 4, 1, 2)]
        assert queue(writer.view) == in_turn
    assert queue(StatusStore(repo).load()) == in_turn
    assert [arrival(repo, each) for each in (5, 4, 1, 2)] == [1, 2, 3, 4]
    assert fsck.check(repo).problems == ()


def test_another_reader_and_a_checkpoint_keep_the_order_of_arrival(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(5))))
        old = StatusStore(repo).load()
        checkpoint.save(writer.store)
        result(writer.propose(create(in_1972(1), sites.record(6))))
        in_turn = queue(writer.view)
    assert in_turn == [workflow_id(each) for each in (5, 1, 6)]
    assert queue(StatusStore(repo).catch_up(old)) == in_turn
    assert queue(checkpoint.load(StatusStore(repo))) == in_turn
    checkpoint.save(StatusStore(repo))
    assert queue(checkpoint.load(StatusStore(repo))) == in_turn


def test_workflows_without_a_counter_come_before_all_others_by_their_creation():
    def view(*records: WorkflowRecord) -> StatusView:
        changes = [WorkflowCreated(record=each, rendered="") for each in records]
        return builders.after(StatusView(), changes)

    old = (sites.record(3), in_1972(2))
    counted = (replace(in_1972(7), arrival=1), replace(in_1972(6), arrival=2))
    assert queue(view(*counted, *old)) == [workflow_id(each) for each in (2, 3, 7, 6)]
    assert queue(view(*old, *counted)) == [workflow_id(each) for each in (2, 3, 7, 6)]


def test_a_counter_never_goes_back_though_all_that_was_counted_left_the_tip(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1), sites.record(2))))
        for told in (State.RUNNING, State.SUCCESS):
            for number in (1, 2):
                result(writer.propose(report(number, 0, told)))
    with closing(StatusWriter(repo)) as writer:  # holds them as ids, which archiving needs
        done = retention.run(writer, ended_before="2100", at_seconds=0)
        assert done.workflows == 2
    checkpoint.save(StatusStore(repo))
    for number in (3, 4):
        with closing(StatusWriter(repo)) as writer:
            result(writer.propose(create(sites.record(number))))
        assert arrival(repo, number) == number
    assert fsck.check(repo).problems == ()


def test_fsck_finds_a_counter_that_went_back_or_was_left_out(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1), sites.record(2))))
    begun = repo.branch("status")
    edits: tuple[tuple[int, dict[str, Any]], ...] = (
        (3, {"arrival": 2}),
        (4, {}),
        (5, {"arrival": 9}),
    )
    for number, changes in edits:
        content = record_codec.encode_record(replace(sites.record(number), **changes))
        sites.tamper(repo, FileChange(path=layout.record(workflow_id(number)), content=content))
    for since in (None, begun):
        found = list(fsck.check(repo, since=since).problems)
        assert {each.code for each in found} == {"fsck.arrival"}
        assert len(found) == 2
