"""What must be known of every workflow at once, to look one up: one row each.

A `StatusView` is made from the rows (see status_columns.py); they are what the checkpoint
file holds, so that a start reads one file and not 200,000 objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state import State
from provisioner.model.workflow import WorkflowRecord
from provisioner.store import git_stream, json_lines
from provisioner.store.repo import GitRepo
from provisioner.store.stored_workflow import StoredWorkflow, WorkflowReader, is_final


class WorkerRow(NamedTuple):
    id: HardwareId
    addresses: tuple[str, ...]


class Row(NamedTuple):
    """`claimed_at` is when the workflow took the path of its request; `arrival` is 0 where
    the record has none.

    `workers` counts only while it is live; of others it may be empty.
    """

    id: WorkflowId
    record_blob: str
    status_blob: str
    request_path: str
    request_digest: str
    created_at: str
    claimed_at: str
    state: State
    workers: tuple[WorkerRow, ...]
    is_deleted: bool
    arrival: int


_ARCHIVED_NAMES = tuple(name for name in Row._fields if name != "workers")


class Blobs(NamedTuple):
    """The ids of a workflow's two files."""

    id: WorkflowId
    record: str
    status: str


def encode_archived(row: Row) -> bytes:
    """One line of a list of archived workflows: what must stay known of them."""
    raw = {name: getattr(row, name) for name in _ARCHIVED_NAMES}
    if not row.arrival:
        del raw["arrival"]
    return (json.dumps(raw) + "\n").encode()


def decode_archived(content: bytes) -> list[Row]:
    rows = []
    for line in content.splitlines():
        raw = json.loads(line)
        raw["state"] = State(raw["state"])
        raw.setdefault("arrival", 0)
        rows.append(Row(workers=(), **raw))
    return rows


def read_rows(
    repo: GitRepo, workflows: Iterable[Blobs], *, with_workers_of_final: bool = False
) -> Iterator[Row]:
    """Read the rows of workflows from their files, in one stream."""
    blobs = list(workflows)
    if not blobs:
        return
    wanted = [each for row in blobs for each in (row.record, row.status)]
    contents = git_stream.objects(repo.common_dir, wanted)
    for row in blobs:
        record, status = next(contents).content, next(contents).content
        yield _row(row, record, status, with_workers_of_final=with_workers_of_final)


def entry_of(row: Row, reader: WorkflowReader) -> StoredWorkflow:
    return StoredWorkflow(
        reader=reader,
        id=row.id,
        record_blob=bytes.fromhex(row.record_blob),
        status_blob=bytes.fromhex(row.status_blob),
        state=row.state,
    )


def order_of(row: Row) -> tuple[int, str, WorkflowId]:
    """As `model.workflow.queue_order`, of a row."""
    return (row.arrival, row.created_at, row.id)


def workers_of(record: WorkflowRecord) -> tuple[WorkerRow, ...]:
    return tuple(WorkerRow(each.id, (*each.macs, *each.ips)) for each in record.workers)


def _row(blobs: Blobs, record: bytes, status: bytes, *, with_workers_of_final: bool) -> Row:
    state = State(json_lines.line_of(status, "state"))
    created_at = json_lines.line_of(record, "created_at")
    path, claimed_at = json_lines.line_of(record, "request_path"), created_at
    if b'"moved_to": ' in status:
        for line in status.splitlines():
            if line.startswith(b'{"kind": "request_moved"'):
                moved = json.loads(line.rstrip(b","))
                path, claimed_at = moved["request_path"], moved["at"]
    has_workers = with_workers_of_final or not is_final(state)
    workers = json_lines.line_of(record, "workers") if has_workers else ()
    return Row(
        id=blobs.id,
        record_blob=blobs.record,
        status_blob=blobs.status,
        state=state,
        request_path=path,
        request_digest=json_lines.line_of(record, "request_digest"),
        created_at=created_at,
        claimed_at=claimed_at,
        workers=tuple(
            WorkerRow(HardwareId(each["id"]), (*each["macs"], *each["ips"])) for each in workers
        ),
        is_deleted=b'"is_deleted": true' in status.partition(b'"events": [')[0],
        arrival=json_lines.find_line(record, "arrival") or 0,
    )
