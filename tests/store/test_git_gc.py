"""git's own gc, repack and prune beside a writer lose nothing, at whatever moment they look."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from provisioner.git import pack
from provisioner.git.pack_files import Owner
from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId
from provisioner.model.state import State
from provisioner.store.desired import editing
from provisioner.store.fsck import fsck
from provisioner.store.guard import begin
from provisioner.store.journal import journal
from provisioner.store.journal.file import JournalFile
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import maintenance, retention
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import load, sites
from tests.store.sites import create, report, result

ROUNDS = 40 if os.environ.get("TINK_SLOW") else 4
COMMANDS = {
    "gc": ("gc", "--quiet", "--prune=now"),
    "aggressive gc": ("gc", "--quiet", "--prune=now", "--aggressive"),
    "repack and prune": ("repack", "-adfq"),
    "prune": ("prune", "--expire=now"),
    "pack-refs": ("pack-refs", "--all", "--prune"),
    "maintenance": ("maintenance", "run", "--quiet"),
}


class Watch:
    """What a repack would delete at this moment, whenever a file changes its name."""

    def __init__(self, repo: GitRepo, monkeypatch: pytest.MonkeyPatch) -> None:
        self._repo = repo
        self.faults: list[str] = []
        self.looks = 0
        self._rename = os.rename
        self._is_looking = threading.Lock()
        monkeypatch.setattr(os, "rename", self._renamed)

    def _renamed(self, old: str, new: str) -> None:
        self._rename(old, new)
        if self._is_looking.acquire(blocking=False):
            try:
                self._look(str(new))
            finally:
                self._is_looking.release()

    def _look(self, after: str) -> None:
        """First list packs as a repack does, by the name of the pack, then walk the refs."""
        self.looks += 1
        folder = self._repo.objects_dir / "pack"
        packs = [path for path in folder.glob("*.pack") if not path.with_suffix(".keep").exists()]
        reachable = set(
            sites.git(self._repo.common_dir, "rev-list", "--all", "--objects")
            .replace("\n", " ")
            .split(" ")
        )
        for path in packs:
            if path.with_suffix(".idx").exists():
                listing = sites.git(
                    self._repo.common_dir,
                    "show-index",
                    stdin=path.with_suffix(".idx").read_bytes(),
                )
                ids = {line.split(" ")[1] for line in listing.splitlines()}
                if not ids <= reachable:
                    self.faults.append(f"{path.name} after {after}")
            else:
                self.faults.append(f"{path.name} without an index after {after}")


@pytest.mark.parametrize("sink", ["journal", "files"])
def test_whatever_a_repack_may_delete_is_on_a_branch(repo, monkeypatch, sink):
    watch = Watch(repo, monkeypatch)
    with closing(StatusWriter(repo, make_sink=load.SINKS[sink])) as writer:
        result(writer.propose(create(*map(sites.record, range(3)))))
        for number in range(3):
            result(writer.propose(report(number, 0, State.RUNNING)))
        with writer.write_data_files([NewFile(path="d/a", content=b"1")]) as (tree, files):
            result(writer.propose(sites.push(1, 1, tree, files)))
        result(writer.propose(report(1, 0, State.SUCCESS)))
        retention.run(writer, ended_before="9999", at_seconds=1_795_000_000)
        result(writer.propose(report(2, 0, State.SUCCESS)))
    editor = editing.DesiredEditor(repo)
    editor.commit_files({"hardware/a.yaml": b"1"}, "one", author=("a", "a@b"))
    assert watch.faults == []
    assert watch.looks > 8
    assert not list(repo.objects_dir.glob("pack/*.keep")), "nothing is kept that needs it no more"


def test_a_group_that_fails_leaves_its_pack_to_gc(repo, monkeypatch):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        with monkeypatch.context() as patch:
            patch.setattr(
                "provisioner.git.ref_lock.RefLock.move", lambda _: (_ for _ in ()).throw(OSError)
            )
            for _ in range(3):
                with pytest.raises(Exception, match="can't be written"):
                    result(writer.propose(report(1, 0, State.RUNNING)))
        result(writer.propose(report(1, 0, State.RUNNING)))
        assert len(list(repo.objects_dir.glob("pack/*.keep"))) == 1
    sites.git(repo.git_dir, "gc", "-q", "--prune=now")
    sites.fsck(repo.git_dir)
    assert fsck.check(repo).problems == ()


def test_a_killed_writers_keep_files_go_when_the_next_one_starts(repo):
    folder = repo.objects_dir / "pack"
    before = set(folder.iterdir())
    ours, half = folder / f"pack-{'1' * 40}.keep", folder / f"pack-{'2' * 40}.keep"
    command, person = folder / f"pack-{'3' * 40}.keep", folder / f"pack-{'4' * 40}.keep"
    for path, owner in ((ours, Owner.WRITER), (half, Owner.WRITER), (command, Owner.COMMAND)):
        path.write_text(f"{owner}: not on a branch yet\n")
    person.write_text("mine\n")
    ours.with_suffix(".pack").write_bytes(b"")
    ours.with_suffix(".idx").write_bytes(b"")
    half.with_suffix(".pack").write_bytes(b"half a pack")
    (folder / f"{Owner.WRITER}-{'2' * 40}").write_bytes(b"its index")
    StatusWriter(repo).close()
    left = {path.name[:6] + path.suffix for path in set(folder.iterdir()) - before}
    assert left == {"pack-1.pack", "pack-1.idx", "pack-3.keep", "pack-4.keep"}


def test_a_branch_in_a_folder_goes_on_when_git_packed_the_folder_away(repo):
    begin.begin(repo, "fleet/status")
    with closing(StatusWriter(repo, "fleet/status")) as writer:
        result(writer.propose(create(*map(sites.record, range(3)))))
        for number in range(3):
            sites.git(repo.git_dir, "pack-refs", "--all", "--prune")
            assert not (repo.common_dir / "refs/heads/fleet").exists()
            assert result(writer.propose(report(number, 0, State.RUNNING))).changes


def beside_a_load(
    tmp_path: Path, look: Callable[[Path], None], *, rounds: int
) -> tuple[Path, list[ReportId]]:
    """Run the load, and something beside it some times; kill it, return what was acknowledged."""
    path = tmp_path / "repo"
    sites.bare(path).close()
    words = [sys.executable, "-m", "tests.store.load", str(path), "journal", "7"]
    heard: list[ReportId] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard.append(ReportId(process.stdout.readline().strip()))

        def beside() -> None:
            try:
                for _ in range(rounds):
                    look(path)
            finally:
                process.kill()

        thread = threading.Thread(target=beside)
        thread.start()
        heard += [ReportId(line.strip()) for line in process.stdout if line.endswith("\n")]
        thread.join()
    return path, heard


def clear_up(path: Path, command: str) -> None:
    # It may fail, when a ref moved below it; it must not break anything.
    words = ["git", "-C", str(path), *COMMANDS[command]]
    subprocess.run(words, capture_output=True, check=False)
    sites.git(path, "rev-list", "--objects", "--quiet", "status")


@pytest.mark.kill
@pytest.mark.parametrize("command", list(COMMANDS))
def test_nothing_is_lost_while_git_clears_up(tmp_path, command):
    path, heard = beside_a_load(tmp_path, partial(clear_up, command=command), rounds=ROUNDS)
    check(path, heard)


@pytest.mark.kill
@pytest.mark.parametrize("command", ["gc", "repack and prune"])
def test_nothing_is_lost_while_git_and_we_clear_up(tmp_path, command):
    def both(path: Path) -> None:
        with ThreadPoolExecutor(1) as pool, closing(GitRepo(path)) as repo:
            theirs = pool.submit(clear_up, path, command)
            while not theirs.done():
                maintenance.run(repo, now=time.time())
                sites.git(path, "rev-list", "--objects", "--quiet", "status")
            theirs.result()

    path, heard = beside_a_load(tmp_path, both, rounds=ROUNDS)
    check(path, heard)


def check(path: Path, heard: list[ReportId]) -> None:
    with closing(GitRepo(path)) as repo:
        with closing(StatusWriter(repo)) as writer:
            load.check(repo, writer.view, heard)
            sites.same_content(StatusStore(repo).load(), writer.view)
        assert fsck.check(repo).problems == ()
    sites.fsck(path)
    assert heard


def test_what_a_gc_has_joined_is_not_written_again_after_a_kill(repo):
    """A thousand packs of a busy server took the next start twelve seconds."""
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(*map(sites.record, range(5)))))
        for number in range(5):
            result(writer.propose(report(number, 0, State.RUNNING)))
        journals = {path: path.read_bytes() for path in repo.own_dir.glob("journal-*")}
        tip = repo.branch("status")
    sites.git(repo.git_dir, "gc", "-q", "--prune=now")
    (joined,) = repo.objects_dir.glob("pack/*.pack")
    for path, content in journals.items():
        path.write_bytes(content)  # as if the writer had not ended in order
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip
    assert list(repo.objects_dir.glob("pack/*.pack")) == [joined]
    # Half of a pack is no pack that was joined.
    for path, content in journals.items():
        path.write_bytes(content)
    half = joined.with_name(f"pack-{pack.name_of(last_pack(repo))}.pack")
    half.write_bytes(last_pack(repo)[:100])
    half.with_suffix(".idx").write_bytes(b"")
    StatusWriter(repo).close()
    # The torn one is gone, and what it should have been is there again.
    assert len(list(repo.objects_dir.glob("pack/*.pack"))) == 2
    sites.fsck(repo.git_dir)


def last_pack(repo: GitRepo) -> bytes:
    found: list[bytes] = []
    for path in journal.paths(repo.own_dir):
        with closing(JournalFile(path)) as file:
            found += (each.pack for each in file.records() if each.pack)
    return found[-1]
