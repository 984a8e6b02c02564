"""Processes that should run are run; those that die are started again, ever later."""

from __future__ import annotations

import logging
import os
import sys
import threading

import pytest

from provisioner.services.read_processes import FIRST_PAUSE_SECONDS, ReadProcesses

pytestmark = pytest.mark.waits


def command(script):
    return (sys.executable, "-c", script)


def wait_for(look):
    for _ in range(200):
        if look():
            return
        threading.Event().wait(0.1)
    raise AssertionError("waited twenty seconds")


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_as_many_run_as_are_wanted_and_each_ends_with_its_input(tmp_path):
    said = tmp_path / "said"
    script = (
        f"import os, sys; said = open({str(said)!r}, 'a', buffering=1)\n"
        "print('started', os.getpid(), file=said)\n"
        "sys.stdin.read(); print('ended', os.getpid(), file=said)"
    )
    processes = ReadProcesses(command(script), count=3, folder=tmp_path)
    wait_for(lambda: len(lines(said)) == 3)
    processes.close()
    told = [line.split() for line in lines(said)]
    started, ended = ({pid for what, pid in told if what == word} for word in ("started", "ended"))
    assert len(started) == 3
    assert started == ended


def test_one_that_dies_at_once_is_started_again_after_ever_longer_pauses(tmp_path, caplog):
    said = tmp_path / "said"
    script = f"print('x', file=open({str(said)!r}, 'a')); raise SystemExit(7)"
    with caplog.at_level(logging.WARNING):
        processes = ReadProcesses(command(script), count=1, folder=tmp_path)
        wait_for(lambda: len(lines(said)) == 3)
        processes.close()
    pauses = [record.args[2] for record in caplog.records]
    assert pauses[:2] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS]
    assert "ended with status 7" in caplog.text


def test_a_program_that_is_not_there_is_told_and_ends_nothing(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        processes = ReadProcesses((str(tmp_path / "none"),), count=1, folder=tmp_path)
        wait_for(lambda: "does not start" in caplog.text)
        processes.close()


def test_one_that_does_not_listen_is_killed_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("provisioner.services.read_processes.END_SECONDS", 0.5)
    said = tmp_path / "said"
    script = (
        f"import os, time; print(os.getpid(), file=open({str(said)!r}, 'a'), flush=True)\n"
        "time.sleep(600)"
    )
    processes = ReadProcesses(command(script), count=1, folder=tmp_path)
    wait_for(lambda: lines(said))
    processes.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines(said)[0]), 0)
