"""How far a machine has come: what people see in `tink machine list`, and what metadata it gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from provisioner.model import boot_history
from provisioner.model.boot_history import NO_HISTORY, Install
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.set_aside import Damaged
from provisioner.model.views import Snapshot
from provisioner.planning.boot_decision import live_workflow


class MachineState(Enum):
    """`NEVER_SEEN`, `BOOTING` and `IGNORED` depend on what a server observed."""

    NEVER_SEEN = "never seen"
    IGNORED = "ignored"  # it asks, and nothing is for it
    BOOTING = "booting"
    WAITING = "waiting"
    PROVISIONING = "provisioning"
    INSTALLED = "installed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`workflow` is the one that it works on, or the one that decided; `install` the last
    installing one that it began."""

    state: MachineState
    workflow: WorkflowId | None = None
    install: Install | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether a workflow that has not ended has actions for it."""
        return self.workflow is not None and self.state in _AT_WORK

    @property
    def is_installed(self) -> bool:
        return self.install is not None and self.install.is_done and not self.is_at_work


_AT_WORK = (MachineState.WAITING, MachineState.BOOTING, MachineState.PROVISIONING)


def standing_of(
    snapshot: Snapshot, machine: HardwareId, *, is_seen: bool = False, is_booting: bool = False
) -> Standing:
    """`is_seen`: the server heard of it; `is_booting`: and last when it asked to boot."""
    history = snapshot.status.machines.get(machine) or NO_HISTORY
    live = live_workflow(snapshot, machine)
    if live is not None:
        if _has_begun(snapshot, live, machine):
            state = MachineState.PROVISIONING
        else:
            state = MachineState.BOOTING if is_booting else MachineState.WAITING
        return Standing(state=state, workflow=live, install=history.install)
    install = history.install
    if install is not None:
        state = MachineState.INSTALLED if install.is_done else MachineState.FAILED
        return Standing(state=state, workflow=install.workflow, install=install)
    if is_booting:
        return Standing(state=MachineState.BOOTING)
    if history.ran:
        return Standing(state=MachineState.WAITING)
    return Standing(state=MachineState.IGNORED if is_seen else MachineState.NEVER_SEEN)


def _has_begun(snapshot: Snapshot, workflow: WorkflowId, machine: HardwareId) -> bool:
    entry = snapshot.status.workflows[workflow]
    try:
        record, context = entry.record, entry.context
    except Damaged:
        return False
    owned = (action.index for action in record.actions if action.worker_id == machine)
    return boot_history.has_begun(context, next(owned))
