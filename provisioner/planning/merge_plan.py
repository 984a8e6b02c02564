"""What a merge would do, as values: what `tink plan` shows in each of its forms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provisioner.model.hardware import Hardware
from provisioner.model.ids import MacAddress, WorkflowId
from provisioner.model.problem import Problem, Severity
from provisioner.model.state import FINAL, State
from provisioner.model.workflow import Action, WorkflowRecord
from provisioner.planning.boot_decision import BootDecision


class DiskWrite(StrEnum):
    """Whether an action writes a disk, as far as its image and its volumes tell."""

    NO = "no"
    MAY = "may"  # its image is not known, and it is given the machine's devices
    YES = "yes"


class Edit(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    action: Action
    disk_write: DiskWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """A workflow to come.  `has_own_id`: its request names the id; else the server gives one.

    `machines` are the Hardware of its workers, in the order of their first action; `reinstalls`
    those of them that have an installed operating system now, with the workflow that did it.
    """

    record: WorkflowRecord
    has_own_id: bool
    machines: tuple[Hardware, ...]
    actions: tuple[PlannedAction, ...]
    reinstalls: tuple[tuple[Hardware, WorkflowId], ...] = ()

    @property
    def is_destructive(self) -> bool:
        """Whether a disk is written for certain, or an installed machine is installed anew."""
        writes = any(planned.disk_write is DiskWrite.YES for planned in self.actions)
        return writes or bool(self.reinstalls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A workflow whose request is gone.  One that has not ended is cancelled with it.

    `state` is None where no status branch could say it.
    """

    workflow: WorkflowId
    name: str
    request_path: str
    state: State | None

    @property
    def cancels(self) -> bool:
        return self.state is None or self.state not in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEdit:
    """A Hardware or a Template that is not what it was.  `in_workflows`: of this plan."""

    edit: Edit
    kind: str
    name: str
    path: str
    in_workflows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BootChange:
    """A machine's network interface that would get another answer when it asks to boot."""

    mac: MacAddress
    machine: str
    before: BootDecision
    after: BootDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """`problems` are those that the merge brings; `standing_problems` counts the base's own.

    `unchanged` counts the requests that are in both and do what they did.
    """

    creations: tuple[Creation, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    moves: tuple[tuple[WorkflowId, str], ...] = ()  # with the request's new path
    edits: tuple[DocumentEdit, ...] = ()
    boots: tuple[BootChange, ...] = ()
    problems: tuple[Problem, ...] = ()
    standing_problems: int = 0
    unchanged: int = 0

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(found for found in self.problems if found.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(found for found in self.problems if found.severity is not Severity.ERROR)

    @property
    def cancelled(self) -> int:
        return sum(deletion.cancels for deletion in self.deletions)

    @property
    def deleted(self) -> int:
        """Those that had ended."""
        return len(self.deletions) - self.cancelled

    @property
    def destructive(self) -> int:
        return sum(creation.is_destructive for creation in self.creations)

    @property
    def has_changes(self) -> bool:
        """Whether a server would do anything, or answer a machine in another way."""
        return bool(self.creations or self.deletions or self.moves or self.edits or self.boots)
