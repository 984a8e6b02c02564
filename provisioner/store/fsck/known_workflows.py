"""What is known of each workflow while its history is walked.

Little: 100,000 workflows that wait for each other's turn must fit.  The events that were
checked are held while there is room, and then as their length and digest; what comes after
them is what is new.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from provisioner.model.ids import BlobId, HardwareId, WorkflowId
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.views import UNKNOWN_BLOB
from provisioner.model.workflow import Action

WORKFLOWS_LIMIT = 150_000  # some 2 KB each; what was let go of is read again
HELD_BYTES = 32_000_000  # of events: 10,000 workflows under way; digests are ten times slower


_DIGEST_BYTES = 20


class Step(NamedTuple):
    """Of an action, what decides whether an event is allowed."""

    task_name: str
    name: str
    worker_id: HardwareId


class Steps:
    """Stands for the actions of a record; of workflows alike, the names are held once.

    There is one worker for all actions, or one for each.
    """

    __slots__ = ("_names", "_workers")

    def __init__(self, names: tuple[tuple[str, str], ...], workers: tuple[HardwareId, ...]) -> None:
        self._names = names
        self._workers = workers

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Step:
        worker = self._workers[index if len(self._workers) > 1 else 0]
        return Step(*self._names[index], worker)


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of a workflow so far; of one that was not met lately, only ids."""

    id: WorkflowId
    record_blob: str = ""
    names_record: bool = False  # whether its status files do, and so must all that follow
    is_written: bool = False
    archived: str = ""  # the status file, when it was moved to the archive
    steps: Steps | None = None
    context: WorkflowContext | None = None  # None while it follows from the events
    checked: int = 0  # bytes of events
    events: bytes | None = b""  # those bytes, or None where there is only their digest
    digest: bytes = b""
    held: int = 0  # bytes that count as held

    @property
    def actions(self) -> tuple[Action, ...]:
        """As the state machine asks for them."""
        return cast("tuple[Action, ...]", self.steps)

    @property
    def named_record(self) -> BlobId:
        """What a status file says of the record."""
        return BlobId(self.record_blob) if self.names_record else UNKNOWN_BLOB

    def new_events(self, events: bytes) -> bytes | None:
        """Take up the events of a newer version; return what was added, None if others changed."""
        new = events[self.checked :] if self._begins(events) else None
        self.events, self.checked, self.digest = events, len(events), b""
        return new

    def _begins(self, events: bytes) -> bool:
        """Whether the events that were checked are the first of these."""
        if self.events is not None:
            return events.startswith(self.events)
        return _digest(memoryview(events)[: self.checked]) == self.digest

    def let_go_of_events(self) -> None:
        events, self.events = self.events, None
        if events is not None:
            self.digest = _digest(events)

    def forget(self) -> None:
        """Drop what can be read again."""
        self.steps = self.context = None
        self.forget_events()

    def forget_events(self) -> None:
        self.checked, self.events, self.digest = 0, b"", b""


def _digest(events: bytes | memoryview) -> bytes:
    return blake2b(events, digest_size=_DIGEST_BYTES).digest()


class KnownWorkflows:
    """All workflows that were met, the last of them with what was known last."""

    def __init__(self) -> None:
        self.workflows: dict[WorkflowId, Known] = {}
        self._recent: OrderedDict[WorkflowId, Known] = OrderedDict()
        self._holding: OrderedDict[WorkflowId, Known] = OrderedDict()
        self._held_bytes = 0
        self._alike: dict[object, Any] = {}

    def of(self, workflow: WorkflowId) -> Known:
        known = self.workflows.get(workflow)
        if known is None:
            known = self.workflows[workflow] = Known(id=workflow)
        return known

    def knows(self, workflow: str) -> bool:
        """Whether nothing need be read to go on with a workflow."""
        known = self.workflows.get(WorkflowId(workflow))
        return known is not None and known.steps is not None

    def steps(self, actions: Iterable[Step]) -> Steps:
        given = tuple(actions)
        workers = tuple(each.worker_id for each in given)
        return Steps(
            self._once(tuple((each.task_name, each.name) for each in given)),
            workers[:1] if len(set(workers)) == 1 else self._once(workers),
        )

    def hold(self, known: Known) -> None:
        context = known.context
        if context is not None and context.told and context.is_final:
            # Whatever is reported after the end is refused, a repeated report too.
            known.context = replace(context, told=())
        self._hold_events(known)
        self._recent[known.id] = known
        self._recent.move_to_end(known.id)
        if len(self._recent) > WORKFLOWS_LIMIT:
            self._recent.popitem(last=False)[1].forget()

    def _hold_events(self, known: Known) -> None:
        """Hold the events of those that were met last, as far as there is room."""
        self._held_bytes += known.checked - known.held
        known.held = known.checked
        self._holding[known.id] = known
        self._holding.move_to_end(known.id)
        while self._held_bytes > HELD_BYTES:
            last = self._holding.popitem(last=False)[1]
            last.let_go_of_events()
            self._held_bytes -= last.held
            last.held = 0

    def _once(self, value: Any) -> Any:
        return self._alike.setdefault(value, value)
