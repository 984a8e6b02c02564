"""A checkpoint makes a start quick and never wrong."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.state import State
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id


def write(repo: GitRepo, first: int) -> None:
    """Have ten workflows in all states, from number `first` on."""
    with closing(StatusWriter(repo, load=StatusStore.load)) as writer:
        records = (sites.record(first + each, builders.ONE, builders.TWO) for each in range(10))
        result(writer.propose(create(*records)))
        for number in range(first, first + 5):
            result(writer.propose(report(number, 0, State.RUNNING)))
        result(writer.propose(report(first, 0, State.FAILED)))
        moved = RequestMoved(
            workflow_id=workflow_id(first + 1),
            at=builders.AT,
            desired_commit=builders.COMMIT,
            request_path=f"workflows/größe-{first}.yaml",
        )
        result(writer.propose(sites.tell(moved)))
        for number in (first + 2, first):
            gone = WorkflowDeleted(
                workflow_id=workflow_id(number),
                at=builders.AT,
                desired_commit=builders.COMMIT,
                message="",
            )
            result(writer.propose(sites.tell(gone)))


def checkpoint_file(repo: GitRepo) -> Path:
    (path,) = repo.own_dir.glob("checkpoint-*.json")
    return path


def test_a_start_from_the_checkpoint_is_a_start_without(repo):
    write(repo, 0)
    store = StatusStore(repo)
    assert checkpoint.save(store) == repo.branch("status")
    sites.same_content(checkpoint.load(store), store.load())
    write(repo, 10)
    sites.same_content(checkpoint.load(store), store.load())
    assert checkpoint.save(store) == repo.branch("status")
    sites.same_content(checkpoint.load(StatusStore(repo)), store.load())


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "other version", "not json"])
def test_a_damaged_checkpoint_is_as_good_as_none(repo, harm):
    write(repo, 0)
    store = StatusStore(repo)
    checkpoint.save(store)
    path = checkpoint_file(repo)
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-10],
            "flipped": content.replace(b"STATE_FAILED", b"STATE_SUCCES"),
            "empty": b"",
            "other version": content.replace(b'"version": 2', b'"version": 1'),
            "not json": b"\xff\n\xff",
        }[harm]
    )
    sites.same_content(checkpoint.load(store), store.load())


def test_a_checkpoint_of_a_history_that_was_rewritten_is_not_believed(repo):
    write(repo, 0)
    old = repo.branch("status")
    assert old
    write(repo, 10)
    store = StatusStore(repo)
    checkpoint.save(store)
    repo.move_ref("refs/heads/status", expected=repo.branch("status"), new=old)
    sites.same_content(checkpoint.load(store), store.load())
    assert checkpoint.save(store) == old
    sites.same_content(checkpoint.load(store), store.load())


def test_a_checkpoint_of_another_repository_is_not_believed(repo, tmp_path):
    write(repo, 0)
    checkpoint.save(StatusStore(repo))
    with closing(sites.bare(tmp_path / "other")) as other:
        with closing(StatusWriter(other)) as writer:
            result(writer.propose(create(sites.record(77))))
        (other.own_dir / checkpoint_file(repo).name).write_bytes(checkpoint_file(repo).read_bytes())
        store = StatusStore(other)
        sites.same_content(checkpoint.load(store), store.load())


def test_an_empty_repository_needs_none(tmp_path):
    with closing(sites.empty(tmp_path / "empty")) as repo:
        assert checkpoint.save(StatusStore(repo)) is None
        assert checkpoint.load(StatusStore(repo)).commit is None


def test_requests_that_mean_the_same_are_all_found_by_their_digest(repo):
    with closing(StatusWriter(repo)) as writer:
        records = [sites.record(each) for each in range(3)]
        twins = (records[0], replace(records[1], request_digest=records[0].request_digest))
        result(writer.propose(create(*twins, records[2])))
        expected = dict(writer.view.by_digest)
    checkpoint.save(StatusStore(repo))
    view = checkpoint.load(StatusStore(repo))
    assert dict(view.by_digest) == expected
    assert sorted(map(len, expected.values())) == [1, 2]


def test_a_path_belongs_to_the_last_that_took_it(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(*map(sites.record, range(3)))))
        taken = writer.view.workflows[workflow_id(2)].record.request_path
        moved = RequestMoved(
            workflow_id=workflow_id(0),
            at="2027-01-01T00:00:00.000000Z",
            desired_commit=builders.COMMIT,
            request_path=taken,
        )
        result(writer.propose(sites.tell(moved)))
        assert writer.view.requests[taken] == workflow_id(0)
    checkpoint.save(StatusStore(repo))
    sites.same_content(checkpoint.load(StatusStore(repo)), StatusStore(repo).load())
    assert checkpoint.load(StatusStore(repo)).requests[taken] == workflow_id(0)
