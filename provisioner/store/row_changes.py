"""How does a view take in the rows that changed, when somebody else moved the branch?

A report of another server changes a state and nothing else: no workflow is decoded for it,
and only the indexes that change are written.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.ids import WorkflowId
from provisioner.model.shard_map import Shards
from provisioner.model.views import StatusView, WorkflowEntry, added, path_of, removed, with_deleted
from provisioner.model.workflow import queue_order
from provisioner.store import status_index
from provisioner.store.status_index import Row
from provisioner.store.stored_workflow import WorkflowReader, is_final


def with_row(view: StatusView, row: Row, reader: WorkflowReader) -> StatusView:
    """Return the view after a change; rows come in the order of their arrival."""
    old = view.workflows.get(row.id)
    is_newest = row.arrival > view.arrivals
    view = replace(
        view,
        workflows=view.workflows.set(row.id, status_index.entry_of(row, reader)),
        requests=_requests(view, row, old),
        by_digest=_by_digest(view, row),
        deleted=_deleted(view, row),
        arrivals=max(view.arrivals, row.arrival),
    )
    if not is_final(row.state):
        return _with_queued(view, row, is_newest=is_newest)
    return _without_queued(view, row, old) if old is not None else view


def _requests(view: StatusView, row: Row, old: WorkflowEntry | None) -> Shards[str, WorkflowId]:
    requests = view.requests
    if requests.get(row.request_path) == row.id:
        return requests.without(row.request_path) if row.is_deleted else requests
    if old is not None and requests.get(path_of(old)) == row.id:
        requests = requests.without(path_of(old))
    return requests if row.is_deleted else requests.set(row.request_path, row.id)


def _by_digest(view: StatusView, row: Row) -> Shards[str, tuple[WorkflowId, ...]]:
    if row.is_deleted:
        return removed(view.by_digest, row.request_digest, row.id)
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
    for worker in row.workers or status_index.workers_of(old.record):
        if row.id not in (queues.get(worker.id) or ()):
            continue
        queues = removed(queues, worker.id, row.id)
        for address in worker.addresses if worker.id not in queues else ():
            addresses = removed(addresses, address, worker.id)
    if queues is view.queues:
        return view
    return replace(view, queues=queues, live_addresses=addresses)


def _order(view: StatusView, workflow: WorkflowId) -> tuple[int, str, WorkflowId]:
    return queue_order(view.workflows[workflow].record)
