"""A plan as lines for people: what a terminal gets, and what a comment folds per machine."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Iterator

from provisioner.cli import masking
from provisioner.cli.table import plain
from provisioner.model.hardware import Hardware
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.problem import Severity
from provisioner.planning.merge_plan import (
    BootChange,
    Creation,
    Deletion,
    DiskWrite,
    DocumentEdit,
    Edit,
    MergePlan,
    PlannedAction,
)

_COMMAND_LENGTH = 200  # characters of one action's command
_SIGNS = {Edit.ADDED: "+", Edit.CHANGED: "~", Edit.REMOVED: "-"}
_WRITES = {DiskWrite.YES: "  [writes a disk]", DiskWrite.MAY: "  [may write a disk: has /dev]"}


def lines(plan: MergePlan) -> Iterator[str]:
    """The whole plan but for its last line; nothing where nothing changes."""
    sections = (
        (line for creation in plan.creations for line in creation_lines(creation)),
        map(deletion_line, plan.deletions),
        itertools.starmap(move_line, plan.moves),
        map(edit_line, plan.edits),
        map(boot_line, plan.boots),
        problem_lines(plan),
    )
    for section in sections:
        found = list(section)
        if found:
            yield from found
            yield ""


def summary(plan: MergePlan) -> str:
    """The last line, which scripts and people look for."""
    problems, warnings = len(plan.errors), len(plan.warnings)
    counts = [
        f"{len(plan.creations)} to create",
        f"{plan.cancelled} to cancel",
        *[f"{plan.deleted} to delete"] * bool(plan.deleted),
        f"{problems} problem{'s' * (problems != 1)}",
        *[f"{warnings} warning{'s' * (warnings != 1)}"] * bool(warnings),
        f"{plan.unchanged} unchanged",
    ]
    return f"Plan: {', '.join(counts)}."


def creation_lines(creation: Creation, only: HardwareId | None = None) -> Iterator[str]:
    """A workflow with its machines and actions; `only` those of one machine."""
    record = creation.record
    which = f" {record.id}" if creation.has_own_id else ""
    mark = "  DESTRUCTIVE" if creation.is_destructive else ""
    yield f"  + workflow{which} {plain(record.name)} ({plain(record.request_path)}){mark}"
    machines = [m for m in creation.machines if only in (None, m.id)]
    for machine in machines:
        yield f"      on {machine_name(machine)}"
        for planned in creation.actions:
            if planned.action.worker_id == machine.id:
                yield f"        {_action(planned)}"
    for machine, workflow in creation.reinstalls:
        if only in (None, machine.id):
            yield f"      ! reinstalls {machine_name(machine)}, which workflow {workflow} installed"


def _action(planned: PlannedAction) -> str:
    action = planned.action
    words = shlex.join(masking.masked_words(action.command))
    command = words if len(words) <= _COMMAND_LENGTH else f"{words[:_COMMAND_LENGTH]}…"
    name = f"{plain(action.task_name)} / {plain(action.name)}"
    image = plain(masking.masked(action.image))
    text = f"{action.index + 1}. {name}: {image} {plain(command)}".rstrip()
    return text + _WRITES.get(planned.disk_write, "")


def deletion_line(deletion: Deletion) -> str:
    path, name = plain(deletion.request_path), plain(deletion.name)
    if deletion.state is None:
        what = "is cancelled, if it has not ended"
    elif deletion.cancels:
        what = f"is cancelled: it is {deletion.state.removeprefix('STATE_').lower()}"
    else:
        what = f"is deleted: it ended in {deletion.state}"
    return f"  - workflow {deletion.workflow} {name} ({path}) {what}"


def move_line(workflow: WorkflowId, path: str) -> str:
    return f"  ~ {plain(path)}: the request of workflow {workflow} moved here; it goes on"


def edit_line(edit: DocumentEdit) -> str:
    uses = "" if edit.in_workflows else "; no workflow of this plan uses it"
    name = f"{edit.kind} {plain(edit.name)} ({plain(edit.path)})"
    return f"  {_SIGNS[edit.edit]} {name} {edit.edit.value}{uses}"


def boot_line(change: BootChange) -> str:
    boots = f"{change.before.boot.value} -> {change.after.boot.value}"
    return (
        f"  ~ boot of {plain(change.machine)} {change.mac}: {boots} ({plain(change.after.reason)})"
    )


def problem_lines(plan: MergePlan) -> Iterator[str]:
    for problem in plan.problems:
        mark = "warning: " if problem.severity is Severity.WARNING else ""
        for line in masking.masked(str(problem)).splitlines():
            yield f"  {mark}{plain(line)}"
            mark = ""


def machine_name(machine: Hardware) -> str:
    """Host name, MAC and IP addresses of a machine."""
    addresses = ", ".join([*machine.macs, *machine.ips])
    name = machine.host_name
    shown = f"{name} ({addresses})" if name and addresses else name or addresses or machine.id
    return plain(shown)


def of_machines(plan: MergePlan) -> Iterator[tuple[str, list[str]]]:
    """The machines that new workflows are for, in the plan's order, with the lines of each."""
    machines: dict[HardwareId, Hardware] = {}
    for creation in plan.creations:
        machines.update({machine.id: machine for machine in creation.machines})
    for machine in machines.values():
        yield machine_name(machine), list(_of_machine(plan, machine))


def _of_machine(plan: MergePlan, machine: Hardware) -> Iterator[str]:
    for creation in plan.creations:
        if machine in creation.machines:
            yield from creation_lines(creation, only=machine.id)
    yield from map(boot_line, (change for change in plan.boots if change.mac in machine.macs))


def not_of_machines(plan: MergePlan) -> Iterable[str]:
    """What a comment shows beside the machines: deletions, moves, edits, other boots."""
    macs = {
        mac for creation in plan.creations for machine in creation.machines for mac in machine.macs
    }
    yield from map(deletion_line, plan.deletions)
    yield from itertools.starmap(move_line, plan.moves)
    yield from map(edit_line, plan.edits)
    yield from map(boot_line, (change for change in plan.boots if change.mac not in macs))
