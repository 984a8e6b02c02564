"""What does a fleet's past cost: on the disk, for each report, in memory, at a start?

    python -m benchmarks.growth                                 1,000, 10,000 and 100,000
    python -m benchmarks.growth --workflows 1000 --live 100     a short run

For each size: that many workflows are made and brought to their end, then `--live` more
wait.  Bytes are those of packs and indexes after maintenance.  Each timed part runs in a
process of its own, so that its memory and processor time are its own; processor time
includes the git processes that it waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import site, store
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.model.views import Proposal
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import maintenance
from provisioner.store.writer.status_writer import StatusWriter

SIZES = (1_000, 10_000, 100_000)
REPORTERS = (1, 64)
_AT_ONCE = 1_000  # workflows that are under way together

Row = dict[str, float]
Stage = Callable[[Path, argparse.Namespace], Row]


def past(size: int, events: int) -> Iterator[Proposal]:
    """Every report of workflows that fail in the end: RUNNING, SUCCESS, …, RUNNING, FAILED."""
    for first in range(0, size, _AT_ONCE):
        for step in range(events):
            ends = State.FAILED if step == events - 1 else State.SUCCESS
            for number in range(first, min(size, first + _AT_ONCE)):
                yield store.report(number, step, ends)


def stage_fill(path: Path, words: argparse.Namespace) -> Row:
    """Make the workflows, then their past; what each took on the disk."""
    size = words.workflows[0]
    with closing(site.new(path)) as repo:
        store.fill(repo, size + words.live)
        maintenance.run(repo, now=time.time())
        made = maintenance.stats(repo)
        with closing(StatusWriter(repo)) as writer:
            feed, count = past(size, words.events), size * words.events
            for _ in range(0, count, _AT_ONCE):
                some = [each for _, each in zip(range(_AT_ONCE), feed, strict=False)]
                store.drive(writer, some, words.reporters)
                if maintenance.is_due(repo):
                    maintenance.run(repo, now=time.time())
        maintenance.run(repo, now=time.time())
        done = maintenance.stats(repo)
    assert done.events == count, f"{done.events} events of {count}"
    return {
        "bytes a workflow": made.pack_bytes / made.workflows,
        "bytes an event": (done.pack_bytes - made.pack_bytes) / done.events,
        "bytes, all of it, an event": done.bytes_per_event,
        "MB in all": done.pack_bytes / 1e6,
    }


def stage_reports(path: Path, words: argparse.Namespace) -> Row:
    """Reports of the live workflows, at two loads."""
    size, row = words.workflows[0], {}
    numbers = range(size, size + words.live)
    feed = (store.report(number, step) for step in range(2 * site.ACTIONS) for number in numbers)
    with closing(GitRepo(path)) as repo, closing(StatusWriter(repo)) as writer:
        row["MB resident before reports"] = resident_mb()
        for reporters in REPORTERS:
            count = min(words.reports, len(numbers) * site.ACTIONS // len(REPORTERS))
            some = [each for _, each in zip(range(count), feed, strict=False)]
            before, cpu = maintenance.stats(repo).pack_bytes, time.process_time()
            figures = store.drive(writer, some, reporters)
            cpu = time.process_time() - cpu
            after = maintenance.stats(repo).pack_bytes
            row |= {
                f"ms a report, {reporters} reporters, p50": figures.p50_ms,
                f"ms a report, {reporters} reporters, p99": figures.p99_ms,
                f"reports/s, {reporters} reporters": figures.per_second,
                f"CPU ms a report, {reporters} reporters": cpu / count * 1000,
                f"bytes a report before maintenance, {reporters} reporters": (after - before)
                / count,
            }
        row["MB resident after reports"] = resident_mb()
    return row


def stage_load(path: Path, _: argparse.Namespace) -> Row:
    """A start without the checkpoint; writes one."""
    with closing(GitRepo(path)) as repo:
        for each in repo.own_dir.glob("checkpoint-*"):
            each.unlink()
        row = timed("start without checkpoint", StatusStore(repo).load)
        return row | timed("checkpoint written", lambda: checkpoint.save(StatusStore(repo)))


def stage_restart(path: Path, _: argparse.Namespace) -> Row:
    with closing(GitRepo(path)) as repo:
        row = timed("start from checkpoint", lambda: checkpoint.load(StatusStore(repo)))
        return row | {"MB resident after a start": resident_mb()}


def stage_serve(path: Path, _: argparse.Namespace) -> Row:
    """`tink serve`, from its first line of code until it listens."""
    started = time.perf_counter()
    with site.serving(path, "--fetch", "0") as server:
        seconds = time.perf_counter() - started
        return {
            "s until tink serve listens": seconds,
            "MB resident of tink serve": server.resident_mib,
        }


def stage_fsck(path: Path, _: argparse.Namespace) -> Row:
    def check(since: str = "") -> None:
        known = repo.find_commit(since) if since else None
        found = fsck.check(repo, since=known)
        assert not found.problems, found.problems[:3]

    with closing(GitRepo(path)) as repo:
        row = timed("fsck", check)
        commits = int(repo.run("rev-list", "--count", "status"))
        since = f"status~{min(100, commits - 1)}"
        return row | timed("fsck --since 100 commits ago", lambda: check(since))


STAGES: dict[str, Stage] = {
    "fill": stage_fill,
    "load": stage_load,
    "restart": stage_restart,
    "serve": stage_serve,
    "reports": stage_reports,
    "fsck": stage_fsck,
}


def timed(what: str, work: Callable[[], object]) -> Row:
    started, cpu = time.perf_counter(), cpu_seconds()
    work()
    return {
        f"s {what}": time.perf_counter() - started,
        f"CPU s {what}": cpu_seconds() - cpu,
    }


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(size: int, path: Path, words: argparse.Namespace) -> Row:
    row: Row = {}
    for stage in STAGES:
        command = [sys.executable, "-m", "benchmarks.growth", "--stage", stage, "--path", str(path)]
        command += ["--workflows", str(size), "--live", str(words.live)]
        command += ["--events", str(words.events), "--reports", str(words.reports)]
        command += ["--reporters", str(words.reporters)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        row |= json.loads(done.stdout)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, action="append", help="one size; may repeat")
    parser.add_argument("--live", type=int, default=10_000, help="workflows that wait")
    parser.add_argument("--events", type=int, default=10, help="of each finished one; even")
    parser.add_argument("--reports", type=int, default=5_000, help="timed at each load")
    parser.add_argument("--reporters", type=int, default=64, help="who made the past")
    parser.add_argument("--folder", type=Path, help="where to work: the disk to be measured")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.events % 2 or not 2 <= words.events <= 2 * site.ACTIONS:
        parser.error(f"--events is an even number up to {2 * site.ACTIONS}")
    if words.stage:
        print(json.dumps(STAGES[words.stage](words.path, words)))
        return
    sizes = words.workflows or list(SIZES)
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=words.folder) as folder:
            rows.append(measure(size, Path(folder) / "repo", words))
    print(f"{'finished workflows':58}" + "".join(f"{size:>12,}" for size in sizes))
    for name in rows[0]:
        print(f"{name:58}" + "".join(f"{row[name]:12,.2f}" for row in rows))


if __name__ == "__main__":
    main()
