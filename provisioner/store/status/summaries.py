"""Lists all workflows without decoding all of them.

The few values that a list shows are single lines of two files; those are read in one stream
and the rest, actions and events, is not parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from provisioner.git import stream
from provisioner.git.repo import GitRepo
from provisioner.model.ids import WorkflowId
from provisioner.model.problem import InvalidInput
from provisioner.model.set_aside import Damaged, SetAside
from provisioner.model.state import State
from provisioner.model.summary import WorkflowSummary, summary_of
from provisioner.model.views import WorkflowEntry
from provisioner.store.status import lazy_workflow
from provisioner.store.status.json_lines import line_of
from provisioner.store.status.lazy_workflow import Blobs, StoredWorkflow

AT_ONCE = 1_000  # of which the contents are held
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, InvalidInput)


def read(repo: GitRepo, entries: Iterable[WorkflowEntry]) -> Iterator[WorkflowSummary]:
    """Summarise workflows, in the order given; those set aside as they were known last."""
    rest = iter(entries)
    while group := list(islice(rest, AT_ONCE)):
        known = [each.last if isinstance(each, SetAside) else each for each in group]
        stored = [each for each in known if isinstance(each, StoredWorkflow)]
        found = _read_stored(repo, stored)
        for each in known:
            if each is not None:
                with suppress(Damaged):
                    yield found.get(each.id) or summary_of(each)


def decode(blobs: Blobs, record: bytes | None, status: bytes | None) -> WorkflowSummary:
    """Summarise a workflow by the contents of its two files; None stands for one that is missing.

    Raises `InvalidInput` where these lines, or the whole, can't be believed.
    """
    try:
        if line_of(record or b"", "id") == blobs.id:
            return _summary(blobs.id, record or b"", status or b"")
    except _UNREADABLE:
        pass
    return summary_of(lazy_workflow.decode(blobs, record, status))


def _read_stored(repo: GitRepo, stored: list[StoredWorkflow]) -> dict[str, WorkflowSummary]:
    if not stored:
        return {}
    blobs = [blob.hex() for each in stored for blob in (each.record_blob, each.status_blob)]
    contents = stream.found_although_damaged(repo.common_dir, blobs)
    summaries: dict[str, WorkflowSummary] = {}
    for each in stored:
        record, status = next(contents), next(contents)
        with suppress(*_UNREADABLE):
            summaries[each.id] = _summary(each.id, record or b"", status or b"")
    return summaries


def _summary(workflow: WorkflowId, record: bytes, status: bytes) -> WorkflowSummary:
    context = line_of(status, "context")
    created_at = line_of(record, "created_at")
    return WorkflowSummary(
        id=workflow,
        name=line_of(record, "name"),
        template_id=line_of(record, "template_id"),
        device_map=line_of(record, "device_map"),
        state=State(line_of(status, "state")),
        created_at=created_at,
        updated_at=context.get("updated_at") or created_at,
        is_deleted=context.get("is_deleted", False),
    )
