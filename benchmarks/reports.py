"""Durable action reports a second: ours through HTTP, beside classic tink's SQL.

    python -m benchmarks.reports [--workflows 1000,10000] [--clients 1,16,64,256]
        [--seconds 4] [--rounds 3] [--sync-delay-ms 0]

Each client works on a workflow of its own: RUNNING, SUCCESS, action after action, then
the next workflow.  Both sides run in turn, round by round, in one process group on one
machine; the ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import load_client, postgres_peer, site
from benchmarks.figures import Figures, median
from benchmarks.load import Scripts
from worker import wire


def _reports(number: int) -> Iterator[bytes]:
    """Carry a workflow through."""
    workflow = site.workflow_id(number)
    for index in range(site.ACTIONS):
        for status in ("STATE_RUNNING", "STATE_SUCCESS"):
            yield load_client.post(
                f"/v1/workflows/{workflow}/reports",
                {
                    "report_id": wire.report_id(workflow, index, 1, status),
                    "worker": site.worker_id(number),
                    "task_name": site.TASK,
                    "action_name": site.action_name(index),
                    "action_index": index,
                    "attempt": 1,
                    "action_status": status,
                    "seconds": 3 if status == "STATE_SUCCESS" else 0,
                    "message": "Started execution",
                },
            )


def scripts(workflows: int) -> Scripts:
    return Scripts(_reports, range(workflows))


def _slow_disk(folder: Path, delay_ms: float) -> dict[str, str]:
    if not delay_ms:
        return {}
    shim = folder / "slow_sync.so"
    source = Path(__file__).with_name("slow_sync.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim, source], check=True)
    return {"LD_PRELOAD": str(shim), "TINKGIT_SYNC_DELAY_US": str(int(delay_ms * 1000))}


def _measure(workflows: int, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environment = _slow_disk(folder, options.sync_delay_ms)
        site.fill(folder / "site.git", workflows)
        with (
            postgres_peer.postgres(environment) as peer,
            site.serving(folder / "site.git", extra_environment=environment) as server,
        ):
            peer.load(workflows)
            server.settle()
            played = scripts(workflows)
            for clients in options.clients:
                ours, theirs = [], []
                for _ in range(options.rounds):
                    theirs.append(
                        peer.run(
                            postgres_peer.REPORT,
                            workflows=workflows,
                            clients=clients,
                            seconds=options.seconds,
                        )
                    )
                    ours.append(
                        played.drive(
                            server.host, server.port, clients=clients, seconds=options.seconds
                        )
                    )
                _print_row(workflows, clients, ours, theirs)
            print(f"server: {server.resident_mib:.0f} MiB resident")


def _print_row(workflows: int, clients: int, ours: list[Figures], theirs: list[Figures]) -> None:
    ratio = median([a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True)])
    p99 = median([a.p99_ms / b.p99_ms for a, b in zip(ours, theirs, strict=True)])
    mine = sorted(ours, key=lambda each: each.per_second)[len(ours) // 2]
    other = sorted(theirs, key=lambda each: each.per_second)[len(theirs) // 2]
    print(
        f"{workflows:7,} workflows, {clients:3} clients: tinkgit {mine} | tink SQL {other}"
        f" | {ratio:5.2f} times, p99 {p99:4.2f} times",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    numbers = partial(map, int)
    parser.add_argument("--workflows", default="10000")
    parser.add_argument("--clients", default="1,16,64,256")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sync-delay-ms", type=float, default=0)
    options = parser.parse_args()
    options.clients = list(numbers(options.clients.split(",")))
    print(f"{os.cpu_count()} cores; every sync {options.sync_delay_ms} ms slower")
    for workflows in numbers(options.workflows.split(",")):
        _measure(workflows, options)


if __name__ == "__main__":
    main()
