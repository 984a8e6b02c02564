"""A repository that people commit to, and a reconciler that follows it."""

from __future__ import annotations

from pathlib import Path

from provisioner.git.repo import GitRepo
from provisioner.model.views import DesiredState, Snapshot
from provisioner.services.clock import WorkflowIds
from provisioner.services.conditions import Conditions
from provisioner.services.desired_head import DesiredHead
from provisioner.services.reconciler import Reconciler
from provisioner.services.snapshots import Snapshots
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.services.parts import HandClock


class Site:
    """A repository that people commit to and a reconciler that follows it."""

    def __init__(self, git):
        self.git = git
        self.folder: Path = git.path
        self.conditions = Conditions()
        self.start()

    def start(self, writer_of=lambda writer: writer):
        self.repo = GitRepo(self.folder)
        self.snapshots = Snapshots()
        self.writer = StatusWriter(self.repo, on_published=self.snapshots.swap_status)
        self.snapshots.start(Snapshot(desired=DesiredState(), status=self.writer.view))
        clock = HandClock()
        source = DesiredStore(self.repo)
        self.head = DesiredHead(
            repo=self.repo,
            branch="main",
            tip=source.tip,
            memory=self.writer.memory,
            conditions=self.conditions,
            adopt=lambda: self.snapshots.current.status.reconcile.desired_commit,
        )
        self.reconciler = Reconciler(
            source=source,
            head=self.head,
            writer=writer_of(self.writer),
            snapshots=self.snapshots,
            clock=clock,
            new_id=WorkflowIds(clock),
        )

    def stop(self):
        self.writer.close()
        self.repo.close()

    def restart(self):
        self.stop()
        self.start()

    def commit(self, files=None, *, gone=()):
        self.write(files, gone=gone)
        return self.reconciler.reconcile()

    def write(self, files=None, *, gone=()):
        """Commit what nobody looks at yet."""
        for path, content in (files or {}).items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        for path in gone:
            (self.folder / path).unlink()
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "change")

    @property
    def status(self):
        return self.snapshots.current.status

    @property
    def codes(self):
        return [(each.path, each.line, each.code) for each in self.status.reconcile.problems]

    def states(self):
        return {
            entry.record.request_path: entry.context.state
            for entry in self.status.workflows.values()
        }
