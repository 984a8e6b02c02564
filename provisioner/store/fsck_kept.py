"""What is remembered of each workflow while its history is walked?

Little: 100,000 workflows that wait for each other's turn must fit.  The events that were
checked are kept as their length and digest; what comes after them is what is new.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.workflow import Action

KEPT_WORKFLOWS = 150_000  # some 2 KB each; what was let go of is read again
_DIGEST_BYTES = 20


class Step(NamedTuple):
    """Of an action, what decides whether an event is allowed."""

    task_name: str
    name: str
    worker_id: HardwareId


class _Steps:
    """Stands for the actions of a record; of many workflows alike, the names are kept once."""

    __slots__ = ("names", "workers")

    def __init__(self, names: tuple[tuple[str, str], ...], workers: tuple[HardwareId, ...]) -> None:
        self.names = names
        self.workers = workers

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Step:
        worker = self.workers[index if len(self.workers) > 1 else 0]
        return Step(*self.names[index], worker)


@dataclass(slots=True, kw_only=True)
class Kept:
    """What is known of a workflow so far; of one that was not met lately, only ids."""

    id: WorkflowId
    record_blob: str = ""
    is_written: bool = False
    archived: str = ""  # the status file, when it was moved to the archive
    steps: _Steps | None = None
    context: WorkflowContext | None = None
    checked: int = 0  # bytes of events
    digest: bytes = b""

    @property
    def actions(self) -> tuple[Action, ...]:
        """As the state machine asks for them."""
        return cast("tuple[Action, ...]", self.steps)

    def new_events(self, events: bytes) -> bytes | None:
        """Take up the events of a newer version; return what was added, None if others changed."""
        old = memoryview(events)[: self.checked]
        hasher = blake2b(old, digest_size=_DIGEST_BYTES)
        is_same = len(events) >= self.checked and hasher.digest() == (self.digest or _EMPTY)
        new = events[self.checked :]
        if is_same:
            hasher.update(new)
        else:
            hasher = blake2b(events, digest_size=_DIGEST_BYTES)
        self.checked, self.digest = len(events), hasher.digest()
        return new if is_same else None

    def forget(self) -> None:
        """Drop what can be read again."""
        self.steps = self.context = None
        self.forget_events()

    def forget_events(self) -> None:
        self.checked, self.digest = 0, b""


_EMPTY = blake2b(digest_size=_DIGEST_BYTES).digest()


class Memory:
    """All workflows that were met, the last of them with what was known last."""

    def __init__(self) -> None:
        self.workflows: dict[WorkflowId, Kept] = {}
        self._recent: OrderedDict[WorkflowId, Kept] = OrderedDict()
        self._alike: dict[object, Any] = {}

    def of(self, workflow: WorkflowId) -> Kept:
        known = self.workflows.get(workflow)
        if known is None:
            known = self.workflows[workflow] = Kept(id=workflow)
        return known

    def knows(self, workflow: str) -> bool:
        """Whether nothing need be read to go on with a workflow."""
        known = self.workflows.get(WorkflowId(workflow))
        return known is not None and known.context is not None

    def steps(self, actions: Iterable[Step]) -> _Steps:
        given = tuple(actions)
        names = tuple((each.task_name, each.name) for each in given)
        workers = tuple(each.worker_id for each in given)
        if len(set(workers)) == 1:
            workers = workers[:1]
        return _Steps(self._once(names), self._once(workers) if len(workers) > 1 else workers)

    def keep(self, known: Kept) -> None:
        context = known.context
        if context is not None and context.told and context.is_final:
            # Whatever is reported after the end is refused, told before or not.
            known.context = replace(context, told=())
        self._recent[known.id] = known
        self._recent.move_to_end(known.id)
        if len(self._recent) > KEPT_WORKFLOWS:
            self._recent.popitem(last=False)[1].forget()

    def _once(self, value: Any) -> Any:
        return self._alike.setdefault(value, value)
