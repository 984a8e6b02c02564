"""A process that writes a status branch and tries again whatever fails, as workers do.

Run as `python -m tests.store.load_retrying REPOSITORY SEED SINK`; it ends in order when its
standard input does.  It prints `+` and the id of each report that was acknowledged, `!` and
the reason when nothing can be written, and `.` when something can again.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId
from provisioner.model.state import State
from provisioner.model.views import Receipt
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import load, sites

# By default the journal, and a memory that hears of it.
SINKS = {"journal": None, "files": partial(PackSink, journal=False)}

_AGAIN_SECONDS = 0.005
_PAUSE_SECONDS = 0.005  # whoever looks at the branch has to read all of it
_WORKFLOWS = 10  # at a time
_ACTIONS = 4


def say(mark: str, text: str = "") -> None:
    print(f"{mark}{text}", flush=True)


def again_and_again(propose: Callable[[], Receipt]) -> Receipt:
    while True:
        try:
            return propose()
        except Unavailable:
            time.sleep(_AGAIN_SECONDS)


def run(writer: StatusWriter, chance: random.Random, stop: threading.Event) -> None:
    while not stop.is_set():
        base = len(writer.view.workflows)
        numbers = range(base, base + _WORKFLOWS)
        records = [sites.record(each, *[builders.ONE] * _ACTIONS) for each in numbers]
        again_and_again(lambda made=records: _result(writer.propose(sites.create(*made))))
        for index in range(_ACTIONS):
            for state in (State.RUNNING, State.SUCCESS):
                _report_all(writer, list(numbers), index, state, chance)
                if state is State.RUNNING and index == 0:
                    _push(writer, base)
                if stop.is_set():
                    return


def _report_all(
    writer: StatusWriter, numbers: list[int], index: int, state: State, chance: random.Random
) -> None:
    """Report for all, in batches of some."""
    chance.shuffle(numbers)
    while numbers:
        some = [numbers.pop() for _ in range(min(len(numbers), chance.choice((1, 1, 3))))]
        log = b"" if state is State.RUNNING else chance.randbytes(chance.choice((0, 100, 30_000)))
        proposals = [sites.report(each, index, state, log_tail=log) for each in some]
        time.sleep(_PAUSE_SECONDS)
        futures = [writer.propose(each) for each in proposals]
        for number, proposal, future in zip(some, proposals, futures, strict=True):
            try:
                _result(future)
            except Unavailable:
                again_and_again(lambda it=proposal: _result(writer.propose(it)))
            _acknowledged(builders.report(index, state, workflow=sites.workflow_id(number)))


def _push(writer: StatusWriter, number: int) -> None:
    files = [NewFile(path="d/a.json", content=load.data_of(sites.workflow_id(number)))]

    def push() -> Receipt:
        with writer.write_data_files(files) as (tree, data_files):
            return _result(writer.propose(sites.push(number, 1, tree, data_files)))

    again_and_again(push)
    _acknowledged(builders.push(0, 1, workflow=sites.workflow_id(number)))


def _acknowledged(event: object) -> None:
    report_id: ReportId = event.report_id  # type: ignore[attr-defined]  # reports and pushes
    say("+", report_id)


def _result(future: Future[Receipt]) -> Receipt:
    return sites.result(future)


def main(path: str, seed: str, sink: str) -> None:
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

    def on_failing(reason: str | None) -> None:
        say("!" if reason else ".", reason or "")

    with (
        closing(GitRepo(Path(path))) as repo,
        closing(StatusWriter(repo, make_sink=SINKS[sink], on_failing=on_failing)) as writer,
    ):
        run(writer, random.Random(seed), stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
