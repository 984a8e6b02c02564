"""How does a view take in the rows that changed, when somebody else moved the branch?

A report of another server changes a state and nothing else: no workflow is decoded for it,
and only the indexes that change are written.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.model import boot_history
from provisioner.model.ids import WorkflowId
from provisioner.model.set_aside import Damaged, SetAside
from provisioner.model.shard_map import ShardMap, Shards
from provisioner.model.state import FINAL
from provisioner.model.views import (
    StatusView,
    WorkflowEntry,
    added,
    order_of,
    path_of,
    removed,
    with_deleted,
)
from provisioner.store.status import index
from provisioner.store.status.index import Row, WorkerRow
from provisioner.store.status.lazy_workflow import StoredWorkflow, WorkflowReader


def with_row(view: StatusView, row: Row, reader: WorkflowReader) -> StatusView:
    """Return the view after a change; rows come in the order of their arrival."""
    old = view.workflows.get(row.id)
    is_newest = row.arrival > view.arrivals
    entry = index.entry_of(row, reader)
    view = replace(
        view,
        workflows=view.workflows.set(row.id, entry),
        requests=_requests(view, row, old),
        by_digest=_by_digest(view, row),
        deleted=_deleted(view, row),
        machines=boot_history.with_parts(
            view.machines, index.order_of(row), row.parts or (), is_deleted=row.is_deleted
        ),
        arrivals=max(view.arrivals, row.arrival),
        set_aside=_set_aside(view, row, entry),
    )
    if row.state not in FINAL:
        return _with_queued(view, row, is_newest=is_newest)
    return _without_queued(view, row, old) if old is not None else view


def _set_aside(
    view: StatusView, row: Row, entry: StoredWorkflow | SetAside
) -> ShardMap[WorkflowId, SetAside]:
    if isinstance(entry, SetAside):
        return view.set_aside.set(row.id, entry)
    return view.set_aside.without(row.id) if row.id in view.set_aside else view.set_aside


def _requests(view: StatusView, row: Row, old: WorkflowEntry | None) -> Shards[str, WorkflowId]:
    requests = view.requests
    if requests.get(row.request_path) == row.id:
        return requests.without(row.request_path) if row.is_deleted else requests
    path = _path_of(old) if old is not None else ""
    if requests.get(path) == row.id:
        requests = requests.without(path)
    if row.is_deleted or not row.request_path:
        return requests
    return requests.set(row.request_path, row.id)


def _by_digest(view: StatusView, row: Row) -> Shards[str, tuple[WorkflowId, ...]]:
    if row.is_deleted:
        return removed(view.by_digest, row.request_digest, row.id)
    if not row.request_digest:
        return view.by_digest
    return added(view.by_digest, row.request_digest, row.id)


def _deleted(view: StatusView, row: Row) -> Shards[int, WorkflowId]:
    if not row.is_deleted:
        return view.deleted
    return with_deleted(view.deleted, row.request_digest, row.request_path, row.id)


def _with_queued(view: StatusView, row: Row, *, is_newest: bool) -> StatusView:
    queues, addresses = view.queues, view.live_addresses
    for worker in row.workers:
        waiting = queues.get(worker.id) or ()
        if row.id in waiting:
            continue
        waiting = (*waiting, row.id)
        if len(waiting) > 1 and not is_newest:
            waiting = tuple(sorted(waiting, key=lambda each: _order(view, each)))
        queues = queues.set(worker.id, waiting)
        for address in worker.addresses:
            addresses = added(addresses, address, worker.id)
    if queues is view.queues:
        return view
    return replace(view, queues=queues, live_addresses=addresses)


def _without_queued(view: StatusView, row: Row, old: WorkflowEntry) -> StatusView:
    queues, addresses = view.queues, view.live_addresses
    # A row of the archive's lists does not tell its workers.
    for worker in row.workers or _workers_of(old):
        if row.id not in (queues.get(worker.id) or ()):
            continue
        queues = removed(queues, worker.id, row.id)
        for address in worker.addresses if worker.id not in queues else ():
            addresses = removed(addresses, address, worker.id)
    if queues is view.queues:
        return view
    return replace(view, queues=queues, live_addresses=addresses)


def _order(view: StatusView, workflow: WorkflowId) -> tuple[int, str, WorkflowId]:
    try:
        return order_of(view.workflows[workflow])
    except Damaged:  # found out just now
        return (0, "", workflow)


def _path_of(entry: WorkflowEntry) -> str:
    try:
        return path_of(entry)
    except Damaged:
        return ""


def _workers_of(entry: WorkflowEntry) -> tuple[WorkerRow, ...]:
    if isinstance(entry, SetAside):
        return _workers_of(entry.last) if entry.last is not None else ()
    try:
        return index.workers_of(entry.record)
    except Damaged:
        return ()
