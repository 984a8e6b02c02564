"""Maintenance makes the repository small while writer and readers go on."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.git import pack_joining
from provisioner.git.command import GitFailed
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import PackFiles
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import maintenance
from provisioner.store.upkeep import upkeep as upkeep_module
from provisioner.store.upkeep.retention import Archived
from provisioner.store.upkeep.upkeep import Upkeep
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id

NOW = 1_795_000_000.0


def write_many_packs(writer: StatusWriter, count: int) -> None:
    result(writer.propose(create(*map(sites.record, range(count)))))
    for number in range(count):
        result(writer.propose(report(number, 0, State.RUNNING)))


def test_many_packs_become_few_and_everything_is_still_there(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, maintenance.PACKS_LIMIT + 5)
        assert maintenance.is_due(repo)
        done = maintenance.run(repo, now=NOW)
        assert done.packs_after < 5 < done.packs_before
        assert done.bytes_after < done.bytes_before
        assert not maintenance.is_due(repo)
        # The same processes go on reading and writing.
        assert result(writer.propose(report(0, 0, State.SUCCESS))).changes
        sites.same_content(StatusStore(repo).load(), writer.view)
    assert fsck.check(repo).problems == ()
    sites.fsck(repo.git_dir)


def test_no_deleted_pack_is_held_open(repo):
    packs = repo.objects_dir / "pack"
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, maintenance.PACKS_LIMIT + 5)
        tip = writer.view.commit
        assert tip is not None
        assert repo.object(tip).kind == "commit"  # git opens the packs that it looks into
        assert mapped(packs)
        maintenance.run(repo, now=NOW)
        assert not [name for name in mapped(packs) if name.endswith("(deleted)")]
        assert repo.object(tip).kind == "commit"


def mapped(folder: Path) -> list[str]:
    """The files of a folder that any process has in its memory."""
    names = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            names += [line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()]
        except OSError:
            continue  # the process has ended
    return [name for name in names if name.startswith(f"{folder}/")]


def test_reports_are_answered_while_it_runs_and_a_clone_stays_good(repo, tmp_path):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 60)
        sites.git(tmp_path, "clone", "-q", "--no-local", str(repo.git_dir), "clone")
        is_over = threading.Event()

        def maintain() -> None:
            for _ in range(5):
                maintenance.run(repo, now=NOW)
            is_over.set()

        thread = threading.Thread(target=maintain)
        thread.start()
        number = 60
        while not is_over.is_set():
            result(writer.propose(create(sites.record(number))))
            result(writer.propose(report(number, 0, State.RUNNING)))
            assert StatusStore(repo).read_workflow(workflow_id(number)).events
            number += 1
        thread.join()
        assert number > 62
    sites.git(tmp_path / "clone", "fetch", "-q", "origin", "status")
    sites.fsck(tmp_path / "clone")
    sites.fsck(repo.git_dir)
    assert fsck.check(repo).problems == ()


def test_a_killed_writers_journal_still_recovers_after_a_repack(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 10)
        journals = {path: path.read_bytes() for path in repo.own_dir.glob("journal-*")}
        tip = repo.branch("status")
        maintenance.run(repo, now=NOW)
    for path, content in journals.items():
        path.write_bytes(content)  # as if the writer had not ended in order
    with closing(StatusWriter(repo)) as writer:
        assert writer.view.commit == tip
    sites.fsck(repo.git_dir)


def test_only_stale_temporary_files_go(repo):
    folder = repo.objects_dir / "pack"
    old, new = folder / "tmp_pack_old", folder / "tink-command-new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (NOW - 2 * 86400, NOW - 2 * 86400))
    os.utime(new, (NOW - 60, NOW - 60))
    assert maintenance.run(repo, now=NOW).stale_files == 1
    assert not old.exists() and new.exists()


@given(st.lists(st.integers(min_value=1, max_value=10_000), max_size=30))
def test_what_is_left_after_joining_doubles_from_pack_to_pack(counts):
    counts = sorted(counts)
    joined = pack_joining.choose(counts)
    assert joined != 1
    left = sorted([sum(counts[:joined])] * bool(joined) + counts[joined:])
    assert all(large >= 2 * small for small, large in pairwise(left))


def test_the_joined_pack_holds_what_a_larger_one_has_too(repo):
    """Else it would go with the larger one, when a gc that counts on the small one deletes that."""
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 20)
    sites.git(repo.git_dir, "repack", "-q", "-a", "-d")
    (large,) = pack_joining.packs(repo)
    twice = [line.split(" ")[1] for line in index_of(repo, large)][:8]
    with closing(PackFiles(repo.objects_dir)) as files:
        for keys in (twice[:4], twice[2:]):
            builder = PackBuilder()
            for key in keys:
                found = repo.object(key)
                builder.add(found.kind, found.content)
            files.add(builder.build())
    assert pack_joining.join(repo) == 2
    (joined,) = set(pack_joining.packs(repo)) - {large}
    assert {line.split(" ")[1] for line in index_of(repo, joined)} == set(twice)
    sites.fsck(repo.git_dir)


def test_new_packs_are_joined_without_a_walk_through_the_history(repo, monkeypatch):
    monkeypatch.setattr(pack_joining, "_write_walked", unwanted)
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 40)
    sites.git(repo.git_dir, "repack", "-q", "-a", "-d")
    large = set(pack_joining.packs(repo))
    with closing(StatusWriter(repo)) as writer:
        for number in range(4):
            result(writer.propose(report(number, 0, State.SUCCESS)))
    loose = sites.git(repo.git_dir, "hash-object", "-w", "-t", "blob", "/dev/null").strip()
    with closing(PackFiles(repo.objects_dir)) as files:
        builder = PackBuilder()
        blob = builder.add("blob", b"in a folder of no name")
        tree = builder.add("tree", b"100644 two\nlines\xff\0" + blob)
        person = b"A <a@b> 1 +0000"
        text = b"tree %s\nauthor %s\ncommitter %s\n\n" % (tree.hex().encode(), person, person)
        commit = builder.add("commit", text).hex()
        files.add(builder.build())
    new = set(pack_joining.packs(repo)) - large
    before = {line.split(" ")[1] for each in new for line in index_of(repo, each)}
    assert pack_joining.join(repo) == len(new) == 5
    (joined,) = set(pack_joining.packs(repo)) - large
    assert {line.split(" ")[1] for line in index_of(repo, joined)} == {*before, loose}
    assert commit in before
    assert not (repo.objects_dir / loose[:2] / loose[2:]).exists()
    sites.fsck(repo.git_dir)


def test_old_and_new_versions_of_a_file_are_stored_as_differences(repo, monkeypatch):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 60)
    packs = repo.objects_dir / "pack"
    shutil.copytree(packs, other := packs.with_name("other"))
    assert pack_joining.join(repo) > 60  # it is all there is: git walks
    walked = sum(index.with_suffix(".pack").stat().st_size for index in pack_joining.packs(repo))
    shutil.rmtree(packs)
    other.rename(packs)
    monkeypatch.setattr(pack_joining, "_write_walked", pack_joining._write_listed)
    repo.release_packs()
    assert pack_joining.join(repo) > 60
    listed = sum(index.with_suffix(".pack").stat().st_size for index in pack_joining.packs(repo))
    assert listed < 1.2 * walked


def unwanted(*_: object) -> bytes:
    raise AssertionError("git walks through the history")


def test_no_index_over_all_packs_outlives_the_packs_that_it_names(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 20)
    sites.git(repo.git_dir, "multi-pack-index", "write", "--no-progress")
    maintenance.run(repo, now=NOW)
    assert not (repo.objects_dir / "pack/multi-pack-index").exists()
    sites.fsck(repo.git_dir)


def test_a_lock_that_somebody_left_does_not_keep_it_from_joining(repo):
    graphs = repo.objects_dir / "info/commit-graphs"
    graphs.mkdir(parents=True)
    lock = graphs / "commit-graph-chain.lock"
    lock.write_bytes(b"")
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 10)
        now = time.time()
        assert maintenance.run(repo, now=now).packs_after < 5
        assert maintenance.noted(repo)["at"] == now and lock.exists()
        maintenance.run(repo, now=now + 2 * 86_400)
        assert maintenance.stats(repo).has_commit_graph and not lock.exists()


def index_of(repo: GitRepo, index: Path) -> list[str]:
    return sites.git(repo.git_dir, "show-index", stdin=index.read_bytes()).splitlines()


def test_stats_count_what_is_there(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, 5)
    found = maintenance.stats(repo)
    assert (found.packs, found.workflows, found.events) == (7, 5, 5)
    assert found.last_maintenance_at == 0
    objects = sites.git(repo.git_dir, "count-objects", "-v").split()
    assert str(found.packed_objects) == objects[objects.index("in-pack:") + 1]
    maintenance.run(repo, now=NOW)
    after = maintenance.stats(repo)
    assert after.last_maintenance_at == NOW
    assert after.has_commit_graph
    assert after.bytes_per_event < found.bytes_per_event
    assert maintenance.as_dict(after)["events"] == 5


def test_upkeep_repacks_when_it_is_due_and_ends_when_told(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, maintenance.PACKS_LIMIT + 1)
        upkeep = Upkeep(writer.store, lambda: NOW, first_seconds=0.01)
        thread = threading.Thread(target=upkeep.run)
        thread.start()
        waited = threading.Event()
        for _ in range(6_000):
            if maintenance.stats(repo).last_maintenance_at == NOW:
                break
            waited.wait(0.01)
        upkeep.close()
        thread.join(sites.PATIENCE_SECONDS)
        assert not thread.is_alive()
        assert maintenance.stats(repo).last_maintenance_at == NOW
        upkeep.run_once()


def test_upkeep_writes_the_checkpoint(repo):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
        Upkeep(writer.store, lambda: NOW).run_once()
    assert list(repo.own_dir.glob("checkpoint-*.json"))


def test_a_server_that_often_restarts_looks_after_its_repository_too(repo):
    asked: list[str] = []

    def retain(_: Callable[[], bool]) -> Archived:
        asked.append("retain")
        return Archived(workflows=0, commit=None)

    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, maintenance.PACKS_LIMIT + 1)
        now = time.time()
        for _ in range(3):  # three lives
            Upkeep(writer.store, lambda: now, retain=retain).run_once()
        assert maintenance.noted(repo)["at"] == now
        assert asked == ["retain"]
        assert checkpoint.saved_at(writer.store)
        Upkeep(writer.store, lambda: now + 3601, retain=retain).run_once()
        assert asked == ["retain"] * 2
        # A clock that was wrong when it was noted keeps nothing from being done.
        Upkeep(writer.store, lambda: now - 86_400, retain=retain).run_once()
        assert asked == ["retain"] * 3
    assert upkeep_module.FIRST_SECONDS < 5


def test_an_upkeep_that_is_closed_ends_the_repack_it_waits_for(repo):
    with closing(StatusWriter(repo)) as writer:
        write_many_packs(writer, maintenance.PACKS_LIMIT + 1)
        upkeep = Upkeep(writer.store, lambda: NOW)
        upkeep.close()
        with pytest.raises(GitFailed):
            upkeep.run_once()
        assert maintenance.is_due(repo)
        assert result(writer.propose(report(0, 0, State.SUCCESS))).changes
    sites.fsck(repo.git_dir)


def test_an_empty_repository_is_maintained_too(tmp_path):
    with closing(sites.empty(tmp_path / "empty")) as empty:
        assert maintenance.run(empty, now=NOW).packs_after == 0
        assert maintenance.stats(empty).events == 0
