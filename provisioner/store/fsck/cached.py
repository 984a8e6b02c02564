"""What is remembered of each workflow while its history is walked?

Little: 100,000 workflows that wait for each other's turn must fit.  The events that were
checked are held while there is room, and then kept as their length and digest; what comes
after them is what is new.
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
from provisioner.store.fsck import course_check
from provisioner.store.fsck.course_check import END, ActionText, Course
from provisioner.store.fsck.shapes import Likeness
from provisioner.store.status import codec

KEPT_WORKFLOWS = 150_000  # some 2 KB each; what was let go of is read again
HELD_BYTES = 32_000_000  # of events: 10,000 workflows under way; digests are ten times slower


_DIGEST_BYTES = 20


class Step(NamedTuple):
    """Of an action, what decides whether an event is allowed."""

    task_name: str
    name: str
    worker_id: HardwareId


class _Steps:
    """Stands for the actions of a record; of many workflows alike, the names are kept once.

    `texts` is empty, or what a file says of each action, and `quoted` of each worker.
    """

    __slots__ = ("names", "quoted", "texts", "workers")

    def __init__(
        self,
        names: tuple[tuple[str, str], ...],
        workers: tuple[HardwareId, ...],
        texts: tuple[ActionText, ...],
    ) -> None:
        self.names = names
        self.workers = workers
        try:
            self.quoted = tuple(map(course_check.quoted, workers))
            self.texts = texts
        except ValueError:
            self.quoted = self.texts = ()

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
    names_record: bool = False  # whether its status files do, and so must all that follow
    is_written: bool = False
    archived: str = ""  # the status file, when it was moved to the archive
    steps: _Steps | None = None
    context: WorkflowContext | None = None  # None while the course or the events tell it
    course: Course | None = None
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
        new = events[self.checked :] if self._stands_in(events, 0) else None
        self.events, self.checked, self.digest = events, len(events), b""
        return new

    def _stands_in(self, content: bytes, start: int) -> bool:
        """Whether the events that were checked are at this place."""
        if self.events is not None:
            return content.startswith(self.events, start)
        old = memoryview(content)[start : start + self.checked]
        return _digest(old) == self.digest

    def let_go_of_events(self) -> None:
        events, self.events = self.events, None
        if events is not None:
            self.digest = _digest(events)

    def follow(self, content: bytes) -> int:
        """Go on by the reports that a file adds; 0 when it takes the full check to tell."""
        if self.course is None or self.steps is None:
            return 0
        followed = course_check.follow(
            self.course,
            content,
            workflow=self.id,
            actions=self.steps.texts,
            workers=self.steps.quoted,
            record=codec.record_line(self.named_record),
            checked=self.checked,
        )
        if followed is None or not self._stands_in(content, followed.start):
            return 0
        self.course, self.context = followed.course, None
        self.events = content[followed.start : -len(END)] + b",\n"
        self.checked, self.digest = len(self.events), b""
        return followed.events

    def set_course(self) -> None:
        """After a full check: let what follows be told from the course, if that can be."""
        if self.context is not None and self.steps is not None and self.steps.texts:
            self.course = course_check.course_of(self.context)
            if self.course is not None:
                self.context = None

    def forget(self) -> None:
        """Drop what can be read again."""
        self.steps = self.context = self.course = None
        self.forget_events()

    def forget_events(self) -> None:
        self.checked, self.events, self.digest = 0, b"", b""


def _digest(events: bytes | memoryview) -> bytes:
    return blake2b(events, digest_size=_DIGEST_BYTES).digest()


class Memory:
    """All workflows that were met, the last of them with what was known last."""

    def __init__(self) -> None:
        self.workflows: dict[WorkflowId, Kept] = {}
        self._recent: OrderedDict[WorkflowId, Kept] = OrderedDict()
        self._holding: OrderedDict[WorkflowId, Kept] = OrderedDict()
        self._held_bytes = 0
        self._alike: dict[object, Any] = {}
        self._texts: dict[object, tuple[ActionText, ...]] = {}

    def of(self, workflow: WorkflowId) -> Kept:
        known = self.workflows.get(workflow)
        if known is None:
            known = self.workflows[workflow] = Kept(id=workflow)
        return known

    def knows(self, workflow: str) -> bool:
        """Whether nothing need be read to go on with a workflow."""
        known = self.workflows.get(WorkflowId(workflow))
        return known is not None and known.steps is not None

    def steps(self, actions: Iterable[Step]) -> _Steps:
        given = tuple(actions)
        names = tuple((each.task_name, each.name) for each in given)
        workers = tuple(each.worker_id for each in given)
        return self._steps(self._once(names), workers)

    def steps_of(self, record: Likeness) -> _Steps:
        """The same, of a record that was not parsed."""
        names = self._alike.get(record.names)
        if names is None:
            names = tuple((task.decode(), name.decode()) for task, name in record.names)
            names = self._alike[record.names] = self._once(names)
        return self._steps(names, tuple(HardwareId(each.decode()) for each in record.workers))

    def _steps(self, names: Any, workers: tuple[HardwareId, ...]) -> _Steps:
        workers = workers[:1] if len(set(workers)) == 1 else self._once(workers)
        texts = self._texts.get(names)
        if texts is None:
            texts = self._texts[names] = course_check.action_texts(names)
        return _Steps(names, workers, texts)

    def keep(self, known: Kept) -> None:
        context = known.context
        if context is not None and context.told and context.is_final:
            # Whatever is reported after the end is refused, told before or not.
            known.context = replace(context, told=())
        self._hold(known)
        self._recent[known.id] = known
        self._recent.move_to_end(known.id)
        if len(self._recent) > KEPT_WORKFLOWS:
            self._recent.popitem(last=False)[1].forget()

    def _hold(self, known: Kept) -> None:
        """Keep the events of those that were met last, as far as there is room."""
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
