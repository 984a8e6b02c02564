"""The ref's file and its lock take turns with spare ones: no inode is made or deleted."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git import spare_files
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result

REF = "refs/heads/status"


def commits(count: int) -> list[CommitId]:
    return [CommitId(f"{number:040x}") for number in range(1, count + 1)]


@pytest.fixture
def lock(tmp_path: Path) -> RefLock:
    (tmp_path / "spare").mkdir()
    return RefLock(tmp_path, REF, spares=tmp_path / "spare")


def move(lock: RefLock, expected: CommitId | None, new: CommitId) -> None:
    assert lock.try_take(expected=expected, new=new)
    lock.move()


def test_a_ref_is_moved_many_times_with_the_same_few_files(lock, tmp_path):
    expected = None
    inodes = set()
    for commit in commits(50):
        move(lock, expected, commit)
        expected = commit
        assert (tmp_path / REF).read_text() == f"{commit}\n"
        assert not lock.path.exists()
        inodes.add((tmp_path / REF).stat().st_ino)
    assert len(inodes) <= spare_files.COUNT + 1


def test_who_has_opened_the_ref_reads_what_it_was(lock, tmp_path):
    one, two, three = commits(3)
    move(lock, None, one)
    with (tmp_path / REF).open() as opened:
        move(lock, one, two)
        move(lock, two, three)
        assert opened.read() == f"{one}\n"


def test_a_lock_that_is_held_is_left_alone(lock, tmp_path):
    one, two = commits(2)
    move(lock, None, one)
    lock.path.write_text("git's own")
    assert not lock.try_take(expected=one, new=two)
    assert lock.path.read_text() == "git's own"
    lock.path.unlink()
    move(lock, one, two)


def test_a_file_that_git_wrote_does_not_become_a_spare(lock, tmp_path):
    one, two, three = commits(3)
    move(lock, None, one)
    (tmp_path / REF).unlink()
    (tmp_path / REF).write_text(f"{two}\n")  # as git moves it: another file
    theirs = (tmp_path / REF).stat().st_ino
    move(lock, two, three)
    assert theirs not in {each.stat().st_ino for each in (tmp_path / "spare").iterdir()}


def test_without_the_means_of_the_file_system_it_is_done_the_plain_way(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(spare_files, "_rename", refuse)
    (tmp_path / "spare").mkdir()
    lock = RefLock(tmp_path, REF, spares=tmp_path / "spare")
    one, two = commits(2)
    move(lock, None, one)
    move(lock, one, two)
    assert (tmp_path / REF).read_text() == f"{two}\n"


def test_a_ref_that_shows_an_old_value_after_a_power_cut_is_put_right(tmp_path):
    """A spare file may come back with what it held many batches ago."""
    with closing(sites.bare(tmp_path / "repo")) as repo:
        with closing(StatusWriter(repo)) as writer:
            result(writer.propose(create(*map(sites.record, range(3)))))
            old = repo.branch("status")
        with closing(StatusWriter(repo)) as writer:  # its journal knows nothing of that one
            result(writer.propose(report(1, 0, State.RUNNING)))
            result(writer.propose(report(2, 0, State.RUNNING)))
            tip = repo.branch("status")
            journals = {path: path.read_bytes() for path in repo.own_dir.glob("journal-*")}
        assert old and tip and old != tip
        for path, content in journals.items():
            path.write_bytes(content)  # as if the writer had not ended in order
        os.truncate(repo.common_dir / REF, 0)
        (repo.common_dir / REF).write_text(f"{old}\n")
        with closing(StatusWriter(repo)) as writer:
            assert writer.view.commit == tip
        sites.fsck(repo.git_dir)


def test_journals_that_are_full_soon_grow_and_are_read_to_their_end(tmp_path):
    with closing(sites.bare(tmp_path / "repo")) as repo:
        with closing(StatusWriter(repo)) as writer:
            result(writer.propose(create(*map(sites.record, range(200)))))
            noise = os.urandom
            for number in range(200):  # 64 KB each, which don't shrink
                result(writer.propose(report(number, 0, State.RUNNING)))
                log = noise(65_536)
                result(writer.propose(report(number, 0, State.FAILED, log_tail=log)))
            tip = repo.branch("status")
            sizes = {path.stat().st_size for path in repo.own_dir.glob("journal-*")}
            journals = {path: path.read_bytes() for path in repo.own_dir.glob("journal-*")}
        assert max(sizes) > 4 * 1024 * 1024
        for path, content in journals.items():
            path.write_bytes(content)
        repo = GitRepo(tmp_path / "repo")
        with closing(StatusWriter(repo)) as writer:
            assert writer.view.commit == tip
