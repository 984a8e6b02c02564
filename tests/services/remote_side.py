"""One server's half of a remote, without its threads and ports: a clone, a writer, a verdict."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

from provisioner.errors import Unavailable
from provisioner.git import remote_url
from provisioner.git.remote import Remote
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.views import WorkflowCreated
from provisioner.services.conditions import Conditions
from provisioner.services.remote_status import RemoteStatus
from provisioner.services.writing_side import WritingSide
from provisioner.store.desired import clone
from provisioner.store.writer.status_writer import StatusWriter
from tests.builders import record


class RemoteSide:
    """`close` ends it as a server ends; the same folder may be opened again."""

    def __init__(self, folder: Path, url: object) -> None:
        with ExitStack() as stack:
            parsed = remote_url.parse(str(url))
            self.repo = clone.open_clone(
                folder, parsed, branch="main", status_branch="status", remote="origin"
            )
            stack.callback(self.repo.close)
            self.conditions = Conditions()
            self.writer = StatusWriter(self.repo, halted=Unavailable("not reached yet"))
            stack.callback(self.writer.close)
            self.remote = Remote.configured(self.repo, "origin")
            self.status = RemoteStatus(
                self.remote,
                "status",
                side=WritingSide(self.writer, self.conditions),
                writer=self.writer,
                name="tinkgit",
            )
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def fetch(self) -> None:
        self.remote.fetch()
        self.status.fetched()

    def join(self) -> None:
        """What a start does: fetch, and have the start commit taken."""
        self.fetch()
        self.status.push()

    def write(self, workflow: WorkflowId) -> CommitId:
        """One more commit on the status branch here; raises while nothing may be written."""
        made = (WorkflowCreated(record=record(workflow=workflow), rendered=""),)
        return self.writer.propose(lambda view: made).result(60).commit

    def names(self) -> list[str]:
        """The conditions that stand."""
        return [each.name for each in self.conditions.current]

    def tip(self, branch: str = "status") -> CommitId | None:
        return self.repo.branch(branch)

    def set_aside(self) -> list[str]:
        return sorted(self.repo.refs("refs/tink/set-aside/").values())


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def at_forge(site, branch: str = "status") -> str:
    return git(site.path, "rev-parse", branch)


def subjects(site) -> list[str]:
    return git(site.path, "log", "--format=%s", "status").splitlines()
