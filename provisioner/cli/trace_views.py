"""How a trace looks: as lines, and as the data of schema/read/v1/trace.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.cli import workflow_views
from provisioner.cli.masking import masked
from provisioner.cli.plan_text import machine_name
from provisioner.cli.provenance import Change, Origin
from provisioner.cli.table import plain
from provisioner.model.hardware import Hardware
from provisioner.model.views import LiveWorkflow

FORMAT_VERSION = 1
_SHORT = 12  # of a commit's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A document that led to a workflow; without `origin` where no history tells."""

    kind: str  # request, template, hardware or file
    name: str
    path: str
    origin: Origin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    machine: Hardware | None = None
    machine_state: str = ""
    workflow: LiveWorkflow | None = None
    versions: tuple[Version, ...] = ()


def lines(trace: Trace) -> Iterator[str]:
    if trace.machine is not None:
        yield f"machine {machine_name(trace.machine)}: {trace.machine_state}"
        if trace.workflow is None:
            yield "  no workflow runs or ran here that decides what it is"
    if trace.workflow is not None:
        yield from _workflow_lines(trace.workflow)
    for version in trace.versions:
        yield _shown(f"{version.kind} {version.name} {version.path}")
        if version.origin is None:
            yield "  not known: the commit that brought it is not here"
            continue
        yield from _change_lines("commit", version.origin.change)
        if version.origin.merge is not None:
            yield from _change_lines("merged", version.origin.merge)


def _workflow_lines(workflow: LiveWorkflow) -> Iterator[str]:
    record, now = workflow.record, workflow.context
    yield _shown(f"workflow {workflow.id} {record.name}")
    action = f", {now.current_task} / {now.current_action}" if now.current_action else ""
    deleted = ", deleted" if now.is_deleted else ""
    yield f"  {now.state} {now.progress_percent}%{_shown(action)}{deleted}"
    yield f"  created {record.created_at} from {record.desired_commit[:_SHORT]}"
    yield f"  updated {workflow_views.updated_at(workflow)}"


def _change_lines(what: str, change: Change) -> Iterator[str]:
    yield f"  {what} {change.commit[:_SHORT]} {_shown(change.subject)}"
    yield f"    by {_shown(f'{change.author} <{change.email}>')} {change.at}"
    if change.signature != "none":
        who = _shown(change.signer or change.key or "an unknown key")
        yield f"    signed by {who}: {change.signature}"
    else:
        yield "    not signed"
    if change.pull_request is not None:
        yield f"    pull request {change.pull_request}"


def data(trace: Trace) -> dict[str, object]:
    machine, workflow = trace.machine, trace.workflow
    return {
        "format_version": FORMAT_VERSION,
        "machine": None
        if machine is None
        else {
            "id": machine.id,
            "hostname": masked(machine.host_name),
            "mac": list(machine.macs),
            "ip": list(machine.ips),
            "state": trace.machine_state,
        },
        "workflow": None if workflow is None else _workflow_data(workflow),
        "versions": [
            {
                "kind": version.kind,
                "name": masked(version.name),
                "path": version.path,
                "commit": _change_data(version.origin.change) if version.origin else None,
                "merge": _change_data(version.origin.merge)
                if version.origin and version.origin.merge
                else None,
            }
            for version in trace.versions
        ],
    }


def _workflow_data(workflow: LiveWorkflow) -> dict[str, object]:
    record, now = workflow.record, workflow.context
    return {
        "id": workflow.id,
        "name": masked(record.name),
        "state": now.state.value,
        "progress_percent": now.progress_percent,
        "current_task": masked(now.current_task),
        "current_action": masked(now.current_action),
        "created_at": record.created_at,
        "updated_at": workflow_views.updated_at(workflow),
        "is_deleted": now.is_deleted,
        "desired_commit": record.desired_commit,
    }


def _change_data(change: Change) -> dict[str, object]:
    return {
        "id": change.commit,
        "author": masked(change.author),
        "email": masked(change.email),
        "at": change.at,
        "subject": masked(change.subject),
        "signature": change.signature,
        "signer": masked(change.signer),
        "key": change.key,
        "pull_request": change.pull_request,
    }


def _shown(text: str) -> str:
    return plain(masked(text)).replace("  ", " ").rstrip()
