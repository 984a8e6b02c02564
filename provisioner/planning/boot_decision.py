"""What a machine that asks to boot gets: pure, from a snapshot.

`docs/boot.md` holds the same table, row by row, and `tests/planning/test_boot_decision.py` a
test for each row.  A decision costs the same whatever the number of workflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from provisioner.model import boot_history
from provisioner.model.boot_history import NO_HISTORY, MachineHistory
from provisioner.model.hardware import Hardware, Interface
from provisioner.model.ids import HardwareId, MacAddress, WorkflowId
from provisioner.model.set_aside import Damaged
from provisioner.model.views import Snapshot, StatusView

MEMORY_ARCHITECTURES = frozenset({"x86_64"})  # for which `tink os build` makes an OS


class Boot(Enum):
    """What the machine is to boot."""

    DISK = "disk"
    MEMORY = "memory"  # the in-memory OS
    SCRIPT = "script"  # one of the repository's people
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks.  `firmware` is "bios", "efi" or "" (not known); `arch` is "x86_64", "arm64"
    or "" (not known; taken for x86_64 and for what the hardware document says)."""

    firmware: str = ""
    arch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootDecision:
    """`reason` is for people.  `machine` is None for a MAC that nobody knows; `interface` is
    None too when the hardware file is gone while a workflow goes on."""

    boot: Boot
    reason: str
    machine: HardwareId | None = None
    hardware: Hardware | None = None
    interface: Interface | None = None
    workflow: WorkflowId | None = None

    @property
    def is_known(self) -> bool:
        return self.machine is not None


def decide(
    snapshot: Snapshot, mac: MacAddress, *, client: Client | None = None, idle: str = "ignore"
) -> BootDecision:
    """Decide for the machine with this MAC address.

    `idle` is what a machine does that never had a workflow, unless its document says:
    "memory" or "ignore".
    """
    asking = _Asking(snapshot, mac, client or Client(), idle)
    return asking.decide()


class _Asking:
    def __init__(self, snapshot: Snapshot, mac: MacAddress, client: Client, idle: str) -> None:
        self._snapshot = snapshot
        self._status = snapshot.status
        self._client = client
        self._idle = idle
        machine = snapshot.desired.hardware_by_mac.get(mac)
        self._hardware = snapshot.desired.hardware.get(machine) if machine else None
        if machine is None:  # its file is gone, and its workflow goes on
            machine = next(iter(snapshot.status.live_addresses.get(mac) or ()), None)
        self._machine = machine
        self._interface = self._hardware.interface_of(mac) if self._hardware else None

    def decide(self) -> BootDecision:
        if self._machine is None:
            return BootDecision(boot=Boot.IGNORE, reason="no hardware document has this MAC")
        live = live_workflow(self._snapshot, self._machine)
        interface = self._interface
        if interface and interface.allow_pxe is False and not self._is_toggled(live):
            return self._answer(Boot.IGNORE, "allow_pxe is false")
        if live is not None:
            return self._from_network(f"workflow {live} has actions for it", live)
        history = self._status.machines.get(self._machine) or NO_HISTORY
        if history.install is not None:
            return self._after_install(history)
        if history.ran:
            return self._from_network("its workflows installed no operating system")
        return self._without_history()

    def _is_toggled(self, live: WorkflowId | None) -> bool:
        if live is None:
            return False
        try:
            return self._status.workflows[live].record.allows_netboot
        except Damaged:
            return False

    def _after_install(self, history: MachineHistory) -> BootDecision:
        install = history.install
        assert install is not None
        workflow = install.workflow
        if install.is_done:
            return self._answer(Boot.DISK, f"workflow {workflow} installed it", workflow)
        state = self._status.workflows[workflow].state
        reason = f"workflow {workflow}, which installs, ended in {state}"
        return self._from_network(reason, workflow)

    def _without_history(self) -> BootDecision:
        interface = self._interface
        if interface and (interface.netboot.ipxe_url or interface.netboot.ipxe_contents):
            return self._answer(Boot.SCRIPT, "its document holds a boot script")
        own = interface.netboot.idle if interface else ""
        if (own or self._idle) == "memory":
            return self._from_network("no workflow was ever for it, and it waits for one")
        return self._answer(Boot.IGNORE, "no workflow was ever for it")

    def _from_network(self, reason: str, workflow: WorkflowId | None = None) -> BootDecision:
        """The in-memory OS, or what the document gives in its place."""
        interface = self._interface
        if interface and (interface.netboot.ipxe_url or interface.netboot.ipxe_contents):
            reason = f"{reason}; its document holds a boot script"
            return self._answer(Boot.SCRIPT, reason, workflow)
        arch = self._client.arch or (interface.arch if interface else "") or "x86_64"
        is_own = interface is not None and interface.netboot.osie_base_url != ""
        if ARCHITECTURES.get(arch, arch) not in MEMORY_ARCHITECTURES and not is_own:
            reason = f"{reason}, but the in-memory OS is not for {arch}; netboot.osie can name one"
            return self._answer(Boot.IGNORE, reason, workflow)
        return self._answer(Boot.MEMORY, reason, workflow)

    def _answer(self, boot: Boot, reason: str, workflow: WorkflowId | None = None) -> BootDecision:
        return BootDecision(
            boot=boot,
            reason=reason,
            machine=self._machine,
            hardware=self._hardware,
            interface=self._interface,
            workflow=workflow,
        )


# Spellings of hardware documents and of iPXE's ${buildarch}; i386 is what iPXE of a BIOS says,
# also on a 64-bit machine.
ARCHITECTURES = {"amd64": "x86_64", "i386": "x86_64", "aarch64": "arm64"}


def live_workflow(snapshot: Snapshot, machine: HardwareId) -> WorkflowId | None:
    """The first workflow that has not ended and has actions for this machine.

    None for a machine whose document does not allow workflows.
    """
    document = snapshot.desired.hardware.get(machine)
    if document is not None and not document.allows_workflow:
        return None
    queue = snapshot.status.queues.get(machine) or ()
    for workflow in queue[:2]:  # nothing of the second has begun
        if _has_work(snapshot.status, workflow, machine):
            return workflow
    return None


def _has_work(status: StatusView, workflow: WorkflowId, machine: HardwareId) -> bool:
    """Whether a workflow that has not ended has an action of this machine still to be ended."""
    entry = status.workflows[workflow]
    try:
        record, context = entry.record, entry.context
    except Damaged:
        return True  # it holds its place until a person mends it
    owned = [action.index for action in record.actions if action.worker_id == machine]
    return bool(owned) and not boot_history.has_succeeded(context, owned[-1])
