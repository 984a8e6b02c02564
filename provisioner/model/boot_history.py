"""What the workflows of the past say of each machine: whether it ran any, and its last install.

`StatusView.machines` holds one `MachineHistory` for each machine that began an action, so that
a boot decision looks up one value however many workflows there are, also those whose request
was deleted or whose files were archived.  Every change is idempotent: rows may be read again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from provisioner.model.event import ActionReported, WorkflowEvent
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.known_images import installed_machines
from provisioner.model.shard_map import Shards
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.workflow import WorkflowRecord, queue_order


class Part(NamedTuple):
    """What one machine has begun of one workflow.

    `is_done` says that its last action ended in SUCCESS, and `at` when (RFC 3339, UTC); `at`
    is only known of a part that installs.
    """

    worker: HardwareId
    installs: bool
    is_done: bool
    at: str = ""


class Install(NamedTuple):
    """The last installing workflow, by `queue_order`, of which a machine began an action."""

    order: tuple[int, str, WorkflowId]
    is_done: bool
    at: str

    @property
    def workflow(self) -> WorkflowId:
        return self.order[2]


class MachineHistory(NamedTuple):
    """`ran` holds the workflows that the machine began and nobody deleted, sorted by id."""

    ran: tuple[WorkflowId, ...] = ()
    install: Install | None = None


NO_HISTORY = MachineHistory()


def parts_of(
    record: WorkflowRecord, context: WorkflowContext, events: Iterable[WorkflowEvent]
) -> tuple[Part, ...]:
    """What each machine has begun of a workflow, in the order of `record.workers`."""
    installed = installed_machines(record)
    ends = {
        each.action_index: each.at
        for each in events
        if isinstance(each, ActionReported) and each.action_status is State.SUCCESS
    }
    parts = []
    for worker in record.workers:
        indexes = [each.index for each in record.actions if each.worker_id == worker.id]
        if not has_begun(context, indexes[0]):
            continue
        is_done, installs = has_succeeded(context, indexes[-1]), worker.id in installed
        at = ends[indexes[-1]] if is_done and installs else ""
        parts.append(Part(worker.id, installs, is_done, at))
    return tuple(parts)


def has_begun(context: WorkflowContext, action_index: int) -> bool:
    now = context.current_action_index
    return action_index < now or (action_index == now and context.attempt > 0)


def has_succeeded(context: WorkflowContext, action_index: int) -> bool:
    now = context.current_action_index
    if action_index == now:
        return context.current_action_state is State.SUCCESS
    return action_index < now


def with_parts(
    machines: Shards[HardwareId, MachineHistory],
    order: tuple[int, str, WorkflowId],
    parts: Iterable[Part],
    *,
    is_deleted: bool,
) -> Shards[HardwareId, MachineHistory]:
    """Take in what is known of one workflow, whose place in its queues is `order`."""
    for part in parts:
        old = machines.get(part.worker) or NO_HISTORY
        install = old.install
        if part.installs and (install is None or install.order <= order):
            install = Install(order, part.is_done, part.at)
        ran = _without(old.ran, order[2]) if is_deleted else _with(old.ran, order[2])
        new = MachineHistory(ran, install)
        if new != old:
            machines = _set(machines, part.worker, new)
    return machines


def with_report(
    machines: Shards[HardwareId, MachineHistory],
    record: WorkflowRecord,
    event: ActionReported,
) -> Shards[HardwareId, MachineHistory]:
    """Take in an accepted report: it counts when it begins a machine's part, or ends it well."""
    worker, at = event.worker_id, event.action_index
    if event.action_status is State.RUNNING:
        if event.attempt > 1 or any(each.worker_id == worker for each in record.actions[:at]):
            return machines
        part = Part(worker, worker in installed_machines(record), is_done=False)
    elif event.action_status is State.SUCCESS:
        if any(each.worker_id == worker for each in record.actions[at + 1 :]):
            return machines
        if worker not in installed_machines(record):
            return machines
        part = Part(worker, installs=True, is_done=True, at=event.at)
    else:
        return machines
    return with_parts(machines, queue_order(record), (part,), is_deleted=False)


def without_deleted(
    machines: Shards[HardwareId, MachineHistory], record: WorkflowRecord
) -> Shards[HardwareId, MachineHistory]:
    """Forget a deleted workflow, except that it installed: the disk is as it left it."""
    for worker in record.workers:
        old = machines.get(worker.id)
        if old is not None and (ran := _without(old.ran, record.id)) != old.ran:
            machines = _set(machines, worker.id, old._replace(ran=ran))
    return machines


def _set(
    machines: Shards[HardwareId, MachineHistory], worker: HardwareId, history: MachineHistory
) -> Shards[HardwareId, MachineHistory]:
    """A machine of which nothing is left to say is not among them, whatever led there."""
    return machines.without(worker) if history == NO_HISTORY else machines.set(worker, history)


def _with(ran: tuple[WorkflowId, ...], workflow: WorkflowId) -> tuple[WorkflowId, ...]:
    place = bisect_left(ran, workflow)
    if place < len(ran) and ran[place] == workflow:
        return ran
    return (*ran[:place], workflow, *ran[place:])


def _without(ran: tuple[WorkflowId, ...], workflow: WorkflowId) -> tuple[WorkflowId, ...]:
    place = bisect_left(ran, workflow)
    if place < len(ran) and ran[place] == workflow:
        return (*ran[:place], *ran[place + 1 :])
    return ran
