"""What a list shows of a workflow is what the whole of it says."""

from __future__ import annotations

from contextlib import closing

from provisioner.git.commit import FileChange
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.problem import Problem
from provisioner.model.state import State
from provisioner.model.summary import summary_of
from provisioner.store.status import layout, summaries
from provisioner.store.status.lazy_workflow import StoredWorkflow
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id


def change(kind, number, **more):
    told = kind(
        workflow_id=workflow_id(number), at=builders.AT, desired_commit=builders.COMMIT, **more
    )
    return sites.tell(told)


def write(writer):
    result(writer.propose(create(*(sites.record(each, builders.ONE) for each in range(6)))))
    for number in range(4):
        result(writer.propose(report(number, 0, State.RUNNING)))
    result(writer.propose(report(0, 0, State.FAILED)))
    result(writer.propose(report(1, 0, State.SUCCESS)))
    result(writer.propose(change(RequestMoved, 2, request_path="workflows/größe.yaml")))
    result(writer.propose(change(WorkflowDeleted, 3, message="")))


def test_workflows_on_the_branch_are_summarised_as_their_contents_say(repo):
    with closing(StatusWriter(repo)) as writer:
        write(writer)
    entries = list(StatusStore(repo).load().workflows.values())
    assert all(isinstance(each, StoredWorkflow) for each in entries)
    found = list(summaries.read(repo, entries))
    assert found == [summary_of(each) for each in entries]
    assert [each.is_deleted for each in found].count(True) == 1
    assert len({each.state for each in found}) >= 3


def test_workflows_in_memory_and_on_the_branch_keep_their_order(repo):
    with closing(StatusWriter(repo)) as writer:
        write(writer)
        live = list(writer.view.workflows.values())
        mixed = [*StatusStore(repo).load().workflows.values(), *live]
        found = list(summaries.read(repo, mixed))
    assert [each.id for each in found] == [each.id for each in mixed]
    assert found == [summary_of(each) for each in mixed]


def test_many_are_read_in_groups(repo, monkeypatch):
    monkeypatch.setattr(summaries, "AT_ONCE", 4)
    with closing(StatusWriter(repo)) as writer:
        write(writer)
    entries = list(StatusStore(repo).load().workflows.values())
    assert list(summaries.read(repo, entries)) == [summary_of(each) for each in entries]


def test_no_workflows_are_no_summaries(repo):
    assert list(summaries.read(repo, ())) == []


def test_a_stream_of_summaries_says_what_the_whole_workflows_say(repo):
    with closing(StatusWriter(repo)) as writer:
        write(writer)
    torn = layout.status(workflow_id(4))
    sites.tamper(repo, FileChange(path=torn, content=b"{}"))
    store, damage = StatusStore(repo), []
    found = list(store.iterate_summaries(on_damage=damage.append))
    wanted_damage: list[Problem] = []
    wanted = [summary_of(each) for each in store.iterate_workflows(on_damage=wanted_damage.append)]
    assert found == wanted and len(found) == 5
    assert damage == wanted_damage and damage[0].path == torn


def test_the_files_of_another_workflow_are_not_taken_for_its_own(repo):
    with closing(StatusWriter(repo)) as writer:
        write(writer)
    path, other = layout.record(workflow_id(0)), layout.record(workflow_id(1))
    content = repo.blob_at(repo.branch("status"), other)
    sites.tamper(repo, FileChange(path=path, content=content))
    damage: list[Problem] = []
    found = list(StatusStore(repo).iterate_summaries(on_damage=damage.append))
    assert workflow_id(0) not in [each.id for each in found]
    assert [each.path for each in damage] == [path]
