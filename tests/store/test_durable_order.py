"""What others build on is on the disk before they can see it, in the order of the system calls.

test_power_cut.py cuts the power of a disk; it can't cut it at a chosen step.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git import disk
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.desired.editing import DesiredEditor
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result

FUTURE = "2999-01-01T00:00:00.000000Z"


@pytest.fixture
def steps(monkeypatch):
    """The paths that were synced and the refs that were moved, in their order."""
    seen: list[tuple[str, str]] = []
    sync, move = os.fsync, GitRepo.move_ref

    def fsync(handle):
        seen.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().as_posix()))
        sync(handle)

    def move_ref(self, ref, **words):
        move(self, ref, **words)
        seen.append(("move", ref))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(GitRepo, "move_ref", move_ref)
    return seen


def check_around_the_move(repo: GitRepo, steps: list[tuple[str, str]], ref: str) -> None:
    at = steps.index(("move", ref))
    before = [path for step, path in steps[:at] if step == "sync"]
    packs = str(repo.objects_dir / "pack")
    assert any(path.endswith(".pack") for path in before)
    assert before[-1] == packs, "the names of the new pack, after its content"
    assert ("sync", str((repo.common_dir / ref).parent)) in steps[at:], "and the ref's own name"


def test_a_commit_of_the_command_line_is_durable_when_it_is_reported(repo, steps):
    DesiredEditor(repo).commit_files({"hardware/a.yaml": b"1"}, "one", author=("a", "a@b"))
    check_around_the_move(repo, steps, "refs/heads/main")


def test_an_archive_is_durable_before_anything_leaves_the_tip(repo, steps, monkeypatch):
    leave = StatusWriter.archive
    monkeypatch.setattr(
        StatusWriter, "archive", lambda *words: (steps.append(("leave", "")), leave(*words))[1]
    )
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        result(writer.propose(report(1, 0, State.RUNNING)))
        result(writer.propose(report(1, 0, State.FAILED)))
        del steps[:]
        archived = retention.run(writer, ended_before=FUTURE, at_seconds=1_795_000_000)
    assert archived.workflows == 1
    before_it_leaves = steps[: steps.index(("leave", ""))]
    check_around_the_move(repo, before_it_leaves, "refs/heads/status-archive")


def test_what_somebody_else_wrote_is_durable_before_it_is_built_upon(repo, monkeypatch):
    synced = []

    real = disk.sync_file_system
    monkeypatch.setattr(disk, "sync_file_system", lambda path: (synced.append(path), real(path)))
    with closing(StatusWriter(repo)) as writer:
        tip = result(writer.propose(create(sites.record(1)))).commit
        del synced[:]
        tree = sites.git(repo.git_dir, "rev-parse", f"{tip}^{{tree}}").strip()
        theirs = sites.git(repo.git_dir, "commit-tree", "-p", tip, "-m", "by hand", tree).strip()
        sites.git(repo.git_dir, "update-ref", "refs/heads/status", theirs, tip)
        receipt = result(writer.propose(report(1, 0, State.RUNNING)))
        assert repo.commit(receipt.commit).parents == (theirs,)
        assert synced, "git leaves the names of what it wrote unsynced"
