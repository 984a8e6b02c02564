"""Old workflows leave the tip, and nothing else about them changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import jsonschema
import pytest

from provisioner import resources
from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model.event import WorkflowDeleted
from provisioner.model.state import State
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint, layout
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import retention
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, result, tamper, tell, workflow_id

# The ids say that the workflows were made in November 2026.
OLD, NEW, CUT = (f"2027-{month}-01T00:00:00.000000Z" for month in ("01", "11", "06"))
NOW = 1_835_000_000


@pytest.fixture
def writer(repo: GitRepo) -> Iterator[StatusWriter]:
    """1 ended long ago, with data and a log; 2 ended lately; 3 runs since long ago."""
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(*map(sites.record, (1, 2, 3)))))
        for number, at in ((1, OLD), (2, NEW), (3, OLD)):
            told = builders.report(0, State.RUNNING, workflow=workflow_id(number), at=at)
            result(writer.propose(tell(told)))
        with writer.write_data_files([NewFile(path="a", content=b"data")]) as (tree, _):
            push = builders.push(0, 1, workflow=workflow_id(1))
            push = replace(push, at=OLD, version=replace(push.version, tree_id=tree))
            result(writer.propose(tell(push)))
        for number, at in ((1, OLD), (2, NEW)):
            told = builders.report(
                0, State.SUCCESS, workflow=workflow_id(number), at=at, log_tail=b"log"
            )
            result(writer.propose(tell(told)))
        yield writer


def archive(writer: StatusWriter) -> int:
    return retention.run(writer, ended_before=CUT, at_seconds=NOW).workflows


def delete(writer: StatusWriter, number: int) -> None:
    gone = WorkflowDeleted(
        workflow_id=workflow_id(number), at=OLD, desired_commit=builders.COMMIT, message=""
    )
    result(writer.propose(tell(gone)))


def paths(repo: GitRepo, ref: str) -> set[str]:
    return set(sites.git(repo.git_dir, "ls-tree", "-r", "--name-only", ref).split())


def test_only_what_ended_long_ago_leaves_the_tip(writer, repo):
    before = paths(repo, "status")
    assert archive(writer) == 1
    of_one = {path for path in before if workflow_id(1) in path}
    assert len(of_one) == 5
    assert paths(repo, "status") == before - of_one | {layout.archived(workflow_id(1))}
    assert paths(repo, "status-archive") == of_one
    assert archive(writer) == 0
    subject = sites.git(repo.git_dir, "log", "-1", "--format=%s", "status").strip()
    assert subject == "1 finished workflow archived"


def test_the_line_that_stays_is_as_its_schema_says(writer, repo):
    archive(writer)
    rules = json.loads(resources.schema_text("status/v1/archived.json"))
    (line,) = (repo.blob_at(repo.branch("status"), layout.archived(workflow_id(1)))).splitlines()
    jsonschema.Draft7Validator(rules).validate(json.loads(line))


def test_everything_about_it_is_still_found(writer, repo):
    before = writer.view
    archive(writer)
    store = StatusStore(repo)
    found = store.read_workflow(workflow_id(1))
    assert found.context.state is State.SUCCESS
    assert store.read_rendered(workflow_id(1)) == builders.HELLO
    assert store.read_log(workflow_id(1), action_index=0, attempt=1) == b"log"
    assert store.read_data(workflow_id(1))[1][0].content == b"data"
    assert set(store.list_workflows()) == {each.id for each in store.iterate_workflows()}
    assert set(store.list_workflows()) == set(before.workflows)


def test_a_view_is_the_same_before_and_after_so_no_request_runs_again(writer, repo):
    archive(writer)
    result(writer.refresh())
    loaded = StatusStore(repo).load()
    sites.same_content(loaded, writer.view)
    path = f"workflows/{workflow_id(1)}.yaml"
    assert loaded.requests[path] == writer.view.requests[path] == workflow_id(1)
    checkpoint.save(writer.store)
    sites.same_content(checkpoint.load(writer.store), loaded)


def test_an_archived_workflow_can_still_be_deleted_and_be_archived_again(writer, repo):
    archive(writer)
    delete(writer, 1)
    store = StatusStore(repo)
    sites.same_content(store.load(), writer.view)
    assert store.read_workflow(workflow_id(1)).context.is_deleted
    result(writer.propose(create(sites.record(4))))
    assert archive(writer) == 1
    sites.same_content(store.load(), writer.view)
    assert store.read_workflow(workflow_id(1)).context.is_deleted
    assert fsck.check(repo).problems == ()
    sites.fsck(repo.git_dir)


def test_a_view_is_brought_past_an_archiving_without_reading_it_all(writer, repo, monkeypatch):
    before = writer.view
    archive(writer)
    delete(writer, 2)
    store = StatusStore(repo)
    loaded = store.load()
    monkeypatch.setattr(store, "load", None)
    sites.same_content(store.catch_up(before), loaded)


def test_what_came_and_was_archived_since_the_last_checkpoint_is_known(writer, repo):
    """Its files are in neither commit, and its request must not run again."""
    checkpoint.save(writer.store)
    seen = writer.view
    result(writer.propose(create(sites.record(4))))
    for state in (State.RUNNING, State.SUCCESS):
        told = builders.report(0, state, workflow=workflow_id(4), at=OLD)
        result(writer.propose(tell(told)))
    assert archive(writer) == 2
    delete(writer, 1)
    result(writer.propose(create(sites.record(5))))
    for view in (checkpoint.load(writer.store), StatusStore(repo).catch_up(seen)):
        assert workflow_id(4) in view.requests.values()
        sites.same_content(view, StatusStore(repo).load())
    checkpoint.save(writer.store)
    sites.same_content(checkpoint.load(writer.store), StatusStore(repo).load())


def test_it_stops_between_two_commits_when_the_server_is_closing(writer, repo, monkeypatch):
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    asked = iter((False, True))
    found = retention.run(
        writer,
        ended_before="2028-01-01T00:00:00.000000Z",
        at_seconds=NOW,
        is_closing=lambda: next(asked),
    )
    assert found.workflows == 1
    assert fsck.check(repo).problems == ()
    left = {layout.status(workflow_id(each)) for each in (1, 2)} & paths(repo, "status")
    assert len(left) == 1


def test_a_clone_finds_what_is_in_the_archive_of_its_remote(writer, repo, tmp_path):
    archive(writer)
    sites.git(tmp_path, "clone", "-q", str(repo.git_dir), "clone")
    with closing(GitRepo(tmp_path / "clone")) as clone:
        tip = clone.resolve("refs/remotes/origin/status")
        found = StatusStore(clone).read_workflow(workflow_id(1), tip)
    assert found.context.state is State.SUCCESS


def test_the_age_is_counted_in_days_from_now():
    assert retention.days_before(86_400 * 31, 30) == "1970-01-02T00:00:00.000000Z"


def test_what_happens_meanwhile_keeps_a_workflow_in_the_tip(writer, repo):
    rows = [
        row for row in writer.store.read_rows(repo.branch("status")) if row.id == workflow_id(1)
    ]
    delete(writer, 1)
    result(writer.archive(rows))
    assert layout.status(workflow_id(1)) in paths(repo, "status")


def test_fsck_follows_what_was_archived(writer, repo):
    before = repo.branch("status")
    archive(writer)
    assert fsck.check(repo).problems == ()
    assert fsck.check(repo, since=before).problems == ()
    after = repo.branch("status")
    delete(writer, 1)
    assert fsck.check(repo, since=after).problems == ()


def test_fsck_misses_an_archive_that_is_gone(writer, repo):
    archive(writer)
    sites.git(repo.git_dir, "update-ref", "-d", "refs/heads/status-archive")
    assert [each.code for each in fsck.check(repo).problems] == ["fsck.archive"]


def test_fsck_misses_a_line_of_a_list(repo, writer):
    archive(writer)
    writer.close()
    tamper(repo, FileChange(path=layout.archived(workflow_id(1)), content=b""))
    assert [each.code for each in fsck.check(repo).problems] == ["fsck.archive"]
