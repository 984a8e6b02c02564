"""Gives a new workflow what only the writer can: its place of arrival, its record's id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner.git import pack
from provisioner.model.ids import BlobId, WorkflowId
from provisioner.model.views import Change, StatusView, WorkflowCreated
from provisioner.store.status import record_codec

Contents = dict[WorkflowId, bytes]  # of record.json


def numbered(view: StatusView, changes: Iterable[Change], contents: Contents) -> tuple[Change, ...]:
    """Return the changes with new workflows counted on from `view`; note their contents."""
    arrival = view.arrivals
    found: list[Change] = []
    for change in changes:
        if isinstance(change, WorkflowCreated):
            arrival += 1
            record = replace(change.record, arrival=arrival)
            content = contents[record.id] = record_codec.encode_record(record)
            record_id = BlobId(pack.object_id("blob", content).hex())
            change = replace(change, record=record, record_id=record_id)
        found.append(change)
    return tuple(found)
