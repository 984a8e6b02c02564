"""What every writer of the status branch keeps to, whichever way it makes its commits."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace

import pytest

from provisioner.errors import NotFound, Refused, Unavailable
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.problem import Problem
from provisioner.model.state import State
from provisioner.model.views import Change, LiveWorkflow, Reconciled, ReconcileReport, StatusView
from provisioner.store.status import layout
from provisioner.store.status.lazy_workflow import StoredWorkflow, WorkflowReader
from provisioner.store.status.store import StatusStore
from provisioner.store.writer import workflow_cache
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.load import SINKS
from tests.store.sites import create, report, result, tell, workflow_id


def test_an_answer_names_the_commit_that_holds_the_change(writer, repo):
    receipt = result(writer.propose(create(sites.record(1))))
    assert repo.branch("status") == receipt.commit
    found = StatusStore(repo).read_workflow(workflow_id(1)).record
    assert found == replace(sites.record(1), arrival=1)
    assert StatusStore(repo).read_rendered(workflow_id(1)) == builders.HELLO


def test_what_is_loaded_is_what_was_written(writer, repo, tmp_path):
    one, two = builders.ONE, builders.TWO
    result(writer.propose(create(sites.record(1, one, two), sites.record(2, one))))
    result(writer.propose(report(1, 0, State.RUNNING)))
    result(writer.propose(report(1, 0, State.SUCCESS, message="größer\n", exit_code=0)))
    result(writer.propose(create(sites.record(3, two))))
    result(writer.propose(report(3, 0, State.RUNNING, worker=two)))
    result(writer.propose(report(3, 0, State.FAILED, worker=two, exit_code=7)))
    moved = RequestMoved(
        workflow_id=workflow_id(2),
        at=builders.AT,
        desired_commit=builders.COMMIT,
        request_path="workflows/moved.yaml",
    )
    result(writer.propose(tell(moved)))
    gone = WorkflowDeleted(
        workflow_id=workflow_id(1), at=builders.AT, desired_commit=builders.COMMIT, message="gone"
    )
    result(writer.propose(tell(gone)))
    problem = Problem(path="hardware/n1.yaml", line=4, column=11, code="mac.format", message="no")
    told = ReconcileReport(
        desired_commit=CommitId("d" * 40),
        at=builders.AT,
        problems=(problem,),
        in_force=(("hardware/n1.yaml", BlobId("a" * 40)),),
    )
    result(writer.propose(lambda _: (Reconciled(report=told),)))
    sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_catching_up_gives_what_loading_gives(writer, repo):
    store = StatusStore(repo)
    result(writer.propose(create(*map(sites.record, range(20)))))
    view = store.load()
    for number in range(10):
        result(writer.propose(report(number, 0, State.RUNNING)))
        result(writer.propose(report(number, 0, State.SUCCESS)))
    result(writer.propose(create(*map(sites.record, range(20, 25)))))
    sites.same_content(store.catch_up(view), store.load())


def test_whatever_waits_goes_into_one_commit(writer, repo):
    result(writer.propose(create(*map(sites.record, range(40)))))
    is_running, may_go_on = threading.Event(), threading.Event()

    def slow(_: StatusView) -> tuple[Change, ...]:
        is_running.set()
        may_go_on.wait(sites.PATIENCE_SECONDS)
        return ()

    first = writer.propose(slow)
    is_running.wait(sites.PATIENCE_SECONDS)
    rest = [writer.propose(report(number, 0, State.RUNNING)) for number in range(40)]
    may_go_on.set()
    result(first)
    commits = {result(each).commit for each in rest}
    assert len(commits) == 1
    subject = sites.git(repo.git_dir, "log", "-1", "--format=%s", *commits)
    assert subject == "40 events in 40 workflows\n"


def test_a_refused_proposal_leaves_the_others_of_its_group_alone(writer):
    result(writer.propose(create(sites.record(1), sites.record(2))))
    good = writer.propose(report(1, 0, State.RUNNING))
    bad = writer.propose(report(2, 0, State.SUCCESS))
    also_good = writer.propose(report(2, 0, State.RUNNING))
    with pytest.raises(Refused, match="has not started"):
        result(bad)
    assert result(good).changes and result(also_good).changes


def test_a_proposal_that_breaks_is_told_so_and_the_writer_goes_on(writer):
    def broken(_: StatusView) -> tuple[Change, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        result(writer.propose(broken))
    assert result(writer.propose(create(sites.record(1)))).changes


def test_a_report_told_twice_is_answered_with_the_commit_that_has_it(writer, repo):
    result(writer.propose(create(sites.record(1))))
    first = result(writer.propose(report(1, 0, State.RUNNING)))
    again = result(writer.propose(report(1, 0, State.RUNNING)))
    assert again.changes == ()
    assert again.commit == first.commit == repo.branch("status")


def test_followers_see_the_view_before_anybody_is_answered(repo, make_sink):
    seen = []
    futures = []

    def follow(view: StatusView, changed: tuple[str, ...]) -> None:
        seen.append((view.commit, changed, [each.done() for each in futures]))

    with closing(StatusWriter(repo, make_sink=make_sink, on_published=follow)) as writer:
        futures.append(writer.propose(create(sites.record(1))))
        receipt = result(futures[0])
        assert writer.view.commit == receipt.commit
    assert seen == [(receipt.commit, (workflow_id(1),), [False])]


def test_logs_are_files_and_are_not_kept_in_memory(writer, repo):
    result(writer.propose(create(sites.record(1))))
    result(writer.propose(report(1, 0, State.RUNNING)))
    log = bytes(range(256)) * 100
    result(writer.propose(report(1, 0, State.FAILED, log_tail=log)))
    store = StatusStore(repo)
    assert store.read_log(workflow_id(1), action_index=0, attempt=1) == log
    assert store.read_log(workflow_id(1), action_index=0, attempt=2) is None
    assert all(not each.log_tail for each in writer.view.workflows[workflow_id(1)].events)


def test_each_version_of_ephemeral_data_stays_readable(writer, repo):
    result(writer.propose(create(sites.record(1))))
    result(writer.propose(report(1, 0, State.RUNNING)))
    contents = [b'{"a": 1}', b'{"a": 2}']
    pushes = []
    for number, content in enumerate(contents, 1):
        files = [NewFile(path="a.json", content=content), NewFile(path="same", content=b"same")]
        with writer.write_data_files(files) as (tree, data_files):
            pushes.append(writer.propose(sites.push(1, number, tree, data_files)))
    commits = [result(each).commit for each in pushes]
    assert len(set(commits)) == 2, "two versions in one commit would lose the first"
    store = StatusStore(repo)
    for number, content in enumerate(contents, 1):
        version, files = store.read_data(workflow_id(1), number)
        assert version.version == number
        assert [(each.path, each.content) for each in files] == [
            ("a.json", content),
            ("same", b"same"),
        ]
    assert store.read_data(workflow_id(1))[0].version == 2
    path = layout.data(workflow_id(1))
    assert repo.blob_at(commits[0], f"{path}/a.json") == contents[0]
    with pytest.raises(NotFound):
        store.read_data(workflow_id(1), 3)
    sites.fsck(repo.git_dir)


def test_data_that_became_empty_leaves_no_file(writer, repo):
    result(writer.propose(create(sites.record(1))))
    result(writer.propose(report(1, 0, State.RUNNING)))
    for number, files in enumerate(([NewFile(path="a", content=b"a")], []), 1):
        with writer.write_data_files(files) as (tree, _):
            commit = result(writer.propose(sites.push(1, number, tree))).commit
    assert repo.entry_at(commit, layout.data(workflow_id(1))) is None
    assert StatusStore(repo).read_data(workflow_id(1))[1] == ()
    sites.fsck(repo.git_dir)


def test_closing_answers_everybody_first(repo, make_sink):
    writer = StatusWriter(repo, make_sink=make_sink)
    futures = [writer.propose(create(sites.record(number))) for number in range(50)]
    writer.close()
    assert all(each.done() and each.result().commit for each in futures)
    with pytest.raises(Unavailable):
        result(writer.propose(create(sites.record(51))))
    sites.same_content(StatusStore(repo).load(), writer.view)


def test_the_history_reads_like_a_diary(writer, repo):
    hello = builders.record(
        workflow=workflow_id(1), actions=(builders.action(0, name="hello\nWriter: mallory"),)
    )
    result(writer.propose(create(hello)))
    message = sites.git(repo.git_dir, "log", "-1", "--format=%B", "status")
    short = layout.short(workflow_id(1))
    assert message.splitlines() == [
        f"{short} hello_world_workflow: created",
        "",
        f"Desired-Commit: {builders.COMMIT}",
        f"Request: workflows/{workflow_id(1)}.yaml",
        "Writer: tinkgit",
        "",
    ]
    told = report(1, 0, State.RUNNING, action_name="hello\nWriter: mallory")
    result(writer.propose(told))
    subject, trailers = sites.git(
        repo.git_dir, "log", "-1", "--format=%s%n%(trailers:key=Writer)", "status"
    ).split("\n", 1)
    assert subject == f"{short} hello?Writer: mallory: STATE_RUNNING 08:00:27:00:00:01"
    assert trailers.split() == ["Writer:", "tinkgit"]


def test_all_ways_of_writing_make_the_same_commits(tmp_path):
    tips = set()
    for name, make_sink in SINKS.items():
        repo = sites.bare(tmp_path / name)
        with (
            closing(repo),
            closing(StatusWriter(repo, make_sink=make_sink, clock=lambda: 1_795_000_000)) as writer,
        ):
            result(writer.propose(create(*map(sites.record, range(30)))))
            for number in range(30):
                result(writer.propose(report(number, 0, State.RUNNING)))
            tips.add(repo.branch("status"))
    assert len(tips) == 1


def test_a_workflow_that_has_ended_is_let_go_of_and_still_answers(writer):
    result(writer.propose(create(sites.record(1), sites.record(2))))
    for told in (State.RUNNING, State.SUCCESS):
        result(writer.propose(report(1, 0, told)))
    before = writer.view.workflows[workflow_id(1)]
    result(writer.propose(report(2, 0, State.RUNNING)))
    after = writer.view.workflows[workflow_id(1)]
    assert isinstance(after, StoredWorkflow), "its events are not in memory any more"
    assert (after.record, after.context, after.events) == (
        before.record,
        before.context,
        before.events,
    )
    again = result(writer.propose(report(1, 0, State.SUCCESS)))
    assert again.changes == () and again.commit == writer.view.commit
    with pytest.raises(Refused, match="has ended"):
        result(writer.propose(report(1, 0, State.FAILED)))


def test_of_many_live_workflows_those_that_changed_last_stay_decoded(writer, repo, monkeypatch):
    monkeypatch.setattr(workflow_cache, "LIMIT", 3)
    result(writer.propose(create(*map(sites.record, range(6)))))
    for number in (4, 0, 5, 1):
        result(writer.propose(report(number, 0, State.RUNNING)))
    result(writer.propose(create(sites.record(6))))
    decoded = {id for id, entry in writer.view.workflows.items() if isinstance(entry, LiveWorkflow)}
    assert decoded == {workflow_id(number) for number in (0, 5, 1, 6)}, "three, and the newest"
    sites.same_content(writer.view, writer.store.load())


def test_a_workflow_that_was_let_go_of_goes_on(writer, monkeypatch):
    monkeypatch.setattr(workflow_cache, "LIMIT", 1)
    records = [sites.record(each, builders.ONE, builders.ONE) for each in range(3)]
    result(writer.propose(create(*records)))
    for index, told in ((0, State.RUNNING), (0, State.SUCCESS), (1, State.RUNNING)):
        for number in range(3):
            result(writer.propose(report(number, index, told)))
    entries = writer.view.workflows
    assert isinstance(entries[workflow_id(0)], StoredWorkflow)
    assert [len(entries[workflow_id(each)].events) for each in range(3)] == [3, 3, 3]
    sites.same_content(writer.view, writer.store.load())


def test_catching_up_with_reports_of_another_server_decodes_no_workflow(writer, monkeypatch):
    result(writer.propose(create(*map(sites.record, range(9)))))
    before = writer.store.load()
    for number in range(6):
        result(writer.propose(report(number, 0, State.RUNNING)))
    for number in range(3):
        result(writer.propose(report(number, 0, State.SUCCESS)))
    result(writer.propose(create(sites.record(9, builders.TWO))))

    def read(*_):
        raise AssertionError("a workflow was decoded")

    with monkeypatch.context() as patch:
        patch.setattr(WorkflowReader, "read", read)
        after = writer.store.catch_up(before)
    sites.same_content(after, writer.store.load())


def test_events_may_follow_the_end_of_a_workflow(writer, repo):
    result(writer.propose(create(sites.record(1))))
    result(writer.propose(report(1, 0, State.RUNNING)))
    result(writer.propose(report(1, 0, State.FAILED)))
    result(writer.propose(create(sites.record(2))))
    gone = WorkflowDeleted(
        workflow_id=workflow_id(1), at=builders.AT, desired_commit=builders.COMMIT, message=""
    )
    result(writer.propose(tell(gone)))
    result(writer.propose(create(sites.record(3))))
    sites.same_content(StatusStore(repo).load(), writer.view)
    assert writer.view.workflows[workflow_id(1)].context.state is State.FAILED
