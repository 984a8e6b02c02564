"""What a start makes of the journal of a server that was killed, this version's or the first's."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest

from provisioner.git import disk
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.guard import begin, memory
from provisioner.store.guard.begin import NoStatusBranch
from provisioner.store.journal import journal, record_format, replay
from provisioner.store.journal.file import JournalFailed, JournalFile
from provisioner.store.journal.record_format import Record
from provisioner.store.status.store import StatusStore
from provisioner.store.writer import recovering_journal
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, result

STATUS = "refs/heads/status"


@contextmanager
def killed_writer(repo: GitRepo, branch: str = "status") -> Iterator[StatusWriter]:
    """A writer whose journal is afterwards as if it had not ended in order."""
    with closing(StatusWriter(repo, branch)) as writer:
        yield writer
        left = {path: path.read_bytes() for path in repo.own_dir.glob("journal-*")}
    for path, content in left.items():
        path.write_bytes(content)


def write(writer: StatusWriter, *numbers: int) -> CommitId:
    """Have so many batches written."""
    for number in numbers:
        receipt = result(writer.propose(create(sites.record(number))))
    return receipt.commit


def records(repo: GitRepo) -> list[Record]:
    found = []
    for path in sorted(repo.own_dir.glob("journal-*")):
        with path.open("rb") as file:
            found += record_format.read(file.fileno())
    return found


def as_the_first_version_wrote(records: list[Record], *, number: int) -> bytes:
    blocks = []
    for each in records:
        head = struct.pack(
            ">8sQQ40s40s",
            b"TINKJRN1",
            number,
            len(each.pack),
            (each.old or "0" * 40).encode(),
            each.new.encode(),
        )
        crc = zlib.crc32(each.pack, zlib.crc32(head))
        body = head + struct.pack(">L", crc) + each.pack
        blocks.append(body + bytes(-len(body) % 4096))
        number += 1
    return b"".join(blocks)


def test_a_round_that_was_written_with_the_clock_ahead_is_not_read_behind_a_newer_one(
    repo, monkeypatch
):
    now, now_ns = time.time, time.time_ns
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now() + 36_000)
        ahead.setattr(time, "time_ns", lambda: now_ns() + 36_000 * 10**9)
        with closing(StatusWriter(repo)) as writer:
            write(writer, *range(8))
    with killed_writer(repo) as writer:
        tip = write(writer, 10, 11)
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip
        assert sites.workflow_id(11) in writer.view.workflows


def test_a_start_with_another_branch_recovers_the_first_and_leaves_the_other_alone(repo):
    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2)
    (repo.common_dir / STATUS).write_text("")  # as a power cut leaves it
    other = begin.begin(repo, "staging")
    with closing(StatusWriter(repo, "staging")) as writer:
        assert writer.view.commit == other
        assert not writer.view.workflows
    assert repo.branch("status") == tip


def test_also_a_start_that_finds_no_branch_recovers_the_one_that_was_served(repo):
    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2)
    (repo.common_dir / STATUS).unlink()
    with pytest.raises(NoStatusBranch):
        StatusWriter(repo, "staging")
    assert repo.branch("staging") is None
    assert repo.branch("status") == tip
    sites.fsck(repo.git_dir)


def test_a_lock_of_the_branch_that_was_served_before_stands_in_nobodys_way(repo):
    with killed_writer(repo) as writer:
        old = write(writer, 1)
        tip = write(writer, 2)
    (repo.common_dir / STATUS).write_text(f"{old}\n")
    lock = repo.common_dir / f"{STATUS}.lock"
    lock.write_text(f"{tip}\n")
    lock.chmod(0o1644)
    begin.begin(repo, "staging")
    StatusWriter(repo, "staging").close()
    assert repo.branch("status") == tip
    assert not lock.exists()


def test_a_branch_that_somebody_moved_on_meanwhile_stays_where_it_is(repo):
    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2)
    tree = f"{tip}^{{tree}}"
    theirs = sites.git(repo.git_dir, "commit-tree", "-p", tip, "-m", "by hand", tree).strip()
    repo.move_ref(STATUS, expected=tip, new=CommitId(theirs))
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == theirs


def test_a_journal_of_the_first_version_is_recovered(repo):
    before = set((repo.objects_dir / "pack").iterdir())
    old = repo.branch("status")
    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2, 3)
    first = as_the_first_version_wrote(records(repo), number=time.time_ns())
    (repo.own_dir / "journal-0").write_bytes(first)
    repo.common_dir.joinpath(STATUS).write_text(f"{old}\n")
    for path in set((repo.objects_dir / "pack").iterdir()) - before:
        path.unlink()
    begin.begin(repo, "staging")
    StatusWriter(repo, "staging").close()  # finds out whose it was
    assert repo.branch("status") == tip
    sites.same_content(StatusStore(repo).load(), StatusStore(repo).load(tip))
    sites.fsck(repo.git_dir)


def test_what_an_older_round_left_behind_in_the_first_versions_journal_is_no_step_back(repo):
    with killed_writer(repo) as writer:
        write(writer, *range(6))
    older = as_the_first_version_wrote(records(repo), number=10**18)
    with killed_writer(repo) as writer:
        tip = write(writer, 10, 11)
    newer = as_the_first_version_wrote(records(repo), number=10**17)
    (repo.own_dir / "journal-0").write_bytes(newer + older[len(newer) :])
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip


def test_the_newest_record_names_the_tip_for_whoever_asks(repo):
    with closing(StatusWriter(repo)) as writer:
        assert replay.newest_tip(repo.own_dir, STATUS) is None
        tip = write(writer, 1, 2)
        before = [path.read_bytes() for path in journal.paths(repo.own_dir)]
        assert replay.newest_tip(repo.own_dir, STATUS) == tip
        assert replay.newest_tip(repo.own_dir, "refs/heads/staging") is None
        assert [path.read_bytes() for path in journal.paths(repo.own_dir)] == before
        assert write(writer, 3) == replay.newest_tip(repo.own_dir, STATUS)
    assert replay.newest_tip(repo.own_dir, STATUS) is None


def test_the_newest_record_names_the_tip_also_behind_somebody_elses_commit(repo):
    with closing(StatusWriter(repo)) as writer:
        tip = write(writer, 1, 2)
        tree = f"{tip}^{{tree}}"
        theirs = sites.git(repo.git_dir, "commit-tree", "-p", tip, "-m", "by hand", tree).strip()
        repo.move_ref(STATUS, expected=tip, new=CommitId(theirs))
        assert result(writer.refresh()).commit == theirs
        assert replay.newest_tip(repo.own_dir, STATUS) in (tip, theirs)
        tip = write(writer, 3)
        assert repo.commit(tip).parents == (theirs,)
        assert replay.newest_tip(repo.own_dir, STATUS) == tip


def test_a_tip_is_remembered_elsewhere_before_the_journal_forgets_it(repo):
    kept: list[tuple[str, CommitId, CommitId | None]] = []

    def keep(ref: str, tip: CommitId) -> None:
        kept.append((ref, tip, replay.newest_tip(repo.own_dir, ref)))

    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2)
    begin.begin(repo, "staging")
    with closing(StatusWriter(repo, "staging", make_sink=partial(PackSink, keep=keep))) as writer:
        assert kept == [(STATUS, tip, tip)]
        other = write(writer, 3)
    assert kept[1:] == [("refs/heads/staging", other, other)]


def test_a_journal_that_failed_is_begun_anew_and_what_it_holds_is_written_again(repo, monkeypatch):
    monkeypatch.setattr(recovering_journal, "AGAIN_SECONDS", 0.0)
    append = JournalFile.append

    def fail(self: JournalFile, blocks: bytes) -> None:
        raise JournalFailed(5, "Input/output error")

    with closing(StatusWriter(repo)) as writer:
        before = set((repo.objects_dir / "pack").iterdir())
        write(writer, 1, 2)
        lost = set((repo.objects_dir / "pack").glob("pack-*.pack")) - before
        monkeypatch.setattr(JournalFile, "append", fail)
        by_files = write(writer, 3)
        assert replay.newest_tip(repo.own_dir, STATUS) != by_files
        for path in lost:  # as a disk that refuses what the kernel then holds for written
            path.unlink()
            path.with_suffix(".idx").unlink()
        monkeypatch.setattr(JournalFile, "append", append)
        tip = write(writer, 4)
        assert replay.newest_tip(repo.own_dir, STATUS) == tip
    sites.fsck(repo.git_dir)


def test_a_journal_whose_sync_failed_once_is_used_no_more(repo, monkeypatch):
    """The kernel takes pages for written that it failed to write: a later sync says nothing."""
    monkeypatch.setattr(recovering_journal, "AGAIN_SECONDS", 3600.0)
    append, steps = JournalFile.append, []

    def fail_once(self: JournalFile, blocks: bytes) -> None:
        steps.append("journal")
        if steps.count("journal") == 2:
            raise JournalFailed(5, "Input/output error")
        append(self, blocks)

    def noted(step: str, call: Callable[..., None]) -> Callable[..., None]:
        return lambda *words: (steps.append(step), call(*words))[1]

    with closing(StatusWriter(repo)) as writer:
        monkeypatch.setattr(JournalFile, "append", fail_once)
        monkeypatch.setattr(disk, "sync_file_system", noted("file system", disk.sync_file_system))
        monkeypatch.setattr(RefLock, "move", noted("ref", RefLock.move))
        write(writer, 1)
        assert steps == ["journal", "ref"]
        steps[1:] = []
        write(writer, 2)
        # What the journal holds is on the disk before anybody hears of what was built on it.
        assert steps == ["journal", "journal", "file system", "ref"]
        steps[2:] = []
        write(writer, 3)
        write(writer, 4)
        assert steps == ["journal", "journal", "ref", "ref"]
    sites.fsck(repo.git_dir)


def test_a_journal_that_nobody_could_remember_is_not_cleared(repo):
    def keep(ref: str, tip: CommitId) -> None:
        raise OSError(28, "No space left on device")

    with closing(StatusWriter(repo, make_sink=partial(PackSink, keep=keep))) as writer:
        tip = write(writer, 1, 2)
    assert replay.newest_tip(repo.own_dir, STATUS) == tip
    StatusWriter(repo).close()
    assert replay.newest_tip(repo.own_dir, STATUS) is None


def test_what_a_power_cut_left_torn_keeps_nobody_from_starting(repo):
    """Names reach the disk before contents do, and a lock before it is renamed."""
    before = set((repo.objects_dir / "pack").iterdir())
    with killed_writer(repo) as writer:
        tip = write(writer, 1, 2, 3)
    indexes = sorted(set((repo.objects_dir / "pack").glob("*.idx")) - before)
    packs = [each.with_suffix(".pack") for each in indexes]
    indexes[0].write_bytes(b"")
    packs[1].write_bytes(packs[1].read_bytes()[:-30])
    in_flight = repo.objects_dir / f"pack/pack-{'f' * 40}.idx"
    in_flight.write_bytes(b"")
    in_flight.with_suffix(".pack").write_bytes(b"")
    pin = repo.common_dir / memory.tip_pin(STATUS)
    pin.write_bytes(b"")
    pin.with_name("status.lock").write_bytes(b"")
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip
    assert pin.read_text().strip() == tip
    sites.fsck(repo.git_dir)
