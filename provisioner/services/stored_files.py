"""What of the status branch is not in memory: rendered texts, data, logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioner.errors import NotFound, Unavailable
from provisioner.model.ids import TreeId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.model.summary import WorkflowSummary
from provisioner.model.views import WorkflowEntry
from provisioner.services.reports import File
from provisioner.store.status import layout, summaries
from provisioner.store.status.store import StatusStore


@dataclass(frozen=True, slots=True)
class StoredFiles:
    store: StatusStore

    def read_rendered(self, workflow: WorkflowId) -> str:
        return self.store.read_rendered(workflow)

    def read_summaries(self, entries: Iterable[WorkflowEntry]) -> Iterator[WorkflowSummary]:
        return summaries.read(self.store.repo, entries)

    def read_data(self, workflow: WorkflowId, tree_id: TreeId) -> tuple[File, ...]:
        """Read a version of the ephemeral data; raise `Damaged` when the disk lost some of it."""
        reader = self.store.reader
        try:
            files = tuple(self.store.read_data_tree(tree_id))
        except (NotFound, Unavailable) as error:
            message = f"can't be read: {error}"
            problem = Problem(path=layout.data(workflow), code="status.damaged", message=message)
            raise reader.found(workflow, problem) from error
        reader.found_well(workflow)
        return files

    def read_log(self, workflow: WorkflowId, *, action_index: int, attempt: int) -> bytes | None:
        return self.store.read_log(workflow, action_index=action_index, attempt=attempt)
