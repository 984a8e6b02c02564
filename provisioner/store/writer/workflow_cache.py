"""The cache of decoded workflows: those that changed last, and of the others only object ids.

What is under way is at hand, and 100,000 machines that wait are not a gigabyte of values.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import replace

from provisioner.git import pack
from provisioner.model.ids import WorkflowId
from provisioner.model.views import StatusView, WorkflowEntry
from provisioner.store.status import codec
from provisioner.store.status.lazy_workflow import StoredWorkflow, WorkflowReader
from provisioner.store.writer.batch_files import EventLines

# 60 to 150 MB.  A report of a workflow that was evicted takes 300 µs more, once.
LIMIT = 10_000


class WorkflowCache:
    """Used by the holder of the StepLock, one thread at a time."""

    def __init__(self, reader: WorkflowReader, lines: EventLines) -> None:
        self._reader = reader
        self._lines = lines
        self._published: deque[tuple[StatusView, Iterable[WorkflowId]]] = deque()
        self._decoded: OrderedDict[WorkflowId, WorkflowEntry] = OrderedDict()  # oldest first

    def note_published(self, view: StatusView, changed: Iterable[WorkflowId]) -> None:
        """Note what changed in a durable view."""
        self._published.append((view, changed))

    def evict(self, view: StatusView) -> StatusView:
        """Return the view with the live workflows that changed longest ago held as ids."""
        while self._published:
            after, changed = self._published.popleft()
            for workflow in changed:
                self._decoded.pop(workflow, None)
                entry = after.workflows[workflow]
                if not entry.context.is_final:
                    self._decoded[workflow] = entry
        while len(self._decoded) > LIMIT:
            workflow, entry = self._decoded.popitem(last=False)
            if view.workflows.get(workflow) is entry:  # else it went on in a batch since
                stored = self._stored(entry)
                view = replace(view, workflows=view.workflows.set(workflow, stored))
        return view

    def _stored(self, entry: WorkflowEntry) -> StoredWorkflow:
        status = codec.encode_status_with(entry.context, self._lines.of(entry), entry.record_id)
        return StoredWorkflow(
            reader=self._reader,
            id=entry.id,
            record_blob=bytes.fromhex(entry.record_id),
            status_blob=pack.object_id("blob", status),
            state=entry.state,
        )
