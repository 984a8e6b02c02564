"""A status branch that something has happened to does not get past `tink fsck`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model import state_machine
from provisioner.model.event import WorkflowDeleted
from provisioner.model.ids import BlobId, CommitId, TreeId
from provisioner.model.state import State
from provisioner.store.fsck import fsck, known_workflows
from provisioner.store.guard import recovery
from provisioner.store.status import codec, layout, record_codec
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, tamper, workflow_id


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    """A branch on which workflow 1 has ended, 2 runs, and 3 waits."""
    with closing(sites.bare(tmp_path / "repo")) as repo:
        with closing(StatusWriter(repo)) as writer:
            result(writer.propose(create(*map(sites.record, (1, 2, 3)))))
            result(writer.propose(report(1, 0, State.RUNNING)))
            with writer.write_data_files([NewFile(path="d/a", content=b"a")]) as (tree, files):
                result(writer.propose(sites.push(1, 1, tree, files)))
            result(writer.propose(report(1, 0, State.SUCCESS, log_tail=b"log")))
            result(writer.propose(report(2, 0, State.RUNNING)))
            gone = WorkflowDeleted(
                workflow_id=workflow_id(1),
                at=builders.AT,
                desired_commit=builders.COMMIT,
                message="deleted",
            )
            result(writer.propose(sites.tell(gone)))
        yield repo


def codes(repo: GitRepo, since: CommitId | None = None) -> list[str]:
    """What one process finds; several may say more of it, and never less."""
    found = [each.code for each in fsck.check(repo, since=since).problems]
    told = {each.code for each in fsck.check(repo, since=since, processes=3).problems}
    assert bool(found) == bool(told)
    assert set(found) <= told
    return found


def test_an_honest_branch_has_no_problem_and_is_counted(repo):
    seen = []
    found = fsck.check(repo, progress=lambda done, total: seen.append((done, total)))
    assert found.problems == ()
    assert (found.commit, found.commits) == (repo.branch("status"), 7)
    assert (found.workflows, found.events) == (3, 5)
    assert seen[-1] == (7, 7)
    seen.clear()
    assert fsck.check(repo, progress=lambda *pair: seen.append(pair), processes=4) == found
    assert seen[-1] == (7, 7)


def test_what_was_let_go_of_is_read_again(repo, monkeypatch):
    monkeypatch.setattr(known_workflows, "WORKFLOWS_LIMIT", 1)
    with closing(StatusWriter(repo)) as writer:
        for number in (3, 2, 3):
            told = State.SUCCESS if number == 2 else State.RUNNING
            result(writer.propose(report(number, 0, told)))
    path, content = status_of(repo, 3)
    assert (fsck.check(repo).problems, fsck.check(repo).events) == ((), 7)
    tamper(repo, FileChange(path=path, content=content.replace(b"10:00", b"09:00")))
    assert codes(repo) == ["fsck.history"]


def test_an_empty_repository_has_no_problem(tmp_path):
    with closing(sites.empty(tmp_path / "empty")) as empty:
        assert fsck.check(empty) == fsck.FsckReport(commit=None)


def test_a_changed_record_is_found(repo):
    record = replace(sites.record(2), name="another")
    content = record_codec.encode_record(record)
    tamper(repo, FileChange(path=layout.record(workflow_id(2)), content=content))
    assert codes(repo) == ["fsck.record"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name": "action_0"', b'"name": ["action_0"]'),
        (b'"name": "action_0"', b'"title": "action_0"'),
        (b'"actions": [{', b'"actions": ["x", {'),
        (b'"actions": [{', b'"actions":  [{'),
        (b'"id": "', b'"id": "0'),
        (b"}\n", b""),
        (b"{\n", b"[\n"),
        (b"\n", b"\xff\n"),
    ],
)
def test_a_record_that_is_not_as_we_write_it_is_found(repo, old, new):
    content = record_codec.encode_record(replace(sites.record(4), arrival=4))
    assert old in content
    changed = content.replace(old, new, 1)
    tamper(repo, FileChange(path=layout.record(workflow_id(4)), content=changed))
    assert codes(repo) in (["fsck.record"], ["status.format"])


@pytest.mark.parametrize("path", [layout.record, layout.rendered, layout.status])
def test_a_vanished_file_is_found(repo, path):
    tamper(repo, FileChange(path=path(workflow_id(3))))
    assert codes(repo) in (["fsck.record"], ["fsck.status"])


def test_a_vanished_or_changed_log_is_found(repo):
    path = layout.log(workflow_id(1), action_index=0, action_name="action_0", attempt=1)
    tamper(repo, FileChange(path=path, content=b"another"))
    tamper(repo, FileChange(path=path))
    assert codes(repo) == ["fsck.log", "fsck.log"]


def status_of(repo: GitRepo, number: int) -> tuple[str, bytes]:
    path = layout.status(workflow_id(number))
    content = repo.blob_at(repo.branch("status") or "", path)
    assert content
    return path, content


def test_a_state_that_its_events_do_not_lead_to_is_found(repo):
    path, content = status_of(repo, 2)
    changed = content.replace(b'"state": "STATE_RUNNING"', b'"state": "STATE_SUCCESS"')
    tamper(repo, FileChange(path=path, content=changed))
    assert codes(repo) == ["status.replay"]


def test_a_changed_event_is_found_even_when_it_is_changed_back(repo):
    path, content = status_of(repo, 2)
    tamper(repo, FileChange(path=path, content=content.replace(b"10:00:00", b"09:00:00")))
    tamper(repo, FileChange(path=path, content=content))
    assert codes(repo) == ["fsck.history", "fsck.history"]


def test_an_event_that_was_not_allowed_is_found(repo):
    entry = StatusStore(repo).read_workflow(workflow_id(1))
    late = builders.report(0, State.FAILED, workflow=workflow_id(1))
    lines = [codec.encode_event(each) for each in (*entry.events, late)]
    context = state_machine.evolve(entry.context, late)
    content = codec.encode_status(context, lines, entry.record_id)
    tamper(repo, FileChange(path=layout.status(workflow_id(1)), content=content))
    assert codes(repo) == ["fsck.event"]


def test_data_that_is_not_what_the_event_says_is_found(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(sites.push(2, 1, TreeId("7" * 40))))
    assert codes(repo) == ["fsck.data"]


def test_a_file_of_somebody_else_among_ours_is_found(repo):
    tamper(repo, FileChange(path="status/2026/11/23/00/notes.json", content=b"{}"))
    assert codes(repo) == ["fsck.path"]


@pytest.mark.parametrize("folder", [layout.RECORDS, layout.LOGS, layout.STATUS])
def test_a_file_in_place_of_a_whole_folder_is_found(repo, folder):
    tamper(repo, FileChange(path=folder, content=b"x"))
    assert "fsck.path" in codes(repo)


def test_a_name_of_two_lines_does_not_confuse_the_reading(repo):
    path = "status/2026/11/23/00/one\ntwo.json"
    for content in (b"{}", b"{ }"):
        tamper(repo, FileChange(path=path, content=content))
    assert codes(repo) == ["fsck.path", "fsck.path"]


def test_of_several_processes_the_later_go_on_from_what_the_earlier_proved(repo):
    path, content = status_of(repo, 2)
    broken = content.replace(b'"state": "STATE_RUNNING"', b'"state": "STATE_SUCCESS"')
    tamper(repo, FileChange(path=path, content=broken))
    tamper(repo, FileChange(path=path, content=content))
    for processes in (1, 2, 7, 100):
        assert "status.replay" in {
            each.code for each in fsck.check(repo, processes=processes).problems
        }


def test_a_damaged_repository_is_told_by_whichever_process_meets_it(repo):
    blob = repo.entry_at(repo.branch("status") or "", layout.status(workflow_id(3))).id
    for pack in (repo.objects_dir / "pack").glob("pack-*"):
        pack.rename(repo.git_dir / pack.name)
    for pack in repo.git_dir.glob("pack-*.pack"):
        sites.git(repo.git_dir, "unpack-objects", "-q", stdin=pack.read_bytes())
    (repo.objects_dir / blob[:2] / blob[2:]).unlink()
    for processes in (1, 3):
        found = fsck.check(repo, processes=processes).problems
        assert any(blob in each.message and each.code == "fsck.missing" for each in found)


def test_since_looks_only_at_what_came_after(repo):
    before = repo.branch("status")
    path, content = status_of(repo, 2)
    broken = tamper(repo, FileChange(path=path, content=content.replace(b"10:00", b"09:00")))
    assert codes(repo, before) == ["fsck.history"]
    assert codes(repo, broken) == []
    recovery.request(repo, *recovery.choices(repo, "status"))  # or the writer stops
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(4))))
        result(writer.propose(report(3, 0, State.RUNNING)))
    found = fsck.check(repo, since=broken)
    assert (found.problems, found.commits, found.events) == ((), 2, 1)


def test_a_rewritten_history_is_found_by_since(repo):
    old = repo.branch("status")
    assert old
    repo.move_ref("refs/heads/status", expected=old, new=repo.commit(old).parents[0])
    assert codes(repo, old) == ["fsck.rewritten"]


def test_a_merge_is_found(repo):
    tip = repo.branch("status")
    assert tip
    words = ("-p", tip, "-p", repo.commit(tip).parents[0], "-m", "merge", repo.commit(tip).tree)
    merge = CommitId(sites.git(repo.git_dir, "commit-tree", *words).strip())
    repo.move_ref("refs/heads/status", expected=tip, new=merge)
    assert codes(repo) == ["fsck.merge"]


@pytest.mark.parametrize("named", ["", "f" * 40])
def test_a_status_file_that_names_another_record_or_none_is_found(repo, named):
    entry = StatusStore(repo).read_workflow(workflow_id(2))
    lines = [codec.encode_event(each) for each in entry.events]
    content = codec.encode_status(entry.context, lines, BlobId(named))
    tamper(repo, FileChange(path=layout.status(workflow_id(2)), content=content))
    assert codes(repo) == ["status.record"]


def test_a_format_that_goes_back_or_vanishes_is_found(repo):
    for content in (codec.encode_format(1), codec.encode_format(), None):
        tamper(repo, FileChange(path=layout.FORMAT, content=content))
    assert codes(repo) == ["fsck.format", "fsck.format"]


@pytest.mark.parametrize("path", [layout.record, layout.status])
def test_an_object_that_is_missing_is_found_and_the_rest_is_checked(repo, path):
    sites.unpack(repo)
    entry = repo.entry_at(repo.branch("status") or "", path(workflow_id(2)))
    assert entry is not None
    (repo.objects_dir / entry.id[:2] / entry.id[2:]).unlink()
    tamper(repo, FileChange(path="status/2026/11/23/00/notes.json", content=b"{}"))
    with closing(GitRepo(repo.common_dir)) as again:
        found = fsck.check(again, processes=1)
    assert {each.code for each in found.problems} == {"fsck.missing", "fsck.path"}
    assert path(workflow_id(2)) in {each.path for each in found.problems}


def test_a_list_of_archived_workflows_that_is_no_list_is_found(repo):
    tamper(repo, FileChange(path=layout.archived(workflow_id(1)), content=b"[]\n"))
    assert codes(repo) == ["fsck.archive"]
