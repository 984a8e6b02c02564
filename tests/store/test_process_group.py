"""A process ends with everything that it started, and nothing it leaves keeps us waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from provisioner.git import process_group
from provisioner.git.process_group import Ended
from tests.store.sites import PATIENCE_SECONDS

SOON = 10.0  # far below the minute that the processes here would take


def run(script: str, *, seconds: float = 60.0, **options: object) -> Ended:
    settings = {"stdin": b"", "environment": dict(os.environ)} | options
    return process_group.run(["sh", "-c", script], timeout_seconds=seconds, **settings)  # type: ignore[arg-type]


def is_gone(pid_file: Path) -> bool:
    """Whether the process whose number was written ends: a signal arrives a moment later."""
    stat = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    waited = threading.Event()
    for _ in range(500):
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        waited.wait(0.01)
    return False


@pytest.fixture
def soon():
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON


def test_output_errors_and_exit_code_come_back():
    ended = run("cat; echo no >&2; exit 3", stdin=b"yes")
    assert (ended.stdout, ended.stderr, ended.status, ended.cut_off) == (b"yes", b"no\n", 3, "")


def test_much_goes_in_and_out_at_once():
    much = os.urandom(3_000_000)
    assert run("cat", stdin=much).stdout == much


def test_a_process_that_reads_nothing_is_no_fault():
    assert run("exit 0", stdin=b"x" * 3_000_000).status == 0


@pytest.mark.parametrize("how", ["sleep 60 &", "setsid sleep 60 &"])
def test_a_pipe_that_a_grandchild_keeps_open_delays_nothing(tmp_path, soon, how):
    ended = run(f"{how} echo $! > {tmp_path}/pid; echo done")
    assert ended.stdout == b"done\n"
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_time_limit_ends_the_children_too(tmp_path, soon):
    ended = run(f"sleep 60 & echo $! > {tmp_path}/pid; echo begun; wait", seconds=0.3)
    assert ended.cut_off == "no answer within 0.3 s"
    assert ended.stdout == b"begun\n"
    assert is_gone(tmp_path / "pid")


def test_what_ignores_the_request_to_end_is_killed(tmp_path, soon):
    script = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; while :; do wait; done"
    assert run(script, seconds=0.3).cut_off
    assert is_gone(tmp_path / "pid")


def test_a_process_gets_time_to_remove_its_locks(tmp_path, soon):
    (tmp_path / "lock").touch()
    run(f"trap 'rm {tmp_path}/lock; exit 1' TERM; sleep 60 & wait", seconds=0.3)
    assert not (tmp_path / "lock").exists()


def test_a_stop_event_ends_it_from_another_thread(tmp_path, soon):
    stop = threading.Event()
    found: list[Ended] = []
    script = f"sleep 60 & echo $! > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/begun; wait"
    thread = threading.Thread(target=lambda: found.append(run(script, stop=stop)))
    thread.start()
    waited = threading.Event()
    while not (tmp_path / "begun").exists():
        waited.wait(0.01)
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert "server ends" in found[0].cut_off
    assert is_gone(tmp_path / "begun")


def test_where_the_kernel_does_not_tell_of_ends_they_are_looked_for(tmp_path, monkeypatch, soon):
    monkeypatch.delattr(os, "pidfd_open")
    assert run(f"sleep 60 & echo $! > {tmp_path}/pid; echo done").stdout == b"done\n"
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_handle_is_inherited_by_all_of_them(tmp_path):
    reading, writing = os.pipe()
    run(f"(echo from the child > /dev/fd/{writing})", inherited=(writing,))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"from the child\n"


def test_a_process_that_takes_long_to_end_is_not_waited_for():
    """As a killed git does whose packs were deleted meanwhile: the kernel has to free them."""
    with subprocess.Popen(["sleep", "60"]) as process:
        process_group.wait_briefly(process, 0.01)
        assert process.returncode is None
        process.kill()
        process_group.wait_briefly(process, 60)
        assert process.returncode == -signal.SIGKILL
