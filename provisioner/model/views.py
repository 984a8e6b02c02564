"""The two immutable values that everything reads: what is wanted, and what has happened.

`DesiredState` and `StatusView` are each named by a commit; their pair is a `Snapshot`.
Changing one gives a new one, so a reader never waits and never sees half a change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

from provisioner.model import boot_history, state_machine
from provisioner.model.boot_history import MachineHistory
from provisioner.model.event import ActionReported, WorkflowEvent
from provisioner.model.hardware import Hardware
from provisioner.model.ids import (
    BlobId,
    CommitId,
    HardwareId,
    IpAddress,
    MacAddress,
    TemplateId,
    WorkflowId,
)
from provisioner.model.problem import Problem
from provisioner.model.set_aside import Damaged, SetAside
from provisioner.model.shard_map import Edit, ShardMap, Shards
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRecord, WorkflowRequest, queue_order

K = TypeVar("K")
V = TypeVar("V")


# What only one file may claim: ("mac", …), ("ip", …), ("hardware", id), ("template", name),
# ("request", id).
Claim: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDocuments:
    """The documents of one file."""

    blob_id: BlobId
    hardware: tuple[Hardware, ...] = ()
    templates: tuple[Template, ...] = ()
    requests: tuple[WorkflowRequest, ...] = ()


NOTHING_IN_FORCE = BlobId("")
UNKNOWN_BLOB = BlobId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """What the desired branch says at `commit`; of a bad file, its last good version.

    A request is known by its path; of several in one file, each by `path#1`, `path#2`, ….
    `paths` holds the newest blob of every file of ours, good or bad; `files` the documents
    in force; `refused` those that wait for a claim of another file.  `problems` holds every
    problem by path; `in_force` the blob that is used for a path whose newest version is bad.
    """

    commit: CommitId | None = None
    hardware: ShardMap[HardwareId, Hardware] = field(default_factory=ShardMap)
    templates: ShardMap[str, Template] = field(default_factory=ShardMap)  # by name
    requests: ShardMap[str, WorkflowRequest] = field(default_factory=ShardMap)  # by path
    hardware_by_mac: ShardMap[MacAddress, HardwareId] = field(default_factory=ShardMap)
    hardware_by_ip: ShardMap[IpAddress, HardwareId] = field(default_factory=ShardMap)
    hardware_by_agent: ShardMap[str, HardwareId] = field(default_factory=ShardMap)
    template_names: ShardMap[TemplateId, str] = field(default_factory=ShardMap)
    problems: ShardMap[str, tuple[Problem, ...]] = field(default_factory=ShardMap)
    in_force: ShardMap[str, BlobId] = field(default_factory=ShardMap)
    paths: ShardMap[str, BlobId] = field(default_factory=ShardMap)
    files: ShardMap[str, FileDocuments] = field(default_factory=ShardMap)
    refused: ShardMap[str, FileDocuments] = field(default_factory=ShardMap)
    claims: ShardMap[Claim, str] = field(default_factory=ShardMap)  # to the path that has it


class WorkflowEntry(Protocol):
    """One workflow as the status branch holds it.

    Those that changed lately are `LiveWorkflow` values; others may be kept by the store as
    the ids of their objects, and decoded when somebody asks.
    """

    @property
    def id(self) -> WorkflowId: ...
    @property
    def state(self) -> State: ...  # known without decoding
    @property
    def record(self) -> WorkflowRecord: ...
    @property
    def record_id(self) -> BlobId: ...
    @property
    def context(self) -> WorkflowContext: ...
    @property
    def events(self) -> tuple[WorkflowEvent, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorkflow:
    """`record_id` names the content of the record's file; empty before the store knows it."""

    id: WorkflowId
    record: WorkflowRecord
    context: WorkflowContext
    events: tuple[WorkflowEvent, ...] = ()
    record_id: BlobId = UNKNOWN_BLOB

    @property
    def state(self) -> State:
        return self.context.state


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What the reconciler saw last: `reconcile.json`."""

    desired_commit: CommitId | None = None
    at: str = ""
    problems: tuple[Problem, ...] = ()
    in_force: tuple[tuple[str, BlobId], ...] = ()  # sorted by path


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCreated:
    """A request was materialised: the record, and the text that `tink workflow get` prints.

    The writer sets the record's `arrival`, and with it `record_id`, on the newest view.
    `warnings` say what has no effect in its text, and are stored nowhere.
    """

    record: WorkflowRecord
    rendered: str
    record_id: BlobId = UNKNOWN_BLOB
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    report: ReconcileReport


Change: TypeAlias = WorkflowCreated | Reconciled | WorkflowEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """What the status branch says at `commit`.

    `arrivals` is the highest counter that a workflow has, or had before it was archived.
    `queues` lists the live workflows of each worker in the order of arrival: the first
    is the one that it works on.  `live_addresses` are the MACs and IPs frozen in live
    records, so that a machine is known after its hardware file is gone.
    `set_aside` holds the workflows that can't be believed, and `damage` what is wrong with
    files of none.  `requests` maps the path of each materialised request to its workflow;
    `by_digest` finds a request that moved.  A deleted workflow is in neither: its path is
    free again, and `deleted` finds it when its request comes back (see `deleted_like`).
    `machines` is what a boot decision needs of the past (see boot_history.py).
    """

    commit: CommitId | None = None
    workflows: Shards[WorkflowId, WorkflowEntry] = field(default_factory=ShardMap)
    queues: Shards[HardwareId, tuple[WorkflowId, ...]] = field(default_factory=ShardMap)
    live_addresses: Shards[str, tuple[HardwareId, ...]] = field(default_factory=ShardMap)
    requests: Shards[str, WorkflowId] = field(default_factory=ShardMap)
    by_digest: Shards[str, tuple[WorkflowId, ...]] = field(default_factory=ShardMap)
    deleted: Shards[int, WorkflowId] = field(default_factory=ShardMap)
    machines: Shards[HardwareId, MachineHistory] = field(default_factory=ShardMap)
    reconcile: ReconcileReport = field(default_factory=ReconcileReport)
    arrivals: int = 0
    set_aside: ShardMap[WorkflowId, SetAside] = field(default_factory=ShardMap)
    damage: tuple[Problem, ...] = ()

    def apply(self, change: Change) -> StatusView:
        """Return the view after an accepted change."""
        match change:
            case WorkflowCreated():
                return self._with_created(change)
            case Reconciled():
                return replace(self, reconcile=change.report)
            case _:
                return self._with_event(change)

    @property
    def is_draft(self) -> bool:
        return isinstance(self.workflows, Edit)

    def draft(self) -> StatusView:
        """A view that `apply` changes in place: for one owner, who hands out what is settled.

        A batch of 256 reports copies each part of the maps once, and not for each report.
        """
        if self.is_draft:
            return self
        return StatusView(
            commit=self.commit,
            workflows=Edit(self.workflows.result()),
            queues=Edit(self.queues.result()),
            live_addresses=Edit(self.live_addresses.result()),
            requests=Edit(self.requests.result()),
            by_digest=Edit(self.by_digest.result()),
            deleted=Edit(self.deleted.result()),
            machines=Edit(self.machines.result()),
            reconcile=self.reconcile,
            arrivals=self.arrivals,
            set_aside=self.set_aside,
            damage=self.damage,
        )

    def settled(self) -> StatusView:
        """The immutable view that a draft has become."""
        return StatusView(
            commit=self.commit,
            workflows=self.workflows.result(),
            queues=self.queues.result(),
            live_addresses=self.live_addresses.result(),
            requests=self.requests.result(),
            by_digest=self.by_digest.result(),
            deleted=self.deleted.result(),
            machines=self.machines.result(),
            reconcile=self.reconcile,
            arrivals=self.arrivals,
            set_aside=self.set_aside,
            damage=self.damage,
        )

    def at(self, commit: CommitId) -> StatusView:
        return replace(self, commit=commit)

    def deleted_like(self, digest: str, path: str | None = None) -> WorkflowId | None:
        """A deleted workflow whose request had this digest, at any path or at this one."""
        return self.deleted.get(deleted_key(digest, path))

    def readable(self, workflow: WorkflowId) -> WorkflowEntry | None:
        """The entry of a workflow; None when there is none, or none that can be believed."""
        entry = self.workflows.get(workflow)
        try:
            return entry if entry is None or entry.context is not None else None
        except Damaged:
            return None

    def head_of_queue(self, worker: HardwareId) -> WorkflowId | None:
        """The workflow that this worker works on, or works on next."""
        queue = self.queues.get(worker)
        return queue[0] if queue else None

    def _with_created(self, created: WorkflowCreated) -> StatusView:
        record = created.record
        view = self.draft()
        context = state_machine.begin(record.id, len(record.actions))
        entry = LiveWorkflow(
            id=record.id, record=record, context=context, record_id=created.record_id
        )
        view.workflows.set(record.id, entry)
        view.requests.set(record.request_path, record.id)
        added(view.by_digest, record.request_digest, record.id)
        view._enqueue(entry)
        if record.arrival is not None and record.arrival > view.arrivals:
            view = replace(view, arrivals=record.arrival)
        return view if self.is_draft else view.settled()

    def _enqueue(self, entry: WorkflowEntry) -> None:
        """Of a draft."""

        def order(workflow: WorkflowId) -> tuple[int, str, WorkflowId]:
            return order_of(self.workflows[workflow])

        is_newest = (entry.record.arrival or 0) > self.arrivals
        for worker in entry.record.workers:
            waiting = (*(self.queues.get(worker.id) or ()), entry.id)
            if not is_newest and len(waiting) > 1 and order(waiting[-2]) > order(entry.id):
                waiting = tuple(sorted(waiting, key=order))
            self.queues.set(worker.id, waiting)
            for address in (*worker.macs, *worker.ips):
                added(self.live_addresses, address, worker.id)

    def _with_event(self, event: WorkflowEvent) -> StatusView:
        old = self.workflows[event.workflow_id]
        was = old.context
        now = state_machine.evolve(was, event)
        entry = LiveWorkflow(
            id=old.id,
            record=old.record,
            context=now,
            events=(*old.events, event),
            record_id=old.record_id,
        )
        workflows = self.workflows.set(entry.id, entry)
        requests, by_digest, deleted = self.requests, self.by_digest, self.deleted
        machines = self.machines
        if isinstance(event, ActionReported):
            machines = boot_history.with_report(machines, old.record, event)
        if now.moved_to != was.moved_to:
            requests = _freed(requests, old).set(now.moved_to, entry.id)
        if now.is_deleted and not was.is_deleted:
            requests = _freed(requests, old)
            by_digest = removed(by_digest, old.record.request_digest, old.id)
            deleted = with_deleted(deleted, old.record.request_digest, path_of(old), old.id)
            machines = boot_history.without_deleted(machines, old.record)
        is_ended = now.is_final and not was.is_final
        if workflows is self.workflows and not is_ended:
            return self  # a draft
        view = StatusView(  # spelt out: `replace` takes twice as long, per report
            commit=self.commit,
            workflows=workflows,
            queues=self.queues,
            live_addresses=self.live_addresses,
            requests=requests,
            by_digest=by_digest,
            deleted=deleted,
            machines=machines,
            reconcile=self.reconcile,
            arrivals=self.arrivals,
            set_aside=self.set_aside,
            damage=self.damage,
        )
        return view.without_live(entry) if is_ended else view

    def without_live(self, entry: WorkflowEntry) -> StatusView:
        queues, addresses = self.queues, self.live_addresses
        for worker in entry.record.workers:
            queues = removed(queues, worker.id, entry.id)
            if worker.id not in queues:
                for address in (*worker.macs, *worker.ips):
                    addresses = removed(addresses, address, worker.id)
        return replace(self, queues=queues, live_addresses=addresses)


# A pure function that the writer runs on the newest view; it may raise `Refused`.
Proposal: TypeAlias = Callable[[StatusView], tuple[Change, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The proposal's changes are durable in `commit` (or were, before, when it has none)."""

    commit: CommitId
    changes: tuple[Change, ...]
    view: StatusView


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    desired: DesiredState
    status: StatusView


def order_of(entry: WorkflowEntry) -> tuple[int, str, WorkflowId]:
    """The place of a workflow in its queues."""
    return entry.order if isinstance(entry, SetAside) else queue_order(entry.record)


def path_of(entry: WorkflowEntry) -> str:
    """Where the request of a workflow stands now."""
    if isinstance(entry, SetAside):
        return entry.request_path
    return entry.context.moved_to or entry.record.request_path


def deleted_key(digest: str, path: str | None = None) -> int:
    """A hash: most workflows of an old site are deleted ones, and 100,000 of these keys take
    6 MB, where the texts would take 25."""
    return hash(digest) if path is None else hash((digest, path))


def with_deleted(
    deleted: Shards[int, WorkflowId], digest: str, path: str, workflow: WorkflowId
) -> Shards[int, WorkflowId]:
    """Find a deleted workflow from now on; of several that are alike, the one of the last id."""
    for key in (deleted_key(digest), deleted_key(digest, path)):
        known = deleted.get(key)
        if known is None or known < workflow:
            deleted = deleted.set(key, workflow)
    return deleted


def _freed(requests: Shards[str, WorkflowId], entry: WorkflowEntry) -> Shards[str, WorkflowId]:
    """Free the path of a workflow's request, unless another one has it by now."""
    path = path_of(entry)
    return requests.without(path) if requests.get(path) == entry.id else requests


def added(bags: Shards[K, tuple[V, ...]], key: K, value: V) -> Shards[K, tuple[V, ...]]:
    bag = bags.get(key) or ()
    return bags if value in bag else bags.set(key, (*bag, value))


def removed(bags: Shards[K, tuple[V, ...]], key: K, value: V) -> Shards[K, tuple[V, ...]]:
    bag = bags.get(key) or ()
    rest = tuple(each for each in bag if each != value)
    if len(rest) == len(bag):
        return bags
    return bags.set(key, rest) if rest else bags.without(key)
