"""A whole fleet at once: each machine polls, runs its ten actions, and polls again.

    python -m benchmarks.fleet [--machines 1000]

The machines speak the real wire contract over their own connections and run no container.
Afterwards `git fsck` and `tink fsck` must be clean and every workflow a success.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import load_client, site
from benchmarks.figures import summarise
from worker import wire


def _machine(number: int) -> load_client.Script:
    worker = site.worker_id(number)
    while True:
        status, body = yield load_client.get(f"/v1/workers/{worker}/action?wait=1")
        if status == 204:
            return
        offer = wire.decode(wire.Offer, body)
        attempt = offer.attempt + 1
        for told in ("STATE_RUNNING", "STATE_SUCCESS"):
            yield load_client.post(
                f"/v1/workflows/{offer.workflow_id}/reports",
                {
                    "report_id": wire.report_id(
                        offer.workflow_id, offer.action_index, attempt, told
                    ),
                    "worker": worker,
                    "task_name": offer.task_name,
                    "action_name": offer.action_name,
                    "action_index": offer.action_index,
                    "attempt": attempt,
                    "action_status": told,
                },
            )


def _proof(repository: Path, machines: int) -> None:
    subprocess.run(["git", "-C", repository, "fsck", "--strict"], check=True, capture_output=True)
    tink = [sys.executable, "-m", "provisioner.cli", "--repo", str(repository)]
    subprocess.run([*tink, "fsck"], check=True, capture_output=True)
    listed = subprocess.run(
        [*tink, "workflow", "list", "-o", "json"], check=True, capture_output=True
    )
    states = [each["state"] for each in json.loads(listed.stdout)]
    if states != ["STATE_SUCCESS"] * machines:
        raise SystemExit(f"not every workflow is a success: {sorted(set(states))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name:
        repository = Path(name) / "site.git"
        site.fill(repository, options.machines)
        with site.serving(repository) as server:
            scripts = [partial(_machine, n) for n in range(options.machines)]
            tally, took = load_client.drive(server.host, server.port, list(scripts))
            resident = server.resident_mib
        if tally.refused:
            raise SystemExit(f"{len(tally.refused)} refused, the first: {tally.refused[0]}")
        print(
            f"{options.machines:,} machines, {site.ACTIONS} actions each: {took:.1f} s"
            f" | every call {summarise(tally.latencies_ms, took)} | server {resident:.0f} MiB"
        )
        _proof(repository, options.machines)
        print("git fsck and tink fsck are clean, every workflow is a success")


if __name__ == "__main__":
    main()
