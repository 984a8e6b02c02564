"""What does a list show of a workflow?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.model.ids import TemplateId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import WorkflowEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSummary:
    id: WorkflowId
    name: str
    template_id: TemplateId
    device_map: Mapping[str, object]
    state: State
    created_at: str
    updated_at: str
    is_deleted: bool


def summary_of(entry: WorkflowEntry) -> WorkflowSummary:
    record, context = entry.record, entry.context
    return WorkflowSummary(
        id=record.id,
        name=record.name,
        template_id=record.template_id,
        device_map=record.device_map,
        state=context.state,
        created_at=record.created_at,
        updated_at=context.updated_at or record.created_at,
        is_deleted=context.is_deleted,
    )
