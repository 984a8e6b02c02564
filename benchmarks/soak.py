"""Hostile and honest traffic at once: does memory stay flat, and is every promise kept?

    python -m benchmarks.soak [--seconds 600] [--workflows 6000] [--machines 24]
        [--attackers 8] [--seed 0]

Machines ask, report, push and fetch data as workers do, while attackers do all that
`hostile.py` knows, in random order.  It fails when the server's memory grows, when a report
that was acknowledged is not on the status branch, when a machine is refused anything but "not
now", when a probe waits for longer than five seconds, or when SIGTERM takes longer than that.

What grows is what remains while nobody is served: the lowest tenth of a quarter of the time,
of the second quarter and of the last.  Above that may be what the server holds for those who
are connected (`budget.py`), as bytes and once more as what is made of them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import hostile, site
from provisioner.faces.http.budget import ANSWERS_BYTES, BODIES_BYTES, REQUESTS_BYTES
from worker import wire

LONGEST_PROBE_SECONDS = 5.0
LONGEST_END_SECONDS = 5.0
GROWTH_MIB = 32.0  # what honest reports leave in memory is a part of it
SERVED_MIB = 2 * (REQUESTS_BYTES + BODIES_BYTES + ANSWERS_BYTES) / 1_048_576
PAUSE_SECONDS = 0.1  # between two steps of a machine
PATIENCE_SECONDS = 30.0
STORED = '"report_id": ?"[^"]+"'


@dataclass
class Seen:
    """What everybody saw; a list's `append` and a dict's assignment need no lock."""

    acknowledged: list[str] = field(default_factory=list)
    not_now: list[int] = field(default_factory=list)  # 503, which a machine tries again
    wrong: list[str] = field(default_factory=list)
    probe_seconds: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)


class Machine(threading.Thread):
    """Carries its workflows through, one after the other, as a worker would."""

    def __init__(
        self, server: site.Server, numbers: range, seen: Seen, over: threading.Event
    ) -> None:
        super().__init__()
        self._server = server
        self._numbers = numbers
        self._seen = seen
        self._over = over
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for number in self._numbers:
            self._workflow(number, str(site.workflow_id(number)), str(site.worker_id(number)))
            if self._over.is_set():
                break
        if self._connection is not None:
            self._connection.close()

    def _workflow(self, number: int, workflow: str, worker: str) -> None:
        for index in range(site.ACTIONS):
            self._ask("GET", f"/v1/workers/{worker}/action?wait=1")
            self.report(workflow, worker, index, "STATE_RUNNING")
            beat = wire.encode(wire.Heartbeat(worker=worker, action_index=index, attempt=1))
            self._ask("POST", f"/v1/workflows/{workflow}/heartbeat", beat)
            if index % 3 == 0:
                self._push(workflow, worker, index, number)
            self.report(workflow, worker, index, "STATE_SUCCESS")
            if self._over.wait(PAUSE_SECONDS):
                return

    def report(self, workflow: str, worker: str, index: int, status: str) -> None:
        report = wire.Report(
            report_id=wire.report_id(workflow, index, 1, status),
            worker=worker,
            task_name=site.TASK,
            action_name=site.action_name(index),
            action_index=index,
            attempt=1,
            action_status=status,
            log_tail="a line of output\n" * 20,
        )
        if self._ask("POST", f"/v1/workflows/{workflow}/reports", wire.encode(report)):
            self._seen.acknowledged.append(report.report_id)

    def _push(self, workflow: str, worker: str, index: int, number: int) -> None:
        size = 2_000_000 if number % 40 == 0 else 2_000
        content = random.Random(f"{number} {index}").randbytes(size)
        archive = wire.pack([wire.ArchivedFile(path=f"file-{index}", content=content)])
        name = wire.report_id(workflow, index, 1, "data")
        query = f"worker={worker}&action_index={index}&attempt=1&report_id={name}"
        if self._ask("PUT", f"/v1/workflows/{workflow}/data?{query}", archive):
            self._seen.acknowledged.append(name)
        self._ask("GET", f"/v1/workflows/{workflow}/data?worker={worker}")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bool:
        """Ask until it is answered, as a worker does; False when the time is over."""
        while not self._over.is_set():
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    self._server.host, self._server.port, timeout=PATIENCE_SECONDS
                )
            try:
                self._connection.request(method, path, body)
                answer = self._connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = None
                time.sleep(0.05)
                continue
            if answer.status < 300:
                return True
            if answer.status != 503:
                self._seen.wrong.append(f"{method} {path}: {answer.status} {content[:200]!r}")
                return False
            self._seen.not_now.append(answer.status)
            time.sleep(0.2)
        return False


def _attack(target: hostile.Target, seed: int, seen: Seen, over: threading.Event) -> None:
    chance = random.Random(seed)
    while not over.is_set():
        kind = chance.choice(hostile.KINDS)
        with contextlib.suppress(OSError):
            kind(target, chance)
        seen.attacks.append(kind.__name__)


def _watch(server: site.Server, seen: Seen, over: threading.Event) -> None:
    while not over.wait(0.25):
        begun = time.monotonic()
        connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            seen.wrong.append(f"a probe failed: {error!r}")
        finally:
            connection.close()
        seen.probe_seconds.append(time.monotonic() - begun)
        seen.memory_mib.append(server.resident_mib)


def _faults(seen: Seen, repository: Path, end_seconds: float) -> list[str]:
    faults = list(seen.wrong[:5])
    quarter = len(seen.memory_mib) // 4
    before = _lowest_tenth(seen.memory_mib[quarter : 2 * quarter])
    after = _lowest_tenth(seen.memory_mib[-quarter:])
    print(f"memory: {before:.0f} MiB in the second quarter, {after:.0f} in the last")
    if after > before + GROWTH_MIB:
        faults.append(f"memory grew from {before:.0f} to {after:.0f} MiB")
    if max(seen.memory_mib) > after + SERVED_MIB:
        faults.append(f"memory rose to {max(seen.memory_mib):.0f} MiB")
    if max(seen.probe_seconds) > LONGEST_PROBE_SECONDS:
        faults.append(f"a probe waited for {max(seen.probe_seconds):.1f} s")
    if end_seconds > LONGEST_END_SECONDS:
        faults.append(f"SIGTERM took {end_seconds:.1f} s")
    found = subprocess.run(
        [
            "git",
            "-C",
            repository,
            "grep",
            "-hoE",
            '"report_id": ?"[^"]+"',
            "status",
            "--",
            "status",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    stored = re.findall(r'"([^"]+)"$', found, re.MULTILINE)
    lost = set(seen.acknowledged) - set(stored)
    if lost:
        faults.append(f"{len(lost)} acknowledged reports are not there: {sorted(lost)[:3]}")
    if len(stored) != len(set(stored)):
        faults.append("a report is there twice")
    words = [sys.executable, "-m", "provisioner.cli", "fsck", "--repo", str(repository)]
    proof = subprocess.run(words, capture_output=True, text=True, check=False)
    if proof.returncode:
        faults.append(f"tink fsck: {(proof.stdout + proof.stderr)[-500:]}")
    return faults


def _lowest_tenth(values: list[float]) -> float:
    return sorted(values)[len(values) // 10]


def _run(options: argparse.Namespace, repository: Path) -> list[str]:
    site.fill(repository, options.workflows)
    seen, watched, over = Seen(), threading.Event(), threading.Event()
    with site.serving(repository) as server:
        last = options.workflows - 1
        target = hostile.Target(
            server.host, server.port, str(site.workflow_id(last)), str(site.worker_id(last))
        )
        machines = [
            Machine(server, range(first, last, options.machines), seen, over)
            for first in range(options.machines)
        ]
        forged = Machine(server, range(0), seen, threading.Event())
        forged.report(str(site.workflow_id(last)), str(site.worker_id(last)), 0, "STATE_RUNNING")
        attackers = [
            threading.Thread(target=_attack, args=(target, options.seed + number, seen, over))
            for number in range(options.attackers)
        ]
        watcher = threading.Thread(target=_watch, args=(server, seen, watched))
        for each in (*machines, *attackers, watcher):
            each.start()
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            time.sleep(min(30.0, max(0.0, end - time.monotonic())))
            print(_line(seen, server), flush=True)
        watched.set()
        watcher.join()
        begun = time.monotonic()  # in the middle of it all
        server.process.terminate()
        server.process.wait(60)
        end_seconds = time.monotonic() - begun
        over.set()
        for each in (*machines, *attackers):
            each.join()
    probes = sorted(seen.probe_seconds)
    middle, most = probes[len(probes) // 2], probes[-1 - len(probes) // 100]
    print(
        f"probes: p50 {middle * 1000:.0f} ms, p99 {most * 1000:.0f} ms,"
        f" longest {probes[-1] * 1000:.0f} ms; SIGTERM took {end_seconds:.1f} s"
    )
    return _faults(seen, repository, end_seconds)


def _line(seen: Seen, server: site.Server) -> str:
    return (
        f"{len(seen.acknowledged)} reports and pushes acknowledged, {len(seen.not_now)} times"
        f" not now, {len(seen.attacks)} attacks; {server.resident_mib:.0f} MiB, at most"
        f" {max(seen.memory_mib, default=0):.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--workflows", type=int, default=6_000)
    parser.add_argument("--machines", type=int, default=24)
    parser.add_argument("--attackers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        faults = _run(options, Path(folder) / "site.git")
    for each in faults:
        print(f"FAULT: {each}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
