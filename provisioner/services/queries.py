"""Read-only queries on a snapshot.

Every face reads through here; each answer is a few dictionary look-ups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from provisioner.errors import NotFound, UserError
from provisioner.model import ids
from provisioner.model.ephemeral import DataVersion
from provisioner.model.hardware import Hardware
from provisioner.model.ids import HardwareId, IpAddress, MacAddress, TemplateId, WorkflowId
from provisioner.model.set_aside import Damaged
from provisioner.model.state import State
from provisioner.model.template import Template
from provisioner.model.views import Snapshot, WorkflowEntry
from provisioner.model.workflow import Action, WorkflowRecord
from provisioner.planning import allowance

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DueAction:
    """The action whose turn it is; `attempt` is 0 unless it is under way already."""

    record: WorkflowRecord
    action: Action
    attempt: int
    data: DataVersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Is a run still wanted?"""

    cancel: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Queries:
    """Ask one for each request: all its answers are of one moment."""

    snapshot: Snapshot

    def hardware(self, hardware_id: str) -> Hardware:
        found = self.snapshot.desired.hardware.get(HardwareId(hardware_id.lower()))
        return _found(found, "hardware", hardware_id)

    def hardware_by_mac(self, text: str) -> Hardware:
        owner = self.snapshot.desired.hardware_by_mac.get(ids.parse_mac(text))
        return self.hardware(_found(owner, "hardware with MAC address", text))

    def hardware_by_ip(self, text: str) -> Hardware:
        owner = self.snapshot.desired.hardware_by_ip.get(ids.parse_ip(text))
        return self.hardware(_found(owner, "hardware with IP address", text))

    def all_hardware(self) -> Iterator[Hardware]:
        yield from sorted(self.snapshot.desired.hardware.values(), key=lambda each: each.id)

    def template(self, name_or_id: str) -> Template:
        desired = self.snapshot.desired
        name = desired.template_names.get(TemplateId(name_or_id.lower())) or name_or_id
        return _found(desired.templates.get(name), "template", name_or_id)

    def all_templates(self) -> Iterator[Template]:
        yield from sorted(self.snapshot.desired.templates.values(), key=lambda each: each.name)

    def workflow(self, workflow_id: str) -> WorkflowEntry:
        found = self.snapshot.status.workflows.get(WorkflowId(workflow_id.lower()))
        return _found(found, "workflow", workflow_id)

    def all_workflows(self) -> Iterator[WorkflowEntry]:
        """In the order of their ids, deleted ones too: to distinguish them is to read them."""
        for _, entry in sorted(self.snapshot.status.workflows.items()):
            yield entry

    def worker_ids(self, worker: str) -> tuple[HardwareId, ...]:
        """The machines that a worker's text may mean: MAC, IP address, hardware id or agentID.

        Whoever holds the address in a live workflow comes first: workflows are frozen, so
        that an edit of hardware data takes no running machine's work away.
        """
        kind, name = _spelt(worker)
        if kind == "id":
            return (HardwareId(name),)
        desired = self.snapshot.desired
        if kind == "agent":
            agent = desired.hardware_by_agent.get(name)
            if agent is None:
                raise UserError(
                    f"{worker[:60]!r} names no worker",
                    hint="a worker is named by a MAC or IP address, a hardware id or an agentID",
                )
            return (agent,)
        live = self.snapshot.status.live_addresses.get(name) or ()
        if kind == "mac":
            owner = desired.hardware_by_mac.get(MacAddress(name))
        else:
            owner = desired.hardware_by_ip.get(IpAddress(name))
        return live if owner is None or owner in live else (*live, owner)

    def names_of(self, worker: str) -> tuple[str, ...]:
        """What to wait under for this worker (`Snapshots.wait`)."""
        try:
            return (*self.worker_ids(worker), _spelt(worker)[1])
        except UserError:
            return ()

    def offer(self, worker: str) -> DueAction | None:
        """The action that this worker should run now; None for idle and unknown machines.

        Raises `UserError` when the text is no address and no id.
        """
        status = self.snapshot.status
        machines = self.worker_ids(worker)
        for machine in machines:
            workflow = status.head_of_queue(machine)
            if workflow is None:
                continue
            if any(map(self.refusal_of_machine, machines)):
                return None
            entry = status.readable(workflow)
            if entry is None:
                continue  # set aside: nothing of it, and nothing of what waits behind it
            context = entry.context
            index = context.due_index
            if index is None or entry.record.actions[index].worker_id != machine:
                continue
            return DueAction(
                record=entry.record,
                action=entry.record.actions[index],
                attempt=context.attempt if context.current_action_state is State.RUNNING else 0,
                data=context.data_version,
            )
        return None

    def verdict(self, workflow_id: str, worker: str, *, action_index: int, attempt: int) -> Verdict:
        """Judge a run that a worker says is under way."""
        entry = self.workflow(workflow_id)
        context = entry.context
        if context.is_deleted:
            return Verdict(cancel=True, reason="the workflow was deleted")
        if context.is_final:
            return Verdict(cancel=True, reason=f"the workflow has ended in {context.state}")
        if context.due_index != action_index or context.current_action_state is not State.RUNNING:
            return Verdict(cancel=True, reason=f"action {action_index} is not running")
        if entry.record.actions[action_index].worker_id not in self.worker_ids(worker):
            return Verdict(cancel=True, reason=f"action {action_index} belongs to another worker")
        if context.attempt != attempt:
            return Verdict(cancel=True, reason=f"attempt {context.attempt} is running by now")
        return Verdict(cancel=False)

    def waiting_reason(self, workflow_id: str) -> str:
        """Say for what and for whom a workflow waits, or nothing when it runs or has ended.

        Of what waits in a line, the first one's reason: nobody else can help it.
        """
        entry = self.workflow(workflow_id)
        try:
            return self._waiting_reason(entry)
        except Damaged as damaged:
            if damaged.workflow == entry.id:
                raise
            return f"waiting behind workflow {damaged.workflow}, which is set aside"

    def _waiting_reason(self, entry: WorkflowEntry) -> str:
        action = _due_action(entry)
        if action is None or entry.context.current_action_state is State.RUNNING:
            return ""
        blocker = self._ahead_of(entry, action)
        if blocker is None:
            return self.refusal_of(entry.id) or (
                f"waiting for worker {action.worker} to ask for action {action.name!r}"
            )
        first, due = blocker, _due_action(blocker)
        if due is not None and due.worker_id == action.worker_id:
            return f"worker {action.worker} is busy with workflow {blocker.id}"
        for _ in range(_LONGEST_LINE):
            due = _due_action(first)
            following = self._ahead_of(first, due) if due is not None else None
            if following is None:
                break
            first = following
        behind = f"waiting behind workflow {blocker.id}"
        if first is not blocker:
            behind = f"{behind}, in a line that workflow {first.id} leads"
        due = _due_action(first)
        if due is None:
            return behind
        if first.context.current_action_state is State.RUNNING:
            return f"{behind}, of which worker {due.worker} runs action {due.name!r}"
        refusal = self.refusal_of(first.id)
        if refusal:
            return f"{behind}: {refusal}"
        return f"{behind}, which waits for worker {due.worker} to ask for action {due.name!r}"

    def refusal_of(self, workflow_id: str) -> str:
        """Say why the machine of the next action is not offered it, or nothing."""
        action = _due_action(self.workflow(workflow_id))
        return self.refusal_of_machine(action.worker_id) if action is not None else ""

    def refusal_of_machine(self, machine: HardwareId) -> str:
        """Say why a machine is offered nothing, or nothing; by its newest document."""
        found = self.snapshot.desired.hardware.get(machine)
        return "" if found is None else allowance.refusal(found)

    def blocker_of(self, workflow_id: str) -> WorkflowId | None:
        """The workflow that the machine of the next action has first, where there is one."""
        entry = self.workflow(workflow_id)
        action = _due_action(entry)
        blocker = self._ahead_of(entry, action) if action is not None else None
        return blocker.id if blocker is not None else None

    def _ahead_of(self, entry: WorkflowEntry, action: Action) -> WorkflowEntry | None:
        head = self.snapshot.status.head_of_queue(action.worker_id)
        if head is None or head == entry.id:
            return None
        return self.snapshot.status.workflows.get(head)


def _due_action(entry: WorkflowEntry) -> Action | None:
    index = entry.context.due_index
    return entry.record.actions[index] if index is not None else None


_LONGEST_LINE = 50  # workflows that are followed to say for whom the last one waits
_LONGEST_NAME = 64  # of a machine; longer text is no name


def _spelt(worker: str) -> tuple[str, str]:
    """Tell apart MAC, IP address and id; anything else may be an agentID."""
    return _known_spelling(worker) if len(worker) <= _LONGEST_NAME else _spelling(worker)


def _spelling(worker: str) -> tuple[str, str]:
    if len(worker) == 36 and worker[8] == "-" and worker[13] == "-":
        return "id", ids.parse_uuid(worker, "worker")
    try:
        return "mac", ids.parse_mac(worker)
    except UserError:
        pass
    try:
        return "ip", ids.parse_ip(worker)
    except UserError:
        return "agent", worker


# Asked for with each report and poll; a UUID or a MAC takes 2 µs to read.
_known_spelling = lru_cache(maxsize=20_000)(_spelling)


def _found(value: T | None, kind: str, name: str) -> T:
    if value is None:
        raise NotFound(kind, name)
    return value
