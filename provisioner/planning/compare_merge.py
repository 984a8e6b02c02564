"""Plans a merge: the reconciler's own planning, before and after it.

`compare` brings the status to where a server that follows the base has it, plans for the merged
files, and keeps the difference.  So a plan needs no server, and no status branch either: without
one, every request of the base counts as one that became a workflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

from provisioner.model import known_images
from provisioner.model.boot_history import NO_HISTORY
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.hardware import Hardware, Source
from provisioner.model.ids import MacAddress
from provisioner.model.problem import Problem
from provisioner.model.set_aside import Damaged
from provisioner.model.template import Template
from provisioner.model.views import DesiredState, Snapshot, StatusView, WorkflowCreated
from provisioner.model.workflow import Action
from provisioner.planning import boot_decision, deletion_guard
from provisioner.planning.boot_decision import BootDecision
from provisioner.planning.checked_plan import checked_plan, placeholders
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
from provisioner.planning.planner import Plan
from provisioner.planning.template_cache import TemplateCache

Document = TypeVar("Document", Hardware, Template)
# The documents of the changed files by id or name, before and after.
Sides: TypeAlias = tuple[Mapping[str, Document], Mapping[str, Document]]

_NOWHERE = Source(path="", blob_id="")


def compare(
    base: DesiredState,
    merged: DesiredState,
    status: StatusView,
    *,
    knows_status: bool = True,
    idle: str = "ignore",
) -> MergePlan:
    """Plan for a merge that turns `base` into `merged`, on a server whose status is `status`.

    `knows_status` is false where no status branch was at hand: states are not known then.
    `idle` is the server's setting of this name.  Costs the number of requests, and of machines
    whose documents differ; renders the new requests, and those that no server took up yet.
    """
    ids = placeholders()
    cache = TemplateCache()
    due, standing = checked_plan(base, status, new_id=ids, cache=cache)
    before = _carried_out(status, due)
    plan, found = checked_plan(merged, before, new_id=ids, cache=cache)
    after = _carried_out(before, plan)
    known = {_identity(problem) for problem in standing}
    problems = [problem for problem in found if _identity(problem) not in known]
    why = deletion_guard.objection(plan.deletions, merged, before)
    if why:
        problems.append(deletion_guard.warning(why))
    creations = tuple(_creation(new, merged, before) for new in plan.creations)
    paths = _changed_paths(base, merged)
    machines = _hardware_in(base, paths), _hardware_in(merged, paths)
    templates = _templates_in(base, paths), _templates_in(merged, paths)
    return MergePlan(
        creations=creations,
        deletions=tuple(_deletions(plan, before, knows_status=knows_status)),
        moves=tuple((move.workflow_id, move.request_path) for move in plan.moves),
        edits=tuple(_edits(machines, templates, creations)),
        boots=tuple(
            _boots(
                Snapshot(desired=base, status=before),
                Snapshot(desired=merged, status=after),
                _concerned(machines, merged, plan, before),
                idle,
            )
        ),
        problems=tuple(sorted(problems)),
        standing_problems=len(found) - len(problems) + bool(why),
        unchanged=sum(path in before.requests for path in merged.requests),
    )


def _carried_out(status: StatusView, plan: Plan) -> StatusView:
    """The view of a server that has done what the plan says."""
    view = status.draft()
    changes: tuple[RequestMoved | WorkflowDeleted, ...] = (*plan.moves, *plan.deletions)
    for change in changes:
        if view.readable(change.workflow_id) is not None:
            view = view.apply(change)
    for created in plan.creations:
        record = replace(created.record, arrival=view.arrivals + 1)
        view = view.apply(replace(created, record=record))
    return view.settled()


def _identity(problem: Problem) -> tuple[str, str, str]:
    """The same problem may stand some lines further down."""
    return problem.path, problem.code, problem.message


def _creation(created: WorkflowCreated, desired: DesiredState, status: StatusView) -> Creation:
    record = created.record
    request = desired.requests[record.request_path]
    found = (desired.hardware.get(worker.id) for worker in record.workers)
    machines = tuple(machine for machine in found if machine is not None)
    reinstalls = []
    for machine in machines:
        install = (status.machines.get(machine.id) or NO_HISTORY).install
        is_target = machine.id in known_images.installed_machines(record)
        if is_target and install is not None and install.is_done:
            reinstalls.append((machine, install.workflow))
    return Creation(
        record=record,
        has_own_id=request.id is not None,
        machines=machines,
        actions=tuple(
            PlannedAction(action=action, disk_write=disk_write(action)) for action in record.actions
        ),
        reinstalls=tuple(reinstalls),
    )


def disk_write(action: Action) -> DiskWrite:
    """Judge an action by its image, where that is known, else by the devices it is given."""
    if known_images.changes_disk(action.image):
        return DiskWrite.YES
    sources = (volume.partition(":")[0].rstrip("/") for volume in action.volumes)
    if any(source == "/dev" or source.startswith("/dev/") for source in sources):
        return DiskWrite.MAY
    return DiskWrite.NO


def _deletions(plan: Plan, status: StatusView, *, knows_status: bool) -> Iterator[Deletion]:
    paths = {workflow: key for key, workflow in status.requests.items()} if plan.deletions else {}
    for deletion in plan.deletions:
        entry = status.workflows[deletion.workflow_id]
        try:
            name = entry.record.name
        except Damaged:
            name = ""
        yield Deletion(
            workflow=deletion.workflow_id,
            name=name,
            request_path=paths[deletion.workflow_id],
            state=entry.state if knows_status else None,
        )


def _edits(
    machines: Sides[Hardware], templates: Sides[Template], creations: Iterable[Creation]
) -> Iterator[DocumentEdit]:
    """Hardware and Templates that say something else than before, not only elsewhere."""
    records = [creation.record for creation in creations]
    workers = {worker.id for record in records for worker in record.workers}
    names = {record.template_name for record in records}
    for edit, machine in _differences(*machines):
        yield DocumentEdit(
            edit=edit,
            kind="Hardware",
            name=machine.host_name or machine.id,
            path=machine.source.path,
            in_workflows=machine.id in workers,
        )
    for edit, template in _differences(*templates):
        yield DocumentEdit(
            edit=edit,
            kind="Template",
            name=template.name,
            path=template.source.path,
            in_workflows=template.name in names,
        )


def _changed_paths(base: DesiredState, merged: DesiredState) -> list[str]:
    """Paths whose documents in force are others; costs a look at each file."""
    paths = {*base.files, *merged.files}
    return sorted(path for path in paths if base.files.get(path) is not merged.files.get(path))


def _hardware_in(state: DesiredState, paths: Iterable[str]) -> dict[str, Hardware]:
    files = filter(None, map(state.files.get, paths))
    return {machine.id: machine for file in files for machine in file.hardware}


def _templates_in(state: DesiredState, paths: Iterable[str]) -> dict[str, Template]:
    files = filter(None, map(state.files.get, paths))
    return {template.name: template for file in files for template in file.templates}


def _differences(
    before: Mapping[str, Document], after: Mapping[str, Document]
) -> Iterator[tuple[Edit, Document]]:
    """What came, went or says something else; a file that only moved is no difference."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if new is None:
            assert old is not None
            yield Edit.REMOVED, old
        elif old is None:
            yield Edit.ADDED, new
        elif replace(old, source=_NOWHERE) != replace(new, source=_NOWHERE):
            yield Edit.CHANGED, new


def _boots(
    before: Snapshot, after: Snapshot, macs: Iterable[MacAddress], idle: str
) -> Iterator[BootChange]:
    """Of these interfaces, those that would boot something else."""
    for mac in sorted(set(macs)):
        was, now = (boot_decision.decide(snapshot, mac, idle=idle) for snapshot in (before, after))
        if was.boot is not now.boot:
            yield BootChange(mac=mac, machine=_machine_of(now, was), before=was, after=now)


def _machine_of(*decisions: BootDecision) -> str:
    """The host name, else the id, of the machine that they are about."""
    found = (decision.hardware for decision in decisions)
    machine = next((hardware for hardware in found if hardware is not None), None)
    if machine is not None:
        return machine.host_name or machine.id
    return next((str(decision.machine) for decision in decisions if decision.machine), "")


def _concerned(
    edited: Sides[Hardware], merged: DesiredState, plan: Plan, status: StatusView
) -> set[MacAddress]:
    """The interfaces whose boot a merge may change: of edited machines, and of workers."""
    macs = {mac for side in edited for machine in side.values() for mac in machine.macs}
    records = [created.record for created in plan.creations]
    for deletion in plan.deletions:
        entry = status.readable(deletion.workflow_id)
        records += [entry.record] if entry is not None else []
    for worker in {worker.id for record in records for worker in record.workers}:
        machine = merged.hardware.get(worker)  # one that is gone is among the edited
        macs |= set(machine.macs) if machine is not None else set()
    return macs
