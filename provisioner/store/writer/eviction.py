"""Which of the workflows that the writer changed does it go on holding decoded?

Those that it changed last: what is under way is at hand, and 100,000 machines that wait
are not a gigabyte of values.  The others are held as the ids of their objects.
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

# 60 to 150 MB.  A report of a workflow that was let go of takes 300 µs more, once.
KEPT = 10_000


class KeptWorkflows:
    """One thread at a time uses it."""

    def __init__(self, reader: WorkflowReader, lines: EventLines) -> None:
        self._reader = reader
        self._lines = lines
        self._published: deque[tuple[StatusView, Iterable[WorkflowId]]] = deque()
        self._decoded: OrderedDict[WorkflowId, WorkflowEntry] = OrderedDict()  # oldest first

    def published(self, view: StatusView, changed: Iterable[WorkflowId]) -> None:
        """Note what changed in a durable view."""
        self._published.append((view, changed))

    def let_go(self, view: StatusView) -> StatusView:
        """Hold as ids the live workflows to which nothing happened for longest."""
        while self._published:
            after, changed = self._published.popleft()
            for workflow in changed:
                self._decoded.pop(workflow, None)
                entry = after.workflows[workflow]
                if not entry.context.is_final:
                    self._decoded[workflow] = entry
        while len(self._decoded) > KEPT:
            workflow, entry = self._decoded.popitem(last=False)
            if view.workflows.get(workflow) is entry:  # else it went on in a group since
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
