"""`kill -9` of the writer at any moment loses nothing that was acknowledged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git import pack_files
from provisioner.git.pack_files import Owner
from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId
from provisioner.store.fsck import fsck
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import load, sites

ROUNDS = 20


def acknowledged_until_killed(
    repo: Path, sink: str, seed: int, chance: random.Random
) -> list[ReportId]:
    """Run the load for a moment after its first answer, kill it, return its answers."""
    words = [sys.executable, "-m", "tests.store.load", str(repo), sink, str(seed)]
    heard: list[ReportId] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, "the load ended by itself"
        heard.append(ReportId(first.strip()))
        threading.Timer(chance.uniform(0.0, 0.25), process.kill).start()
        # A line that the kill cut short was not told to anybody.
        heard += [ReportId(line.strip()) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    return heard


@pytest.mark.kill
@pytest.mark.parametrize("sink", ["journal", "files", "fast-import"])
def test_whatever_was_acknowledged_is_there_once(tmp_path, sink):
    chance = random.Random(sink)
    repo_path = tmp_path / "repo"
    sites.bare(repo_path).close()
    acknowledged: list[ReportId] = []
    for seed in range(ROUNDS):
        acknowledged += acknowledged_until_killed(repo_path, sink, seed, chance)
        with closing(GitRepo(repo_path)) as repo:
            # Whoever reads while no writer runs sees all of it,
            load.check(repo, StatusStore(repo).load(), acknowledged)
            # and so does the next writer, which clears up what the killed one left.
            with closing(StatusWriter(repo, make_sink=load.SINKS[sink])) as writer:
                load.check(repo, writer.view, acknowledged)
            assert not list((repo.objects_dir / "pack").glob("tink-*"))
            # A killed git fast-import leaves keep files of its own.
            assert not list(pack_files.kept_by(repo.objects_dir / "pack", Owner.WRITER))
            assert not list(repo.common_dir.glob("refs/**/*.lock"))
    with closing(GitRepo(repo_path)) as repo:
        assert fsck.check(repo).problems == ()
    sites.fsck(repo_path)
    assert len(acknowledged) > 10 * ROUNDS


@pytest.mark.kill
def test_a_lock_of_a_killed_writer_stands_in_nobodys_way(tmp_path):
    repo_path = tmp_path / "repo"
    sites.bare(repo_path).close()
    code = (
        "import os, sys, pathlib\n"
        "from provisioner.git import ref_lock\n"
        "from tests.store import load\n"
        "move = ref_lock.RefLock.move\n"
        "def die(self):\n"
        "    if (self.directory / 'status').exists(): os.kill(os.getpid(), 9)\n"
        "    move(self)\n"
        "ref_lock.RefLock.move = die\n"
        "load.main(sys.argv[1], 'journal', '1')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(repo_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (repo_path / "refs/heads/status.lock").exists()
    started = time.monotonic()
    with closing(GitRepo(repo_path)) as repo, closing(StatusWriter(repo)) as writer:
        assert sites.result(writer.refresh()).commit == repo.branch("status")
    assert time.monotonic() - started < sites.PATIENCE_SECONDS
    assert not (repo_path / "refs/heads/status.lock").exists()
    sites.fsck(repo_path)
