"""The parts of a running server, as its faces see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from provisioner.model.ephemeral import DataVersion
from provisioner.model.ids import HardwareId, TreeId, WorkflowId
from provisioner.model.summary import WorkflowSummary
from provisioner.model.views import WorkflowEntry
from provisioner.services.booting import Booting
from provisioner.services.branch_moves import RecentMove
from provisioner.services.conditions import Conditions
from provisioner.services.metrics import Metrics
from provisioner.services.queries import Queries
from provisioner.services.reports import File, Reports
from provisioner.services.snapshots import Snapshots


class StoredFiles(Protocol):
    """What is not held in memory (store.status_store)."""

    def read_summaries(self, entries: Iterable[WorkflowEntry]) -> Iterator[WorkflowSummary]: ...
    def read_rendered(self, workflow: WorkflowId) -> str: ...
    def read_data(self, workflow: WorkflowId, tree_id: TreeId) -> tuple[File, ...]: ...
    def read_log(
        self, workflow: WorkflowId, *, action_index: int, attempt: int
    ) -> bytes | None: ...


class WriterSteps(Protocol):
    """The work of the status branch's writer, for a thread that takes it over.

    `wake` is called from any thread when a step should be taken; see store.writer.status_writer.
    """

    def hand_over(self, wake: Callable[[], None] | None) -> None: ...
    def step(self, *, is_busy: bool = False) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioner:
    """`threads` are for what takes long: each may hold twenty megabytes of data."""

    snapshots: Snapshots
    reports: Reports
    stored: StoredFiles
    metrics: Metrics
    threads: Executor
    version: str
    writer: WriterSteps | None = None
    contact: Callable[[HardwareId], None] = field(default=lambda _: None)
    booting: Booting | None = None  # not of a process that only reads
    is_ready: Callable[[], bool] = field(default=lambda: True)
    conditions: Conditions = field(default_factory=Conditions)
    branch_moves: Callable[[], tuple[RecentMove, ...]] = field(default=tuple)

    def queries(self) -> Queries:
        """Questions to the newest snapshot; ask all of one request's with one of these."""
        return Queries(self.snapshots.current)

    def data_files(self, workflow: WorkflowId, version: DataVersion) -> tuple[File, ...]:
        return self.stored.read_data(workflow, version.tree_id)
