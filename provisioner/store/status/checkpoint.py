"""The rows of the last start, so that a server with 100,000 workflows starts in a second.

The file names the commit it was written for and a checksum of itself; what the branch has
besides is read from the difference of the two trees.  A file that does not fit is thrown
away, and everything is read from the branch as if there had been none.

It is three parts, each a line: a head, the columns of a view, and the times,
which only the next checkpoint needs and a start does not decode.
"""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from provisioner.errors import TinkError
from provisioner.git import disk
from provisioner.model.ids import CommitId
from provisioner.model.views import StatusView
from provisioner.store.status import gc_pause, row_columns
from provisioner.store.status.index import Row
from provisioner.store.status.row_columns import Columns, Times
from provisioner.store.status.store import StatusStore

_VERSION = 4


class _Found(NamedTuple):
    commit: CommitId
    columns: Columns
    times: bytes


def load(store: StatusStore, tip: CommitId | None = None) -> StatusView:
    """Load a commit of a branch (its tip), from the checkpoint as far as it goes."""
    with gc_pause.without_collections():
        view = _load(store, tip or store.tip())
        # Nor later: each full one would stop a server of 100,000 workflows for 100 ms.
        gc.freeze()
    return view


def _load(store: StatusStore, tip: CommitId | None) -> StatusView:
    found = _read(_path(store)) if tip else None
    if found is None:
        return store.load(tip)
    try:
        report = store.read_reconcile(found.commit)
        view = row_columns.view_of(found.columns, store.reader, commit=found.commit, report=report)
        return store.catch_up(view, tip)
    except TinkError:
        return store.load(tip)  # the checkpoint's commit is not in this repository


def save(store: StatusStore) -> CommitId | None:
    """Write the checkpoint of the tip; reads only what changed since the last one."""
    tip = store.tip()
    if tip is None:
        return None
    known = _read(_path(store))
    if known is not None and known.commit == tip:
        _path(store).touch()
        return tip
    rows = _updated(store, known, tip) if known is not None else None
    if rows is None:
        rows = store.read_rows(tip)
    if any(row.damage is not None for row in rows):
        return known.commit if known is not None else None  # each start must see it afresh
    _write(_path(store), tip, rows)
    return tip


def saved_at(store: StatusStore) -> float | None:
    """When the checkpoint was last brought up, or nothing."""
    try:
        return _path(store).stat().st_mtime
    except FileNotFoundError:
        return None


def _updated(store: StatusStore, known: _Found, tip: CommitId) -> list[Row] | None:
    times = Times(*json.loads(known.times))
    return store.update_rows(row_columns.rows_of(known.columns, times), known.commit, tip)


def _path(store: StatusStore) -> Path:
    name = hashlib.sha256(store.branch.encode()).hexdigest()[:16]
    return store.repo.own_dir / f"checkpoint-{name}.json"


def _write(path: Path, commit: CommitId, rows: list[Row]) -> None:
    columns, times = row_columns.columns_of(rows)
    body = b"%s\n%s" % (_encode(columns), _encode(times))
    head = {
        "version": _VERSION,
        "commit": commit,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    temporary = path.with_suffix(".new")
    disk.write_file(temporary, json.dumps(head).encode() + b"\n" + body)
    disk.sync(temporary)
    temporary.replace(path)


def _read(path: Path) -> _Found | None:
    try:
        head_line, _, body = path.read_bytes().partition(b"\n")
        head = json.loads(head_line)
        if head["version"] != _VERSION or head["sha256"] != hashlib.sha256(body).hexdigest():
            return None
        columns, _, times = body.partition(b"\n")
        raw = json.loads(columns.decode("utf-8", "surrogatepass"))
        return _Found(CommitId(head["commit"]), Columns(*raw), times)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _encode(columns: Columns | Times) -> bytes:
    """As one JSON list; column by column, so that no other thread waits for all of it."""
    parts = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in columns]
    return f"[{','.join(parts)}]".encode("utf-8", "surrogatepass")
