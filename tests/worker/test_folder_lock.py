"""Only one worker at a time uses a workflow folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.fake_server import FakeServer, an_action
from tests.worker.processes import ROOT, WorkerProcess, eventually
from worker.folder_lock import NAME, FolderLock, FolderTaken

ONE, TWO = "08:00:27:00:00:01", "08:00:27:00:00:02"


def test_a_folder_that_is_taken_is_refused_with_the_process_that_has_it(tmp_path: Path):
    lock = FolderLock(tmp_path / "workflow")
    with pytest.raises(FolderTaken, match=f"process {os.getpid()}.*--workflow-dir"):
        FolderLock(tmp_path / "workflow")
    lock.release()
    FolderLock(tmp_path / "workflow").release()


def test_a_folder_that_can_not_be_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderTaken, match="can't be used"):
        FolderLock(tmp_path / "file" / "workflow")


@pytest.mark.network
@pytest.mark.waits
def test_a_second_worker_touches_nothing_and_ends_with_a_clear_error(tmp_path: Path):
    with FakeServer() as server:
        server.add(an_action())
        # No engine: the first one waits for it, and holds its folder.
        nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
        folder = tmp_path / "machine" / "workflow"
        folder.mkdir(parents=True)
        precious = folder / "0190a5c0-0000-7000-8000-0000000000aa"
        precious.mkdir()
        first = WorkerProcess(tmp_path / "machine", server.url, ONE)
        first.stop(signal.SIGKILL)  # one that was killed leaves its file, which is no lock
        first.start(**nowhere)
        try:
            lock = folder / NAME
            held = f"{first.process.pid}\n"
            eventually(lambda: lock.exists() and lock.read_text() == held, "the folder is held")
            words = ["--server", server.url, "--id", TWO, "--workflow-dir", str(folder)]
            second = subprocess.run(
                [sys.executable, "-m", "worker", *words],
                env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert second.returncode == 1
            assert f"another worker (process {first.process.pid})" in second.stderr
            assert precious.exists()
        finally:
            first.stop()
