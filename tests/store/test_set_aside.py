"""One bad thing is one bad thing: a damaged file sets its own workflow aside and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model import state_machine
from provisioner.model.ids import BlobId
from provisioner.model.set_aside import Damaged, SetAside
from provisioner.model.shard_map import ShardMap
from provisioner.model.state import State
from provisioner.model.views import DesiredState, Snapshot, StatusView
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning import planner
from provisioner.services.conditions import Conditions
from provisioner.services.damage_watch import DamageWatch
from provisioner.services.queries import Queries
from provisioner.services.stored_files import StoredFiles
from provisioner.store.fsck import fsck
from provisioner.store.guard import mending
from provisioner.store.status import checkpoint, codec, layout, record_codec
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import retention
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, tamper, workflow_id

BAD, BEHIND, OTHER = workflow_id(1), workflow_id(2), workflow_id(3)
RECORD, STATUS = layout.record(BAD), layout.status(BAD)


@pytest.fixture
def busy(repo: GitRepo) -> GitRepo:
    """Of one machine a workflow under way and one behind it; of another machine one."""
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1), sites.record(2))))
        result(writer.propose(create(sites.record(3, builders.TWO))))
        result(writer.propose(report(1, 0, State.RUNNING)))
    return repo


def harmed(repo: GitRepo, *changes: FileChange) -> None:
    """Damage a branch that the next server takes up as it is."""
    tamper(repo, *changes)
    sites.forget(repo)


def content(repo: GitRepo, path: str) -> bytes:
    found = repo.blob_at(repo.branch("status") or "", path)
    assert found is not None
    return found


Harm = Callable[[bytes, bytes], FileChange]  # of a record and a status file

HARMS: dict[str, Harm] = {
    "status is garbage": lambda record, status: FileChange(path=STATUS, content=b"\xff garbage"),
    "status is empty": lambda record, status: FileChange(path=STATUS, content=b""),
    "status is cut": lambda record, status: FileChange(path=STATUS, content=status[:-40]),
    "status is gone": lambda record, status: FileChange(path=STATUS),
    "status is padded": lambda record, status: FileChange(
        path=STATUS, content=status + b" " * 1_000_000
    ),
    "status is of another": lambda record, status: FileChange(
        path=STATUS, content=status.replace(BAD.encode(), BEHIND.encode())
    ),
    "state is unknown": lambda record, status: FileChange(
        path=STATUS, content=status.replace(b"STATE_RUNNING", b"STATE_WARP")
    ),
    "state is no text": lambda record, status: FileChange(
        path=STATUS, content=status.replace(b'"state": "STATE_RUNNING"', b'"state": []')
    ),
    "record is changed": lambda record, status: FileChange(
        path=RECORD, content=record.replace(b"alpine", b"evil/image")
    ),
    "record's path is no text": lambda record, status: FileChange(
        path=RECORD, content=record.replace(b'"request_path": "', b'"request_path": ["x"], "x": "')
    ),
    "record is garbage": lambda record, status: FileChange(path=RECORD, content=b"{"),
    "record is gone": lambda record, status: FileChange(path=RECORD),
    "record's workers are no list": lambda record, status: FileChange(
        path=RECORD, content=record.replace(b'"workers": [', b'"workers": 7, "x": [')
    ),
}


def checked(repo: GitRepo, view: StatusView) -> None:
    """What has to hold of a view, however it came to be."""
    bad = view.workflows[BAD]
    assert isinstance(bad, SetAside) and view.set_aside[BAD] is bad
    assert bad.problem.path in (RECORD, STATUS)
    with pytest.raises(Damaged, match=f"workflow {BAD} is set aside"):
        _ = bad.context
    # It holds its places, so that nothing overtakes it and its request does not run again.
    assert view.queues[builders.ONE] == (BAD, BEHIND)
    assert view.requests[sites.record(1).request_path] == BAD
    assert view.by_digest[sites.record(1).request_digest] == (BAD,)
    assert bad.last is not None and bad.last.state is State.RUNNING
    queries = Queries(Snapshot(desired=DesiredState(), status=view))
    assert queries.offer(builders.ONE) is None
    assert queries.waiting_reason(BEHIND) == (f"waiting behind workflow {BAD}, which is set aside")
    due = queries.offer(builders.TWO)
    assert due is not None and due.record.id == OTHER
    assert view.arrivals == 3


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_file_sets_its_workflow_aside_and_no_other(busy, harm):
    store = StatusStore(busy)
    before = store.load()
    record, status = content(busy, RECORD), content(busy, STATUS)
    harmed(busy, harm(record, status))
    checked(busy, StatusStore(busy).load())
    checked(busy, StatusStore(busy).catch_up(before))
    with closing(StatusWriter(busy)) as writer:
        checked(busy, writer.view)
        result(writer.propose(report(3, 0, State.RUNNING, worker=builders.TWO)))
        with pytest.raises(Damaged):
            result(writer.propose(report(1, 0, State.SUCCESS)))
        checked(busy, writer.view)
        sites.result(writer.propose(create(sites.record(4))))
        assert writer.view.queues[builders.ONE] == (BAD, BEHIND, workflow_id(4))
    assert fsck.check(busy).problems


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_was_known_last_is_put_back_and_goes_on(busy, harm):
    record, status = content(busy, RECORD), content(busy, STATUS)
    harmed(busy, harm(record, status))
    store = StatusStore(busy)
    damaged = store.load()
    with closing(StatusWriter(busy)) as writer:
        done = mending.run(writer)
        assert set(done.paths) == {RECORD, STATUS} and not done.left
    assert (content(busy, RECORD), content(busy, STATUS)) == (record, status)
    for view in (StatusStore(busy).load(), store.catch_up(damaged)):
        assert not len(view.set_aside)
        assert view.workflows[BAD].context.state is State.RUNNING
    with closing(StatusWriter(busy)) as writer:
        result(writer.propose(report(1, 0, State.SUCCESS)))
        assert writer.view.queues[builders.ONE] == (BEHIND,)


def test_a_finished_workflow_that_is_damaged_holds_up_nobody_and_does_not_run_again(busy):
    with closing(StatusWriter(busy)) as writer:
        result(writer.propose(report(1, 0, State.SUCCESS)))
    harmed(busy, FileChange(path=STATUS, content=b"?"))
    view = StatusStore(busy).load()
    assert view.queues[builders.ONE] == (BEHIND,)
    assert view.requests[sites.record(1).request_path] == BAD


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"attempt": 1, "action_status"', b'"action_status"'),
        (b'"kind": "action_reported"', b'"kind": ' + b"[" * 100_000),
        (b'"event_count": 1', b'"event_count": 2'),
    ],
)
def test_damage_that_shows_only_when_a_workflow_is_read_is_reported(busy, old, new):
    """Its lines are as they should be, and its events are not."""
    status = content(busy, STATUS)
    harmed(busy, FileChange(path=STATUS, content=status.replace(old, new)))
    store = StatusStore(busy)
    view = store.load()
    calls: list[int] = []
    store.reader.on_damage = lambda: calls.append(len(store.reader.damaged))
    queries = Queries(Snapshot(desired=DesiredState(), status=view))
    assert queries.offer(builders.ONE) is None
    assert queries.offer(builders.ONE) is None
    assert queries.offer(builders.TWO) is not None
    assert calls == [1]
    assert store.reader.damaged[BAD].path == STATUS
    with closing(StatusWriter(busy)) as writer:
        assert set(mending.run(writer).paths) == {RECORD, STATUS}
    assert content(busy, STATUS) == status
    assert store.catch_up(view).readable(BAD)
    assert (calls, dict(store.reader.damaged)) == ([1, 0], {})


@pytest.mark.parametrize("kind", ["missing", "corrupt"])
@pytest.mark.parametrize("path", [RECORD, STATUS])
def test_an_object_that_the_disk_lost_sets_its_workflow_aside(busy, kind, path):
    """The disk took a blob: nothing of it can be known, and the others go on."""
    sites.unpack(busy)
    entry = busy.entry_at(busy.branch("status"), path)
    assert entry is not None
    file = busy.objects_dir / entry.id[:2] / entry.id[2:]
    file.chmod(0o600)
    if kind == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-7] + b"garbage")
    with closing(GitRepo(busy.common_dir)) as again:
        view = StatusStore(again).load()
        assert set(view.set_aside) == {BAD}
        assert not view.readable(BAD)
        assert view.readable(OTHER) and view.readable(BEHIND)
        rows = StatusStore(again).iterate_workflows()
        assert {each.id for each in rows} == {BEHIND, OTHER}
    # What was known before may lack a report that was acknowledged: it is not put back.
    with closing(GitRepo(busy.common_dir)) as again, closing(StatusWriter(again)) as writer:
        done = mending.run(writer)
        assert (done.paths, [each.path for each in done.left]) == ((), [path])


def test_a_file_of_no_workflow_is_reported_and_nothing_else(busy):
    harmed(busy, FileChange(path="status/x/y.json", content=b"{}"))
    harmed(busy, FileChange(path=f"status/x/{BAD}.json", content=b"{}"))
    view = StatusStore(busy).load()
    assert [each.path for each in view.damage] == [f"status/x/{BAD}.json", "status/x/y.json"]
    assert not len(view.set_aside)
    with closing(StatusWriter(busy)) as writer:
        mending.run(writer)
    assert StatusStore(busy).catch_up(view).damage == ()


@pytest.mark.parametrize("bad", [b"{", b"", b"[]", b'{"at": 1}'])
def test_a_damaged_reconcile_report_is_made_anew_from_what_was_in_force(busy, bad):
    in_force = {"hardware/a.yaml": "a" * 40}
    good = {"desired_commit": builders.COMMIT, "at": "", "problems": [], "in_force": in_force}
    harmed(busy, FileChange(path=layout.RECONCILE, content=json.dumps(good).encode()))
    before = StatusStore(busy).load()
    harmed(busy, FileChange(path=layout.RECONCILE, content=bad))
    for view in (StatusStore(busy).load(), StatusStore(busy).catch_up(before)):
        assert [each.path for each in view.damage] == [layout.RECONCILE]
        assert view.reconcile.in_force == tuple(in_force.items())
        assert view.reconcile != before.reconcile  # so that it is written again


@pytest.mark.parametrize("bad", [b"{", b"", None, b'{"version": "x"}'])
def test_a_damaged_format_file_is_written_again_by_the_next_commit(busy, bad):
    harmed(busy, FileChange(path=layout.FORMAT, content=bad))
    view = StatusStore(busy).load()
    assert [each.path for each in view.damage] == [layout.FORMAT]
    with closing(StatusWriter(busy)) as writer:
        result(writer.propose(report(1, 0, State.SUCCESS)))
        assert writer.view.damage == ()
    assert content(busy, layout.FORMAT) == codec.encode_format()


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: None,
        lambda lines: b"",
        lambda lines: lines.replace(b'"state"', b'"estate"', 1),
        lambda lines: b"\xff\n" + lines.partition(b"\n")[2],
        lambda lines: lines[:-9],
        lambda lines: b"[]\n7\n",
    ],
)
def test_what_a_damaged_list_of_archived_workflows_lost_is_found_in_the_archive(busy, harm):
    with closing(StatusWriter(busy)) as writer:
        result(writer.propose(report(1, 0, State.SUCCESS)))
        result(writer.propose(report(2, 0, State.RUNNING)))
        result(writer.propose(report(2, 0, State.SUCCESS)))
    with closing(StatusWriter(busy)) as writer:
        assert retention.run(writer, ended_before="2100", at_seconds=0).workflows == 2
    whole = StatusStore(busy).load()
    path = layout.archived(BAD)
    lines = content(busy, path)
    harmed(busy, FileChange(path=path, content=harm(lines)))
    view = StatusStore(busy).load()
    assert [each.path for each in view.damage] == [path]
    sites.same_content(replace(view, commit=whole.commit, damage=()), whole)
    assert view.requests[sites.record(1).request_path] == BAD
    with closing(StatusWriter(busy)) as writer:
        mending.run(writer)
    assert sorted(content(busy, path).splitlines()) == sorted(lines.splitlines())
    assert StatusStore(busy).load().damage == ()


def test_a_branch_with_damage_leaves_no_checkpoint_that_hides_it(busy):
    store = StatusStore(busy)
    checkpoint.save(store)
    tamper(busy, FileChange(path=STATUS, content=b"?"))
    checkpoint.save(store)
    checked(busy, checkpoint.load(StatusStore(busy), busy.branch("status")))


def test_a_record_of_version_1_that_was_changed_is_found_by_who_saw_it_before(busy):
    """Its status file does not name it, so a start can't tell."""
    old = replace(sites.record(9), arrival=None)
    begun = codec.encode_status(state_machine.begin(old.id, 1), ())
    tamper(
        busy,
        FileChange(path=layout.record(old.id), content=record_codec.encode_record(old)),
        FileChange(path=layout.status(old.id), content=begun),
    )
    view = StatusStore(busy).load()
    assert view.readable(old.id)
    changed = record_codec.encode_record(replace(old, name="another"))
    harmed(busy, FileChange(path=layout.record(old.id), content=changed))
    assert set(StatusStore(busy).catch_up(view).set_aside) == {old.id}


def test_ephemeral_data_that_the_disk_lost_is_reported_until_it_is_there_again(busy):
    some = [NewFile(path="d/a", content=b"1")]
    with (
        closing(StatusWriter(busy)) as writer,
        writer.write_data_files(some) as (tree, files),
    ):
        result(writer.propose(sites.push(1, 1, tree, files)))
    sites.unpack(busy)
    inside = busy.tree(tree)[0].id
    file = busy.objects_dir / inside[:2] / inside[2:]
    content = file.read_bytes()
    file.unlink()
    with closing(GitRepo(busy.common_dir)) as again:
        store = StatusStore(again)
        conditions = Conditions()
        watch = DamageWatch(conditions, store.load)
        watch.begin(store.reader)
        assert not conditions.current
        with pytest.raises(Damaged, match=layout.data(BAD)):
            StoredFiles(store).read_data(BAD, tree)
        (condition,) = conditions.current
        assert layout.data(BAD) in condition.message and condition.is_partial
        assert watch.workflows == 1
        file.write_bytes(content)
        assert [each.path for each in StoredFiles(store).read_data(BAD, tree)] == ["d/a"]
        assert not conditions.current


def plan_of(view: StatusView, request: WorkflowRequest) -> planner.Plan:
    hardware = builders.hardware()
    desired = replace(
        DesiredState(),
        commit=builders.COMMIT,
        requests=ShardMap({request.source.path: request}),
        templates=ShardMap({"hello_world_workflow": builders.template()}),
        hardware=ShardMap({hardware.id: hardware}),
        hardware_by_mac=ShardMap({each.mac: hardware.id for each in hardware.interfaces}),
        paths=ShardMap({request.source.path: BlobId("1" * 40)}),
    )
    return planner.plan(
        desired, view, changed_paths=None, now=builders.AT, new_id=lambda: workflow_id(99)
    )


def test_a_request_that_may_be_of_a_workflow_that_is_set_aside_does_not_run_again(busy):
    """Its record and its status file are lost, and nothing but its id is known."""
    sites.unpack(busy)
    for path in (RECORD, STATUS):
        entry = busy.entry_at(busy.branch("status") or "", path)
        assert entry is not None
        (busy.objects_dir / entry.id[:2] / entry.id[2:]).unlink()
    with closing(GitRepo(busy.common_dir)) as again:
        view = StatusStore(again).load()
    assert view.workflows[BAD].state is State.PENDING
    assert plan_of(StatusView(), builders.request()).creations
    for request in (builders.request(), builders.request(id=BAD)):
        plan = plan_of(view, request)
        assert not plan.creations
        assert [each.code for each in plan.problems] == ["workflow.set-aside"]
        assert BAD in plan.problems[0].message
    # One with an id of its own can't be the one that is lost.
    assert plan_of(view, builders.request(id=workflow_id(50))).creations
