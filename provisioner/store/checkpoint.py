"""How a server with 100,000 workflows starts in a second: the rows of the last time.

The file names the commit it was made of and a checksum of itself; what the branch has
besides is read from the difference of the two trees.  A file that does not fit is thrown
away, and everything is read from the branch as if there had been none.
"""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path
from typing import Any

from provisioner.errors import TinkError
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.model.views import StatusView
from provisioner.store import bulk, durable, status_index
from provisioner.store.status_index import Row, WorkerRow
from provisioner.store.status_store import StatusStore

_VERSION = 1
_STATES = {each.value: each for each in State}


def load(store: StatusStore) -> StatusView:
    """Load the tip of a branch, from the checkpoint as far as it goes."""
    with bulk.without_collections():
        view = _load(store)
        # Nor later: each full one would stop a server of 100,000 workflows for 100 ms.
        gc.freeze()
    return view


def _load(store: StatusStore) -> StatusView:
    tip = store.tip()
    found = _read(_path(store)) if tip else None
    if found is None:
        return store.load(tip)
    commit, rows = found
    try:
        report = store.read_reconcile(commit)
        view = status_index.view_of(rows, store.reader, commit=commit, report=report)
        return store.catch_up(view, tip)
    except TinkError:
        return store.load(tip)  # the checkpoint's commit is not in this repository


def save(store: StatusStore) -> CommitId | None:
    """Write the checkpoint of the tip; reads only what changed since the last one."""
    tip = store.tip()
    if tip is None:
        return None
    known = _read(_path(store))
    if known is not None and known[0] == tip:
        return tip
    rows = None
    if known is not None:
        rows = store.update_rows(known[1], known[0], tip)
    if rows is None:
        rows = store.read_rows(tip)
    _write(_path(store), tip, rows)
    return tip


def _path(store: StatusStore) -> Path:
    name = hashlib.sha256(store.branch.encode()).hexdigest()[:16]
    return store.repo.own_dir / f"checkpoint-{name}.json"


def _write(path: Path, commit: CommitId, rows: list[Row]) -> None:
    body = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    head = {
        "version": _VERSION,
        "commit": commit,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    temporary = path.with_suffix(".new")
    durable.write_file(temporary, json.dumps(head).encode() + b"\n" + body)
    durable.sync(temporary)
    temporary.replace(path)


def _read(path: Path) -> tuple[CommitId, list[Row]] | None:
    try:
        head_line, _, body = path.read_bytes().partition(b"\n")
        head = json.loads(head_line)
        if head["version"] != _VERSION or head["sha256"] != hashlib.sha256(body).hexdigest():
            return None
        rows = [_row(each) for each in json.loads(body.decode("utf-8", "surrogatepass"))]
        return CommitId(head["commit"]), rows
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _row(raw: list[Any]) -> Row:
    *texts, state, workers, is_deleted = raw
    id, record_blob, status_blob, path, digest, created_at, claimed_at = texts
    return Row(
        id=id,
        record_blob=record_blob,
        status_blob=status_blob,
        request_path=path,
        request_digest=digest,
        created_at=created_at,
        claimed_at=claimed_at,
        state=_STATES[state],
        workers=tuple(WorkerRow(each, tuple(addresses)) for each, addresses in workers),
        is_deleted=is_deleted,
    )
