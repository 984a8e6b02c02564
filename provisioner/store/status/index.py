"""One row for each workflow: what must be in memory to look it up.

A `StatusView` is made from the rows (see row_columns.py); they are what the checkpoint
file holds, so that a start reads one file and not 200,000 objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from provisioner.git import stream
from provisioner.git.repo import GitRepo
from provisioner.model.boot_history import Part
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.set_aside import SetAside
from provisioner.model.state import FINAL, State
from provisioner.model.workflow import WorkflowRecord
from provisioner.store.status import begun_parts, json_lines, layout, lazy_workflow
from provisioner.store.status.lazy_workflow import Blobs, StoredWorkflow, WorkflowReader


class WorkerRow(NamedTuple):
    id: HardwareId
    addresses: tuple[str, ...]


class Row(NamedTuple):
    """`claimed_at` is when the workflow took the path of its request; `arrival` is 0 where
    the record has none.  `damage` is why the workflow is set aside; the rest is then what was
    known of it last.

    `workers` counts only while it is live; of others it may be empty.  `parts` is what its
    machines have begun of it; None in a list of archived workflows that does not say.
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
    parts: tuple[Part, ...] | None = ()
    damage: Problem | None = None


_MISSING = "is missing in the repository"
_ODD = "does not begin and end as it should"
_ARCHIVED_NAMES = tuple(name for name in Row._fields if name not in ("workers", "damage"))


def encode_archived(row: Row) -> bytes:
    """One line of a list of archived workflows: what must stay known of them."""
    raw = {name: getattr(row, name) for name in _ARCHIVED_NAMES}
    if not row.arrival:
        del raw["arrival"]
    raw["parts"] = [part._asdict() for part in row.parts or ()]
    return (json.dumps(raw) + "\n").encode()


def decode_archived(content: bytes) -> list[Row]:
    rows = []
    for line in content.splitlines():
        raw = json.loads(line)
        raw["state"] = State(raw["state"])
        raw.setdefault("arrival", 0)
        parts = raw.pop("parts", None)
        if parts is not None:
            parts = tuple(Part(**part) for part in parts)
        rows.append(Row(workers=(), parts=parts, **raw))
    return rows


def read_rows(
    repo: GitRepo,
    workflows: Iterable[Blobs],
    *,
    set_aside: Callable[[WorkflowId, Problem], Row],
    with_workers_of_final: bool = False,
) -> Iterator[Row]:
    """Read the rows of workflows from their files, in one stream.

    `set_aside` gives the row of one whose files can't be believed.
    """
    blobs = list(workflows)
    if not blobs:
        return
    wanted = [each for row in blobs for each in (row.record, row.status)]
    contents = stream.found_although_damaged(repo.common_dir, wanted)
    for row in blobs:
        record, status = next(contents), next(contents)
        try:
            yield row_of(row, record, status, with_workers_of_final=with_workers_of_final)
        except InvalidInput as invalid:
            yield set_aside(row.id, invalid.problems[0])


def entry_of(row: Row, reader: WorkflowReader) -> StoredWorkflow | SetAside:
    stored = StoredWorkflow(
        reader=reader,
        id=row.id,
        record_blob=bytes.fromhex(row.record_blob),
        status_blob=bytes.fromhex(row.status_blob),
        state=row.state,
    )
    if row.damage is None:
        return stored
    return SetAside(
        id=row.id,
        problem=row.damage,
        order=order_of(row),
        request_path=row.request_path,
        last=stored if row.status_blob else None,
    )


def unknown(workflow: WorkflowId, problem: Problem | None = None) -> Row:
    """The row of a workflow of which nothing is known but the id."""
    return Row(
        id=workflow,
        record_blob="",
        status_blob="",
        request_path="",
        request_digest="",
        created_at="",
        claimed_at="",
        state=State.PENDING,
        workers=(),
        is_deleted=False,
        arrival=0,
        damage=problem,
    )


def order_of(row: Row) -> tuple[int, str, WorkflowId]:
    """As `model.workflow.queue_order`, of a row."""
    return (row.arrival, row.created_at, row.id)


def workers_of(record: WorkflowRecord) -> tuple[WorkerRow, ...]:
    return tuple(WorkerRow(each.id, (*each.macs, *each.ips)) for each in record.workers)


def row_of(
    blobs: Blobs,
    record: bytes | None,
    status: bytes | None,
    *,
    with_workers_of_final: bool = False,
) -> Row:
    """Make a row of two files; raise `InvalidInput` when they can't be believed."""
    head = b'{\n"id": "%s",\n' % blobs.id.encode()
    if record is None or not (record.startswith(head) and record.endswith(b"\n}\n")):
        path = layout.record(blobs.id)
        raise json_lines.broken(path, _ODD if record is not None else _MISSING)
    path = layout.status(blobs.id)
    status = lazy_workflow.usable(status, path)
    if not (status.startswith(head) and status.endswith(b"\n]\n}\n")):
        raise json_lines.broken(path, _ODD)
    try:
        row = _row(blobs, record, status, with_workers_of_final=with_workers_of_final)
        is_named = status.startswith(b'"record": "%s",\n' % blobs.record.encode(), len(head))
        named = blobs.record if is_named else json_lines.find_line(status, "record")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise json_lines.broken(path, f"or its record can't be read: {error}") from error
    if named != blobs.record and (named is not None or row.arrival):
        raise json_lines.broken(
            path, f"is of record {named}, and not of {blobs.record}", code="status.record"
        )
    return row


def _row(blobs: Blobs, record: bytes, status: bytes, *, with_workers_of_final: bool) -> Row:
    state = State(json_lines.line_of(status, "state"))
    created_at = json_lines.line_of(record, "created_at")
    path, claimed_at = json_lines.line_of(record, "request_path"), created_at
    if b'"moved_to": ' in status:
        for line in status.splitlines():
            if line.startswith(b'{"kind": "request_moved"'):
                moved = json.loads(line.rstrip(b","))
                path, claimed_at = moved["request_path"], moved["at"]
    digest = json_lines.line_of(record, "request_digest")
    arrival = json_lines.find_line(record, "arrival") or 0
    if {*map(type, (created_at, path, claimed_at, digest))} != {str} or type(arrival) is not int:
        raise ValueError("a value is of another type")
    has_workers = with_workers_of_final or state not in FINAL
    workers = json_lines.line_of(record, "workers") if has_workers else ()
    return Row(
        id=blobs.id,
        record_blob=blobs.record,
        status_blob=blobs.status,
        state=state,
        request_path=path,
        request_digest=digest,
        created_at=created_at,
        claimed_at=claimed_at,
        workers=tuple(
            WorkerRow(
                HardwareId(str(each["id"])), (*map(str, each["macs"]), *map(str, each["ips"]))
            )
            for each in workers
        ),
        is_deleted=b'"is_deleted": true' in status.partition(b'"events": [')[0],
        arrival=arrival,
        parts=begun_parts.read(record, status),
    )
