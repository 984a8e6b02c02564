"""A process that writes a status branch as fast as it can, and says what was acknowledged.

Run as `python -m tests.store.load REPOSITORY SINK SEED`; it ends when it is killed.  Each
line it prints is the id of a report that was acknowledged before the line was printed.
"""

from __future__ import annotations

import random
import sys
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import Proposal, Receipt, StatusView
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.fast_import import FastImportSink

SINKS: dict[str, Any] = {
    "journal": PackSink,
    "files": partial(PackSink, journal=False),
    "fast-import": FastImportSink,
}
WORKFLOWS = 40  # at a time
ACTIONS = 6


def data_of(workflow: WorkflowId) -> bytes:
    """What the ephemeral data of a workflow holds, from its first version on."""
    return f"data of {workflow}\n".encode() * 50


def _report(number: int, view: StatusView, chance: random.Random) -> Proposal | None:
    """The next report of a workflow: RUNNING and SUCCESS of each action in turn."""
    context = view.workflows[sites.workflow_id(number)].context
    if context.due_index is None:
        return None
    running = context.current_action_state is State.RUNNING
    told = State.SUCCESS if running else State.RUNNING
    log = chance.randbytes(chance.choice((0, 0, 100, 60_000))) if running else b""
    return sites.report(number, context.due_index, told, log_tail=log)


def _push(writer: StatusWriter, number: int) -> Future[Receipt] | None:
    workflow = sites.workflow_id(number)
    context = writer.view.workflows[workflow].context
    if context.data_version is not None or context.current_action_state is not State.RUNNING:
        return None
    if context.due_index != 0:
        return None
    files = [NewFile(path="d/a.json", content=data_of(workflow))]
    with writer.write_data_files(files) as (tree, data_files):
        pushed = writer.propose(sites.push(number, 1, tree, data_files))
        sites.result(pushed)  # before that, nothing but the block keeps the files from gc
    return pushed


def main(path: str, sink: str, seed: str) -> None:
    chance = random.Random(int(seed))
    writer = StatusWriter(GitRepo(Path(path)), make_sink=SINKS[sink])
    while True:
        base = len(writer.view.workflows)
        records = [
            sites.record(base + number, *[builders.ONE] * ACTIONS) for number in range(WORKFLOWS)
        ]
        sites.result(writer.propose(sites.create(*records)))
        live = list(range(base, base + WORKFLOWS))
        while live:
            numbers = chance.sample(live, min(len(live), chance.choice((1, 1, 3, 30))))
            futures = []
            for number in numbers:
                if chance.random() < 0.2 and (pushed := _push(writer, number)) is not None:
                    futures.append(pushed)
                proposal = _report(number, writer.view, chance)
                if proposal is None:
                    live.remove(number)
                else:
                    futures.append(writer.propose(proposal))
            for future in futures:
                for change in sites.result(future).changes:
                    print(change.report_id, flush=True)  # type: ignore[union-attr]


def check(repo: GitRepo, view: StatusView, acknowledged: list[ReportId]) -> None:
    """Assert that each acknowledged report is there once, and that the branch is sound."""
    told: dict[str, int] = {}
    for entry in view.workflows.values():
        for event in entry.events:
            told[event.report_id] = told.get(event.report_id, 0) + 1  # type: ignore[union-attr]
    assert not [each for each in acknowledged if each not in told], "acknowledged and lost"
    assert set(told.values()) <= {1}, "told twice"
    assert told.keys() >= set(acknowledged)


if __name__ == "__main__":
    main(*sys.argv[1:])
