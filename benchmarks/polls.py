"""What asking for work costs: busy polls, idle long polls, and the way from release to worker.

    python -m benchmarks.polls [--workflows 10000] [--connections 64,512,5000]
        [--idle 5000] [--seconds 4] [--rounds 3] [--wakes 200] [--peer]

Busy polls ask without waiting, half of them by machines that have an action, half by
unknown ones.  `--peer` runs the statements of classic tink's poll beside it, in turn, on
PostgreSQL with as many workflows (`--workflows 100000 --peer`); the ratio is the median
over the rounds.  A wake-up is timed from sending the report that releases an action to
the other machine's answer, that report's commit included.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import uvloop

from benchmarks import load_client, postgres_peer, site
from benchmarks.figures import Figures, median, summarise
from benchmarks.load import Scripts
from provisioner.git.repo import GitRepo
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.views import WorkflowCreated
from provisioner.model.workflow import WorkerAddress
from provisioner.store.writer.status_writer import StatusWriter
from worker import wire

PAIRS_FROM = 900_000  # numbers of the workflows of two machines
SECOND = 1_000_000  # added to a number: the id of its second machine
PEER_CLIENTS = 64  # its best: with more, each scan only waits longer for one of two cores
WARM_UP_SECONDS = 1
POLLS_OF_A_SCRIPT = 500
MOST_POLLS_PER_SECOND = 60_000


def _polls(workflows: int, first: int) -> Iterator[bytes]:
    for number in range(first * POLLS_OF_A_SCRIPT, (first + 1) * POLLS_OF_A_SCRIPT):
        known = site.worker_id(number % workflows)
        worker = known if number % 2 else site.worker_id(number + 10 * SECOND)
        yield load_client.get(f"/v1/workers/{worker}/action")


def _scripts(options: argparse.Namespace) -> Scripts:
    return Scripts(partial(_polls, options.workflows), count(), per_second=MOST_POLLS_PER_SECOND)


def _busy(
    server: site.Server,
    peer: postgres_peer.PostgresPeer | None,
    options: argparse.Namespace,
    connections: int,
) -> None:
    ours, theirs = [], []
    played = _scripts(options)
    clients = min(connections, PEER_CLIENTS)
    for _ in range(options.rounds):
        if peer is not None:
            theirs.append(
                peer.run(
                    postgres_peer.POLL,
                    workflows=options.workflows,
                    clients=clients,
                    seconds=options.seconds,
                )
            )
        ours.append(
            played.drive(server.host, server.port, clients=connections, seconds=options.seconds)
        )
    print(f"{connections:5} connections: {_middle(ours)}", flush=True)
    if peer is not None:
        # On a busy machine pgbench may spend a short round on opening its connections.
        rounds = [pair for pair in zip(ours, theirs, strict=True) if pair[1].per_second]
        ratio = median([a.per_second / b.per_second for a, b in rounds]) if rounds else math.nan
        print(
            f"{clients:5} clients of tink's SQL: {_middle(theirs)} | {ratio:.1f} times", flush=True
        )


def _middle(figures: list[Figures]) -> Figures:
    return sorted(figures, key=lambda each: each.per_second)[len(figures) // 2]


def _pair(number: int) -> WorkflowCreated:
    """A workflow that goes to and fro between two machines."""
    made = site.created(number)
    second = HardwareId(site.worker_id(number + SECOND))
    actions = tuple(
        replace(action, worker_id=second) if action.index % 2 else action
        for action in made.record.actions
    )
    workers = (*made.record.workers, WorkerAddress(id=second))
    return replace(made, record=replace(made.record, actions=actions, workers=workers))


def _fill(folder: Path, options: argparse.Namespace) -> None:
    site.fill(folder, options.workflows)
    writer = StatusWriter(GitRepo(folder))
    try:
        pairs = tuple(_pair(PAIRS_FROM + number) for number in range(options.wakes))
        writer.propose(lambda _: pairs).result()
    finally:
        writer.close()


async def _idle(server: site.Server, options: argparse.Namespace) -> None:
    """Open long polls, see what they cost, and wake single ones among them."""
    before = server.resident_mib
    waiting = []
    for number in range(options.idle):
        worker = (
            site.worker_id(PAIRS_FROM + SECOND + number)
            if number < options.wakes
            else site.worker_id(20 * SECOND + number)
        )
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(load_client.get(f"/v1/workers/{worker}/action?wait=60"))
        waiting.append((reader, writer))
    await asyncio.sleep(2)
    used = server.resident_mib - before
    used_before = server.cpu_seconds
    await asyncio.sleep(5)
    busy = (server.cpu_seconds - used_before) / 5 * 100
    print(
        f"{options.idle} idle long polls: {used:.1f} MiB, {used * 1024 / options.idle:.1f} KiB"
        f" each; {busy:.1f} % of a core",
        flush=True,
    )
    asker, telling = await asyncio.open_connection(server.host, server.port)
    times = [
        await _wake(PAIRS_FROM + number, waiting[number][0], asker, telling)
        for number in range(options.wakes)
    ]
    print(f"wake-ups, from the report to the other machine: {summarise(times, sum(times) / 1000)}")
    for _, writer in waiting:
        writer.close()
    telling.close()


async def _wake(
    number: int,
    waiting: asyncio.StreamReader,
    asker: asyncio.StreamReader,
    telling: asyncio.StreamWriter,
) -> float:
    workflow = site.workflow_id(number)
    for status in ("STATE_RUNNING", "STATE_SUCCESS"):
        started = time.perf_counter()
        telling.write(
            load_client.post(f"/v1/workflows/{workflow}/reports", _report(number, status))
        )
        if status == "STATE_RUNNING":
            await _answer(asker)
    body = await _answer(waiting)
    took = (time.perf_counter() - started) * 1000
    if wire.decode(wire.Offer, body).workflow_id != workflow:
        raise SystemExit("a machine was woken for another's workflow")
    await _answer(asker)
    return took


def _report(number: int, status: str) -> dict[str, object]:
    workflow: WorkflowId = site.workflow_id(number)
    return {
        "report_id": wire.report_id(workflow, 0, 1, status),
        "worker": site.worker_id(number),
        "task_name": site.TASK,
        "action_name": site.action_name(0),
        "action_index": 0,
        "attempt": 1,
        "action_status": status,
    }


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode())
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workflows", type=int, default=10_000)
    parser.add_argument("--connections", default="64,512,5000")
    parser.add_argument("--idle", type=int, default=5_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wakes", type=int, default=200)
    parser.add_argument("--peer", action="store_true", help="run PostgreSQL beside it (root)")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        _fill(folder / "site.git", options)
        peer = stack.enter_context(postgres_peer.postgres({})) if options.peer else None
        if peer is not None:
            peer.load(options.workflows)
        server = stack.enter_context(site.serving(folder / "site.git"))
        server.settle()
        # What a first poll imports and reads is no poll's cost.
        _scripts(options).drive(server.host, server.port, clients=1, seconds=WARM_UP_SECONDS)
        uvloop.run(_idle(server, options))
        for connections in map(int, options.connections.split(",")):
            _busy(server, peer, options, connections)


if __name__ == "__main__":
    main()
