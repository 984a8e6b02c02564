"""git's gc and a writer keep out of each other's way."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing

import pytest

from provisioner.git.gc_lock import GcLock
from provisioner.model.state import State
from provisioner.store.fsck import fsck
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result


def gc(repo, *words):
    return subprocess.run(
        ["git", "-C", str(repo.git_dir), "gc", "-q", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_git_refuses_to_collect_while_a_writer_works_and_does_so_after(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        refused = gc(repo, "--prune=now")
        assert refused.returncode == 128
        assert "gc is already running" in refused.stderr
        assert gc(repo, "--auto").returncode == 0, "a person's commit shows nothing"
    assert gc(repo, "--prune=now").returncode == 0
    sites.fsck(repo.git_dir)


@pytest.mark.parametrize("left", ["", "4194305 {host}", "no number {host}"])
def test_what_a_dead_process_left_is_taken(repo, left, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "build7")
    path = repo.common_dir / "gc.pid"
    path.write_text(left.format(host="build7"))
    lock = GcLock(repo.common_dir)
    assert path.read_text().endswith(" build7")
    assert "4194305" not in path.read_text()
    lock.release()
    assert not path.exists()


def test_a_gc_that_runs_already_keeps_its_lock_until_it_ends(repo, caplog):
    path = repo.common_dir / "gc.pid"
    path.write_text("1 elsewhere")
    lock = GcLock(repo.common_dir)
    lock.refresh()
    assert path.read_text() == "1 elsewhere"
    assert caplog.text.count("git gc runs in") == 1
    lock.release()
    assert path.read_text() == "1 elsewhere"
    path.unlink()
    lock.refresh()
    refused = gc(repo)
    assert "gc is already running" in refused.stderr
    lock.release()


def test_a_lock_of_another_machine_is_taken_when_git_would_take_it(repo):
    """A container has a new host name at each start: what a killed one left is not for ever."""
    path = repo.common_dir / "gc.pid"
    path.write_text("1 elsewhere")
    os.utime(path, (0, 0))
    lock = GcLock(repo.common_dir)
    assert path.read_text() != "1 elsewhere"
    assert "gc is already running" in gc(repo).stderr
    lock.release()


def test_what_cannot_be_written_is_logged_once(repo, caplog):
    (repo.common_dir / "gc.pid").mkdir()
    lock = GcLock(repo.common_dir)
    lock.refresh()
    assert caplog.text.count("git gc can't be kept from") == 1


def test_a_lock_is_renewed_before_git_takes_it_for_stale(repo):

    lock = GcLock(repo.common_dir)
    path = repo.common_dir / "gc.pid"
    os.utime(path, (0, 0))
    lock.refresh()
    assert path.stat().st_mtime > 1_000_000_000
    lock.release()


def test_a_start_restores_the_indexes_that_a_gc_deleted(repo, caplog):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        tip = result(writer.propose(report(1, 0, State.RUNNING))).commit
    packs = repo.objects_dir / "pack"
    for index in packs.glob("*.idx"):
        index.unlink()
    repo.release_packs()
    (packs / f"pack-{'a' * 40}.pack").write_bytes(b"PACK of somebody else, half written")
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip
        assert result(writer.propose(report(1, 0, State.SUCCESS))).changes
    assert "restored the index of" in caplog.text
    assert fsck.check(repo).problems == ()
