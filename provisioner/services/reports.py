"""Turns a worker's reports into events of a workflow.

Nothing is decided here: the state machine decides, on the newest view, in the writer's
thread.  A report is answered when it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from provisioner.errors import NotFound, Refused, UserError
from provisioner.model import ids, state_machine, times
from provisioner.model.ephemeral import DataFile, DataVersion
from provisioner.model.event import (
    LOG_TAIL_BYTES,
    MESSAGE_LIMIT,
    ActionReported,
    DataPushed,
    MachinePhonedHome,
    WorkflowEvent,
)
from provisioner.model.ids import HardwareId, ReportId, TreeId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import Proposal, Receipt, Snapshot, StatusView, WorkflowEntry
from provisioner.services.clock import Clock
from provisioner.services.queries import Queries
from provisioner.services.snapshots import Snapshots
from provisioner.store.writer.data_writer import NewFile, Stored

SECONDS_LIMIT = 2**31 - 1  # what every reader of an event can hold


class Report(Protocol):
    """How an action goes, as worker.wire spells it."""

    @property
    def report_id(self) -> str: ...
    @property
    def worker(self) -> str: ...
    @property
    def task_name(self) -> str: ...
    @property
    def action_name(self) -> str: ...
    @property
    def action_index(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def action_status(self) -> str: ...
    @property
    def seconds(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def log_tail(self) -> str: ...


class File(Protocol):
    """One file of ephemeral data."""

    @property
    def path(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def executable(self) -> bool: ...


class Writer(Protocol):
    """The status branch's only writer (store.writer.status_writer)."""

    def propose(self, proposal: Proposal) -> Future[Receipt]: ...
    def write_data_files(
        self, files: Iterable[NewFile], *, known: TreeId | None
    ) -> AbstractContextManager[Stored]: ...


class Deadlines(Protocol):
    """Judges what comes too late (services.timeouts)."""

    def arrival(self) -> float: ...
    def check(self, view: StatusView, workflow: WorkflowId, arrival: float) -> None: ...


class NoDeadlines:
    """Of who only reads."""

    def arrival(self) -> float:
        return 0.0

    def check(self, view: StatusView, workflow: WorkflowId, arrival: float) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Who pushes which version of the ephemeral data."""

    report_id: str
    worker: str
    action_index: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """The content of a push; `sha256` is of its canonical archive."""

    files: tuple[File, ...]
    sha256: str


class Reports:
    """Thread-safe; ephemeral data is taken in by `threads`."""

    def __init__(
        self,
        *,
        writer: Writer,
        snapshots: Snapshots,
        clock: Clock,
        threads: Executor,
        contact: Callable[[HardwareId], None] = lambda _: None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """`contact` is called for every sign of life."""
        self._deadlines = deadlines or NoDeadlines()
        self._writer = writer
        self._snapshots = snapshots
        self._clock = clock
        self._contact = contact
        self._threads = threads

    def report(self, workflow_id: str, received: Report) -> Future[Receipt]:
        """Propose a report.  The future raises `Refused` or `NotFound`."""
        workflow = WorkflowId(workflow_id.lower())
        try:
            status = State(received.action_status)
        except ValueError:
            raise UserError(f"{received.action_status[:40]!r} is not a state") from None
        report_id = ids.parse_report_id(received.report_id)
        workers = Queries(self._snapshots.current).worker_ids(received.worker)
        at, arrival = times.of_event(self._clock.now()), self._deadlines.arrival()
        message = cleaned(received.message)
        log_tail = received.log_tail.encode("utf-8", "replace")[-LOG_TAIL_BYTES:]

        def propose(view: StatusView) -> tuple[ActionReported, ...]:
            entry = _entry(view, workflow)
            report = ActionReported(
                workflow_id=workflow,
                at=at,
                report_id=report_id,
                worker_id=_reporting_worker(entry, received.action_index, workers),
                task_name=received.task_name,
                action_name=received.action_name,
                action_index=received.action_index,
                attempt=received.attempt,
                action_status=status,
                seconds=min(max(received.seconds, 0), SECONDS_LIMIT),
                message=message,
                exit_code=_bounded(received.exit_code),
                log_tail=log_tail,
            )
            if not state_machine.decide(entry.context, entry.record.actions, report):
                return ()
            if status is State.RUNNING:
                _check_turn(view, entry, report.worker_id)
            self._deadlines.check(view, workflow, arrival)
            end = state_machine.end_of_attempts(entry.context, entry.record.actions, report)
            return (end or report,)

        for worker in workers:
            self._contact(worker)
        return self._writer.propose(propose)

    def phone_home(self, workflow: WorkflowId, machine: HardwareId) -> Future[Receipt]:
        """Propose that the system which this workflow installed on a machine runs."""
        at = times.of_event(self._clock.now())

        def propose(view: StatusView) -> tuple[WorkflowEvent, ...]:
            entry = _entry(view, workflow)
            event = MachinePhonedHome(workflow_id=workflow, at=at, worker_id=machine)
            return state_machine.decide(entry.context, entry.record.actions, event)

        return self._writer.propose(propose)

    def push(
        self, workflow_id: str, push: Push, unpack: Callable[[], Unpacked]
    ) -> Future[DataVersionKept]:
        """Store a version of the ephemeral data, in a thread of its own.

        `unpack` reads the archive there; it may raise `UserError`.
        """
        return self._threads.submit(self._push, WorkflowId(workflow_id.lower()), push, unpack)

    def _push(
        self, workflow: WorkflowId, push: Push, unpack: Callable[[], Unpacked]
    ) -> DataVersionKept:
        report_id = ids.parse_report_id(push.report_id)
        arrival = self._deadlines.arrival()
        snapshot = self._snapshots.current
        workers = Queries(snapshot).worker_ids(push.worker)
        for worker in workers:
            self._contact(worker)
        # Refuse before ten megabytes are read; it is decided again when it is written.
        entry = _entry(snapshot.status, workflow)
        probe = _pushed(entry, push, workers=workers, report_id=report_id, at="")
        if state_machine.decide(entry.context, entry.record.actions, probe):
            unpacked = unpack()
            known = entry.context.data_version
            if known is None or known.sha256 != unpacked.sha256:
                files = (
                    NewFile(path=each.path, content=each.content, executable=each.executable)
                    for each in unpacked.files
                )
                tree = known.tree_id if known is not None else None
                with self._writer.write_data_files(files, known=tree) as stored:
                    return self._write(
                        workflow,
                        push,
                        stored,
                        sha256=unpacked.sha256,
                        workers=workers,
                        arrival=arrival,
                    )
        return DataVersionKept.of(snapshot, entry)

    def _write(
        self,
        workflow: WorkflowId,
        push: Push,
        stored: Stored,
        *,
        sha256: str,
        workers: tuple[HardwareId, ...],
        arrival: float,
    ) -> DataVersionKept:
        report_id = ids.parse_report_id(push.report_id)
        tree_id, files = stored
        at = times.of_event(self._clock.now())

        def propose(view: StatusView) -> tuple[DataPushed, ...]:
            entry = _entry(view, workflow)
            pushed = _pushed(
                entry,
                push,
                workers=workers,
                report_id=report_id,
                at=at,
                sha256=sha256,
                tree_id=tree_id,
                files=files,
            )
            if not state_machine.decide(entry.context, entry.record.actions, pushed):
                return ()
            self._deadlines.check(view, workflow, arrival)
            return (pushed,)

        receipt = self._writer.propose(propose).result()
        entry = receipt.view.workflows[workflow]
        version = entry.context.data_version
        if version is None:
            raise Refused(f"workflow {workflow} has no ephemeral data")
        return DataVersionKept(version=version, commit=receipt.commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataVersionKept:
    version: DataVersion
    commit: str

    @staticmethod
    def of(snapshot: Snapshot, entry: WorkflowEntry) -> DataVersionKept:
        version = entry.context.data_version
        if version is None:
            raise Refused(f"workflow {entry.id} has no ephemeral data")
        return DataVersionKept(version=version, commit=snapshot.status.commit or "")


def check_begun(entry: WorkflowEntry, report_id: str) -> None:
    """Refuse the run that a report wanted to begin, when its end was recorded instead.

    Repeating the report is refused alike, so that no worker runs the action once more.
    """
    number = entry.context.event_of(ReportId(report_id))
    event = entry.events[number - 1] if number else None
    if isinstance(event, ActionReported) and event.action_status is not State.RUNNING:
        raise Refused(f"workflow {entry.id} has ended in {entry.state}: {event.message}")


def cleaned(message: str) -> str:
    """Bound a message, and keep terminal escapes and line ends out of tables and subjects."""
    if not message.isprintable():
        message = "".join(char if char.isprintable() else " " for char in message[:4_096])
        message = " ".join(message.split())
    return message[:MESSAGE_LIMIT]


def _entry(view: StatusView, workflow: WorkflowId) -> WorkflowEntry:
    entry = view.workflows.get(workflow)
    if entry is None:
        raise NotFound("workflow", workflow)
    return entry


def _reporting_worker(
    entry: WorkflowEntry, action_index: int, workers: tuple[HardwareId, ...]
) -> HardwareId:
    """Of the machines that the worker's text may mean, the action's own if it is one."""
    actions = entry.record.actions
    if 0 <= action_index < len(actions) and actions[action_index].worker_id in workers:
        return actions[action_index].worker_id
    return workers[0] if workers else HardwareId("")


def _check_turn(view: StatusView, entry: WorkflowEntry, worker: HardwareId) -> None:
    head = view.head_of_queue(worker)
    if head != entry.id:
        raise Refused(f"workflow {entry.id} waits: this worker is busy with workflow {head}")


def _bounded(exit_code: int | None) -> int | None:
    if exit_code is None:
        return None
    return min(max(exit_code, -SECONDS_LIMIT), SECONDS_LIMIT)


def _pushed(
    entry: WorkflowEntry,
    push: Push,
    *,
    workers: tuple[HardwareId, ...],
    report_id: ReportId,
    at: str,
    sha256: str = "",
    tree_id: TreeId = TreeId(""),  # noqa: B008  # a NewType call makes no object
    files: tuple[DataFile, ...] = (),
) -> DataPushed:
    context, actions = entry.context, entry.record.actions
    index = push.action_index
    action = actions[index] if 0 <= index < len(actions) else None
    last = context.data_version
    return DataPushed(
        workflow_id=entry.id,
        at=at,
        report_id=report_id,
        action_index=index,
        attempt=push.attempt,
        version=DataVersion(
            version=last.version + 1 if last else 1,
            worker_id=_reporting_worker(entry, index, workers),
            task_name=action.task_name if action else "",
            action_name=action.name if action else "",
            at=at,
            sha256=sha256,
            size_bytes=sum(each.size_bytes for each in files),
            file_count=len(files),
            tree_id=tree_id,
        ),
        files=files,
    )
