"""A plan as data: what `tink plan -o json` prints (schema/read/v1/plan.json)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provisioner.cli import masking, printing
from provisioner.model.problem import Problem
from provisioner.planning.merge_plan import Creation, Deletion, MergePlan

FORMAT_VERSION = 1


def plan_data(plan: MergePlan, about: Mapping[str, object]) -> dict[str, object]:
    """The whole plan; `about` says of what: base, head, branch, status, unknown."""
    return {
        "format_version": FORMAT_VERSION,
        **about,
        "summary": {
            "create": len(plan.creations),
            "cancel": plan.cancelled,
            "delete": plan.deleted,
            "problems": len(plan.errors),
            "warnings": len(plan.warnings),
            "unchanged": plan.unchanged,
            "standing_problems": plan.standing_problems,
            "destructive": plan.destructive,
        },
        "creations": [_creation(creation) for creation in plan.creations],
        "deletions": [_deletion(deletion) for deletion in plan.deletions],
        "moves": [{"id": workflow, "request": path} for workflow, path in plan.moves],
        "edits": [
            {
                "edit": edit.edit.value,
                "kind": edit.kind,
                "name": edit.name,
                "path": edit.path,
                "in_workflows": edit.in_workflows,
            }
            for edit in plan.edits
        ],
        "boots": [
            {
                "mac": change.mac,
                "machine": change.machine,
                "before": change.before.boot.value,
                "after": change.after.boot.value,
                "reason": change.after.reason,
            }
            for change in plan.boots
        ],
        "problems": [_problem(problem) for problem in plan.problems],
    }


def _problem(problem: Problem) -> dict[str, object]:
    return printing.problem_data(replace(problem, message=masking.masked(problem.message)))


def _creation(creation: Creation) -> dict[str, object]:
    record = creation.record
    return {
        "id": record.id if creation.has_own_id else None,
        "name": record.name,
        "request": record.request_path,
        "template": record.template_name,
        "destructive": creation.is_destructive,
        "machines": [
            {
                "id": machine.id,
                "hostname": machine.host_name,
                "mac": list(machine.macs),
                "ip": list(machine.ips),
            }
            for machine in creation.machines
        ],
        "actions": [
            {
                "task": planned.action.task_name,
                "name": planned.action.name,
                "worker": planned.action.worker_id,
                "image": masking.masked(planned.action.image),
                "command": list(masking.masked_words(planned.action.command)),
                "writes_disk": planned.disk_write.value,
            }
            for planned in creation.actions
        ],
        "reinstalls": [
            {"machine": machine.id, "workflow": workflow}
            for machine, workflow in creation.reinstalls
        ],
    }


def _deletion(deletion: Deletion) -> dict[str, object]:
    return {
        "id": deletion.workflow,
        "name": deletion.name,
        "request": deletion.request_path,
        "state": deletion.state,
        "cancels": deletion.cancels,
    }
