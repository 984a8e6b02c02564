"""What a writer does when somebody else moves its branch, or the disk says no."""

from __future__ import annotations

import queue
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from provisioner.errors import Conflict, Refused, Unavailable
from provisioner.git import disk, ref_lock
from provisioner.git.commit import Staged
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result


def test_what_somebody_else_wrote_on_top_is_built_upon(writer, repo, make_sink):
    result(writer.propose(create(sites.record(1))))
    told = repo.branch("status")
    assert told
    blob = sites.write_blob(repo, b"a note\n")
    tree = sites.git(repo.git_dir, "ls-tree", told) + f"100644 blob {blob}\tnote.txt\n"
    tree_id = sites.git(repo.git_dir, "mktree", stdin=tree.encode()).strip()
    theirs = sites.git(repo.git_dir, "commit-tree", "-p", told, "-m", "by hand", tree_id).strip()
    repo.move_ref("refs/heads/status", expected=told, new=CommitId(theirs))
    receipt = result(writer.propose(report(1, 0, State.RUNNING)))
    assert repo.commit(receipt.commit).parents == (CommitId(theirs),)
    assert repo.blob_at(receipt.commit, "note.txt") == b"a note\n"
    sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_a_branch_without_our_format_is_refused(repo, make_sink):
    tree = sites.git(repo.git_dir, "mktree").strip()
    commit = sites.git(repo.git_dir, "commit-tree", "-m", "not ours", tree).strip()
    begun = repo.branch("status")
    repo.move_ref("refs/heads/status", expected=begun, new=CommitId(commit))
    with pytest.raises(Exception, match=r"format\.json"):
        StatusWriter(repo, make_sink=make_sink)
    # and the writer's lock was given back
    sites.git(repo.git_dir, "update-ref", "refs/heads/status", begun)
    StatusWriter(repo, make_sink=make_sink).close()


def test_only_one_writer_works_on_a_repository(writer, repo, make_sink):
    with pytest.raises(Conflict, match="writes the status branch of this repository already"):
        StatusWriter(repo, make_sink=make_sink)


def test_nothing_is_half_done_when_the_disk_is_full_and_it_goes_on_after(repo, make_sink):
    is_full = threading.Event()

    class Full:
        """A disk that takes nothing while `is_full`."""

        def __init__(self, repo: GitRepo, ref: str) -> None:
            self._sink = make_sink(repo, ref)
            for step in ("stage", "begin", "end", "reset", "rehearse", "close"):
                setattr(self, step, getattr(self._sink, step))

        def sync(self, staged: Staged) -> None:
            if is_full.is_set():
                raise OSError(28, "No space left on device")
            self._sink.sync(staged)

    with closing(StatusWriter(repo, make_sink=cast(Any, Full))) as writer:
        before = result(writer.propose(create(sites.record(1)))).commit
        is_full.set()
        for _ in range(3):
            with pytest.raises(Unavailable, match="No space left on device"):
                result(writer.propose(report(1, 0, State.RUNNING)))
        assert repo.branch("status") == writer.view.commit == before
        is_full.clear()
        assert result(writer.propose(report(1, 0, State.RUNNING))).changes
        sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_a_writer_that_failed_finds_out_by_itself_that_it_can_write_again(repo, monkeypatch):
    is_full = threading.Event()
    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    write = disk.write_file

    def write_file(path: Path | str, content: bytes) -> None:
        if is_full.is_set():
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(disk, "write_file", write_file)
    sink = partial(PackSink, journal=False)
    with closing(StatusWriter(repo, make_sink=sink, on_failing=heard.put)) as writer:
        is_full.set()
        with pytest.raises(Unavailable):
            result(writer.propose(create(sites.record(1))))
        assert heard.get(timeout=sites.PATIENCE_SECONDS) == "No space left on device"
        assert heard.get(timeout=sites.PATIENCE_SECONDS) == "No space left on device"
        is_full.clear()
        while heard.get(timeout=sites.PATIENCE_SECONDS) is not None:
            pass


def test_what_was_built_on_a_failed_group_is_judged_again(repo, make_sink):
    is_publishing, may_fail = threading.Event(), threading.Event()

    class FailsOnce:
        """A disk that refuses the second batch, after the third was built on it."""

        def __init__(self, repo: GitRepo, ref: str) -> None:
            self._sink = make_sink(repo, ref)
            for step in ("stage", "begin", "end", "reset", "rehearse", "close"):
                setattr(self, step, getattr(self._sink, step))
            self._count = 0

        def sync(self, staged: Staged) -> None:
            self._count += 1
            if self._count == 2:
                is_publishing.set()
                may_fail.wait(sites.PATIENCE_SECONDS)
                raise OSError(5, "Input/output error")
            self._sink.sync(staged)

    with closing(StatusWriter(repo, make_sink=cast(Any, FailsOnce))) as writer:
        result(writer.propose(create(sites.record(1), sites.record(2))))
        lost = [writer.propose(report(1, 0, State.RUNNING)) for _ in range(2)]
        is_publishing.wait(sites.PATIENCE_SECONDS)
        built_on_it = writer.propose(report(1, 0, State.SUCCESS))
        independent = writer.propose(report(2, 0, State.RUNNING))
        may_fail.set()
        assert any(isinstance(each.exception(60), Unavailable) for each in lost)
        if all(each.exception(60) for each in lost):
            with pytest.raises(Refused, match="has not started"):
                result(built_on_it)
        assert result(independent).changes
        sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_a_lock_that_git_holds_is_waited_for_and_never_broken(repo, monkeypatch):
    monkeypatch.setattr(ref_lock, "WAIT_SECONDS", 0.0)
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        lock = repo.common_dir / "refs/heads/status.lock"
        lock.write_text("")
        with pytest.raises(Unavailable, match="held by another git process"):
            result(writer.propose(report(1, 0, State.RUNNING)))
        assert lock.exists()
        lock.unlink()
        assert result(writer.propose(report(1, 0, State.RUNNING))).changes
