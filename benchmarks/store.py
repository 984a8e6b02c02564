"""How fast is the store alone, without HTTP, and does it stay so as it grows?

    python -m benchmarks.store                      all of it, some minutes
    python -m benchmarks.store --workflows 1000     one size

For each size: reports a second with 1, 10, 100 and 1,000 reporters, by each way of
writing in turn (interleaved, so that a noisy machine is noisy for all), then the time of a
start with and without the checkpoint, bytes per event before and after maintenance, and
the time of `tink fsck`.  Every figure is of commits that were acknowledged as durable.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import figures, site
from provisioner.git.commit import Sink
from provisioner.git.repo import GitRepo
from provisioner.model import state_machine
from provisioner.model.event import ActionReported
from provisioner.model.ids import ReportId
from provisioner.model.state import State
from provisioner.model.views import Change, Proposal, StatusView
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import maintenance
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests.store.fast_import import FastImportSink

SINKS: dict[str, Callable[[GitRepo, str], Sink]] = {
    "journal": PackSink,
    "files": partial(PackSink, journal=False),
    "fast-import": FastImportSink,
}
REPORTERS = (1, 10, 100, 1000)
SIZES = (1_000, 10_000, 100_000)
ACTIVE = 1_000  # workflows that report, the newest ones
_PATIENCE_SECONDS = 120
_AT = "2026-11-23T10:00:00.000000Z"


def report(number: int, step: int, ends: State = State.SUCCESS) -> Proposal:
    """The report of a workflow's n-th step: RUNNING and SUCCESS of each action in turn."""
    created = site.created(number).record
    action = created.actions[step // 2]
    event = ActionReported(
        workflow_id=created.id,
        at=_AT,
        report_id=ReportId(os.urandom(16).hex()),
        worker_id=action.worker_id,
        task_name=action.task_name,
        action_name=action.name,
        action_index=action.index,
        attempt=1,
        action_status=ends if step % 2 else State.RUNNING,
    )

    def proposal(view: StatusView) -> tuple[Change, ...]:
        entry = view.workflows[event.workflow_id]
        return state_machine.decide(entry.context, entry.record.actions, event)

    return proposal


def steps(size: int) -> Iterator[Proposal]:
    """Reports of the active workflows, round and round."""
    first = max(0, size - ACTIVE)
    for step in range(2 * site.ACTIONS):
        for number in range(first, size):
            yield report(number, step)


def fill(repo: GitRepo, size: int) -> float:
    started = time.perf_counter()
    with closing(StatusWriter(repo)) as writer:
        for first in range(0, size, site.BATCH):
            changes = tuple(map(site.created, range(first, min(size, first + site.BATCH))))
            writer.propose(lambda _, changes=changes: changes).result(_PATIENCE_SECONDS)
    return size / (time.perf_counter() - started)


def drive(writer: StatusWriter, proposals: list[Proposal], reporters: int) -> figures.Figures:
    """Have `reporters` reports under way at any time, as so many workers would."""
    latencies = []
    started = time.perf_counter()
    for at in range(0, len(proposals), reporters):
        sent = time.perf_counter()
        for future in [writer.propose(each) for each in proposals[at : at + reporters]]:
            future.result(_PATIENCE_SECONDS)
            latencies.append((time.perf_counter() - sent) * 1000)
    return figures.summarise(latencies, time.perf_counter() - started)


@contextmanager
def copies(path: Path, folder: Path) -> Iterator[dict[str, Path]]:
    """One copy of the repository for each way of writing."""
    places = {name: folder / name for name in SINKS}
    for place in places.values():
        shutil.copytree(path, place)
    yield places
    for place in places.values():
        shutil.rmtree(place)


def measure_reports(path: Path, folder: Path, size: int, rounds: int) -> None:
    with copies(path, folder) as places:
        feeds = {name: steps(size) for name in SINKS}
        for reporters in REPORTERS:
            count = min(max(150, 20 * reporters), 3_000)
            rows: dict[str, list[figures.Figures]] = {name: [] for name in SINKS}
            for _ in range(rounds):
                for name, place in places.items():
                    with (
                        closing(GitRepo(place)) as repo,
                        closing(StatusWriter(repo, make_sink=SINKS[name])) as writer,
                    ):
                        proposals = list(itertools.islice(feeds[name], count))
                        rows[name].append(drive(writer, proposals, reporters))
            for name, found in rows.items():
                best = sorted(found, key=lambda each: each.per_second)[len(found) // 2]
                print(f"  {size:7,} workflows  {reporters:5} reporters  {name:12} {best}")


def measure_maintenance(path: Path, size: int) -> None:
    """The same load alone, and while one maintenance follows the other."""
    feed = steps(size)
    with closing(GitRepo(path)) as repo, closing(StatusWriter(repo)) as writer:
        for what in ("alone", "beside maintenance"):
            stop = threading.Event()
            runs = []

            def maintain(stop: threading.Event = stop, runs: list[float] = runs) -> None:
                while not stop.is_set():
                    runs.append(maintenance.run(repo, now=time.time()).seconds)

            thread = threading.Thread(target=maintain)
            if what != "alone":
                thread.start()
            found = drive(writer, list(itertools.islice(feed, 5_000)), 50)
            stop.set()
            if what != "alone":
                thread.join()
            print(f"  50 reporters {what:18} {found}  ({len(runs)} runs)")


def timed(what: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    print(f"  {what}: {time.perf_counter() - started:.2f} s")


def measure(size: int, rounds: int, folder: Path) -> None:
    path = folder / "repo"
    with closing(site.new(path)) as repo:
        print(f"{size:,} workflows: created at {fill(repo, size):,.0f}/s")
    if rounds:
        measure_reports(path, folder, size, rounds)
        shutil.copytree(path, folder / "maintained")
        measure_maintenance(folder / "maintained", size)
    with closing(GitRepo(path)) as repo:
        with closing(StatusWriter(repo)) as writer:
            proposals = list(itertools.islice(steps(size), 10 * ACTIVE))
            drive(writer, proposals, 100)
        store = StatusStore(repo)
        timed("start without checkpoint", store.load)
        timed("checkpoint written", lambda: checkpoint.save(store))
        timed("start from checkpoint", lambda: checkpoint.load(store))
        before = maintenance.stats(repo)
        timed("maintenance", lambda: maintenance.run(repo, now=time.time()))
        after = maintenance.stats(repo)
        print(
            f"  {before.events:,} events; packs {before.packs} -> {after.packs},"
            f" bytes {before.pack_bytes:,} -> {after.pack_bytes:,}"
        )
        found: list[fsck.FsckReport] = []
        timed("fsck", lambda: found.append(fsck.check(repo)))
        assert not found[0].problems, found[0].problems[:3]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  peak memory of this process so far: {peak / 1024:.0f} MB")
    shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workflows", type=int, action="append", help="one size; may repeat")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work: the disk to be measured")
    words = parser.parse_args()
    for size in words.workflows or SIZES:
        with tempfile.TemporaryDirectory(dir=words.folder) as folder:
            measure(size, words.rounds, Path(folder))


if __name__ == "__main__":
    main()
