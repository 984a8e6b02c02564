"""Each system call of the writer fails, or half, or only seems to, or is its last.

Whatever happens: what was acknowledged is there, once, and the writer goes on by itself when
the fault is gone.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId
from provisioner.store.fsck import fsck
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import load, sites
from tests.store.faults import ALL, ERRORS, Call, Fault, Faults, How

COUNT = 500 if os.environ.get("TINK_SLOW") else 20
FIRE_SECONDS = 0.5  # some calls are rare: then another fault is tried
START_SECONDS = 5.0
LAST_SECONDS = 0.3  # of a fault that lasts
FAULTS_EACH = 10  # of one repository
AT_START = (Call.MKDIR, Call.CHMOD, Call.UNLINK, Call.SYNCFS)  # seldom later

pytestmark = [pytest.mark.kill, pytest.mark.timeout(1800)]


class Writer:
    """A process of load_retrying, started again when it was killed; hears what it says."""

    def __init__(self, repo: Path, faults: Faults, sink: str = "journal") -> None:
        self._repo, self._faults, self._sink = repo, faults, sink
        self._starts = 0
        self.acknowledged: list[ReportId] = []
        self.failing: list[str] = []  # reasons; empty when nothing fails
        self.start()

    def start(self) -> None:
        self._starts += 1
        words = ("tests.store.load_retrying", str(self._repo), str(self._starts), self._sink)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._faults.environment,
        )
        self.failing = []
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._listen),
            threading.Thread(target=self._listen_to_errors),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._end()
        assert self.process.returncode == 0, self.errors

    @property
    def errors(self) -> str:
        return "".join(self._errors[-60:])

    def has_ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self._end()
        return True

    def await_progress(self) -> None:
        """Wait for an acknowledgement; start the process again when it was killed."""
        count = len(self.acknowledged)
        give_up = time.monotonic() + sites.PATIENCE_SECONDS
        while len(self.acknowledged) == count:
            assert time.monotonic() < give_up, f"no progress: {self.failing} {self.errors}"
            if self.has_ended():
                self.start()
            time.sleep(0.002)

    def _end(self) -> None:
        self.process.wait(sites.PATIENCE_SECONDS)
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.endswith("\n"):
                return  # a kill cut it short: nobody heard that
            if line[0] == "+":
                self.acknowledged.append(ReportId(line[1:-1]))
            elif line[0] == "!":
                self.failing.append(line[1:-1])
            else:
                self.failing = []

    def _listen_to_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)


def any_fault(chance: random.Random) -> Fault:
    how = chance.choice(list(How))
    calls = list(Call)
    if how is How.HALF_DONE:
        calls = [Call.WRITE, Call.APPEND, Call.READ]
    is_kill = how in (How.KILLED_BEFORE, How.KILLED_AFTER)
    call = chance.choice(calls)
    return Fault(
        call=call,
        how=how,
        number=chance.choice(ERRORS),
        countdown=chance.randint(1, 2 if call in AT_START else 40),
        times=1 if is_kill or how is How.HALF_DONE else chance.choice((1, 1, 2, 5, ALL)),
    )


def look(repo_path: Path, writer: Writer) -> None:
    """What was acknowledged is there, once, beside the running writer too."""
    acknowledged = list(writer.acknowledged)
    with closing(GitRepo(repo_path)) as repo:
        load.check(repo, StatusStore(repo).load(), acknowledged)


def test_no_fault_of_the_disk_loses_or_doubles_what_was_acknowledged(tmp_path):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    tried: Counter[str] = Counter()
    count = 0
    while tried.total() < COUNT:
        folder = tmp_path / f"{tried.total()}"
        folder.mkdir()
        count += try_some(folder, chance, tried)
    print(f"{count} acknowledged; {dict(sorted(tried.items()))}")
    assert count > 5 * COUNT, "too little was written to prove anything"


def try_some(folder: Path, chance: random.Random, tried: Counter[str]) -> int:
    """Have some faults on a new repository; return how many reports were acknowledged."""
    repo_path = folder / "repo"
    sites.bare(repo_path).close()
    faults = Faults(folder, repo_path)
    writer = Writer(repo_path, faults, chance.choice(("journal", "journal", "files")))
    done = 0
    try:
        writer.await_progress()
        while done < FAULTS_EACH:
            fault = any_fault(chance)
            at_start = fault.call in AT_START or chance.random() < 0.1
            if strike(writer, faults, fault, at_start=at_start):
                done += 1
                tried[f"{fault.call.name} {fault.how.name}"] += 1
                look(repo_path, writer)
        writer.stop()
    finally:
        faults.take_back()
        writer.process.kill()
    look_closely(repo_path, writer)
    return len(writer.acknowledged)


def strike(writer: Writer, faults: Faults, fault: Fault, *, at_start: bool) -> bool:
    """Have one fault, and the writer over it; False when no such call came along."""
    if at_start:
        writer.process.kill()
        writer._end()
    faults.set(fault)
    if at_start:
        writer.start()
    before = len(writer.acknowledged)
    give_up = time.monotonic() + (START_SECONDS if at_start else FIRE_SECONDS)
    while not faults.fired and time.monotonic() < give_up and not writer.has_ended():
        if at_start and len(writer.acknowledged) > before:
            break  # the start went by without such a call
        time.sleep(0.002)
    if fault.times == ALL:
        time.sleep(LAST_SECONDS)
    has_fired = faults.fired > 0
    faults.take_back()
    if writer.has_ended():
        # At its start it may say no, and is started again, as by systemd.
        assert at_start or writer.process.returncode == -signal.SIGKILL, writer.errors
    writer.await_progress()
    return has_fired


def look_closely(repo_path: Path, writer: Writer) -> None:
    with closing(GitRepo(repo_path)) as repo:
        load.check(repo, StatusStore(repo).load(), writer.acknowledged)
        with closing(StatusWriter(repo)) as again:
            load.check(repo, again.view, writer.acknowledged)
        assert fsck.check(repo).problems == ()
    sites.fsck(repo_path)


def test_a_lasting_fault_is_reported_and_its_end_is_found_out_without_any_report(tmp_path):
    repo_path = tmp_path / "repo"
    sites.bare(repo_path).close()
    faults = Faults(tmp_path, repo_path)
    writer = Writer(repo_path, faults)
    try:
        for number in ERRORS:
            writer.await_progress()
            faults.set(Fault(call=Call.EVERY_WRITE, number=number, times=ALL))
            wait_for(lambda: writer.failing)
            assert os.strerror(number) in writer.failing[-1]
            faults.take_back()
            wait_for(lambda: not writer.failing)
        writer.stop()
    finally:
        faults.take_back()
        writer.process.kill()
    assert errno.EROFS in ERRORS


def wait_for(look: Callable[[], object]) -> None:
    give_up = time.monotonic() + sites.PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < give_up
        time.sleep(0.01)
