"""How a workflow is held in memory without its contents: two object ids and its state.

100,000 finished workflows as values would be a gigabyte.  A `StoredWorkflow` is a
`WorkflowEntry` that reads and decodes itself when somebody asks; a live one then stays
decoded, of the finished ones the last few do.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from provisioner.model.event import WorkflowEvent
from provisioner.model.ids import WorkflowId
from provisioner.model.state import ENDED_BADLY, State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import LiveWorkflow
from provisioner.model.workflow import WorkflowRecord
from provisioner.store import layout, status_codec
from provisioner.store.repo import GitRepo

_KEPT = 512  # decoded finished workflows: 5 MB


def is_final(state: State) -> bool:
    return state in ENDED_BADLY or state is State.SUCCESS


class WorkflowReader:
    """Reads workflows by object ids; thread-safe."""

    def __init__(self, repo: GitRepo) -> None:
        self._repo = repo
        self._lock = threading.Lock()  # guards _recent
        self._recent: OrderedDict[bytes, LiveWorkflow] = OrderedDict()

    def read(self, workflow: WorkflowId, record_blob: bytes, status_blob: bytes) -> LiveWorkflow:
        with self._lock:
            found = self._recent.get(status_blob)
            if found is not None and found.id == workflow:
                self._recent.move_to_end(status_blob)
                return found
        contents = self._repo.objects((record_blob.hex(), status_blob.hex()))
        record = status_codec.decode_record(next(contents).content, layout.record(workflow))
        status = next(contents).content
        found = status_codec.decode_status(status, record, layout.status(workflow))
        with self._lock:
            self._recent[status_blob] = found
            while len(self._recent) > _KEPT:
                self._recent.popitem(last=False)
        return found


class StoredWorkflow:
    """Never changes, though it fills itself in."""

    __slots__ = ("_live", "_reader", "id", "record_blob", "state", "status_blob")

    def __init__(
        self,
        reader: WorkflowReader,
        workflow: WorkflowId,
        *,
        record_blob: bytes,
        status_blob: bytes,
        state: State,
    ) -> None:
        self.id = workflow
        self.record_blob = record_blob
        self.status_blob = status_blob
        self.state = state
        self._reader = reader
        self._live: LiveWorkflow | None = None

    @property
    def record(self) -> WorkflowRecord:
        return self._decoded().record

    @property
    def context(self) -> WorkflowContext:
        return self._decoded().context

    @property
    def events(self) -> tuple[WorkflowEvent, ...]:
        return self._decoded().events

    def _decoded(self) -> LiveWorkflow:
        live = self._live
        if live is None:
            live = self._reader.read(self.id, self.record_blob, self.status_blob)
            if not is_final(self.state):
                self._live = live
        return live
