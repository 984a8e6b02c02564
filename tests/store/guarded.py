"""A site whose branches somebody else may move, and what its writer says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import Unavailable
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.store.guard.branch_guard import Move
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id

ARCHIVE = "refs/heads/status-archive"
LATER = "2999-01-01T00:00:00.000000Z"


class Site:
    """Workflow 1 has ended, 2 runs, 3 waits; `moves` is what the writer said of the branches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = sites.bare(folder / "repo")
        self.moves: list[Move] = []
        self.start()
        result(self.writer.propose(create(*map(sites.record, (1, 2, 3)))))
        for told in (State.RUNNING, State.SUCCESS):
            result(self.writer.propose(report(1, 0, told)))
        result(self.writer.propose(report(2, 0, State.RUNNING)))
        self.moves.clear()

    def start(self) -> None:
        self.writer = StatusWriter(self.repo, on_move=self.moves.append)

    def stop(self) -> None:
        self.writer.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def tip(self) -> CommitId:
        tip = self.repo.branch("status")
        assert tip
        return tip

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.moves]

    def state(self, number: int) -> State:
        return self.writer.view.workflows[workflow_id(number)].context.state

    def notice(self, how: str) -> None:
        """Let the writer notice: by a look, by a proposal, or by its next start."""
        if how == "start":
            self.start()
        elif how == "look":
            self.writer.look()
        try:
            result(self.writer.refresh())
        except Unavailable:
            assert self.kinds[-1] == "stopped"

    def close(self) -> None:
        self.writer.close()
        self.repo.close()


EVERY_WAY = pytest.mark.parametrize("how", ["look", "proposal", "start"])


def archived(site: Site) -> CommitId:
    retention.run(site.writer, ended_before=LATER, at_seconds=1_795_000_000)
    tip = site.repo.resolve(ARCHIVE)
    assert tip
    return tip
