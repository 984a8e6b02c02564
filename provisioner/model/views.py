"""The two immutable values that everything reads: what is wanted, and what has happened.

`DesiredState` and `StatusView` are each named by a commit; their pair is a `Snapshot`.
Changing one gives a new one, so a reader never waits and never sees half a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby
from typing import Protocol, TypeAlias, TypeVar

from provisioner.model import state_machine
from provisioner.model.event import WorkflowEvent
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
from provisioner.model.shard_map import Edit, ShardMap
from provisioner.model.state import State
from provisioner.model.state_machine import WorkflowContext
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRecord, WorkflowRequest

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
    def context(self) -> WorkflowContext: ...
    @property
    def events(self) -> tuple[WorkflowEvent, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorkflow:
    id: WorkflowId
    record: WorkflowRecord
    context: WorkflowContext
    events: tuple[WorkflowEvent, ...] = ()

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
    """A request was materialised: the record, and the text that `tink workflow get` prints."""

    record: WorkflowRecord
    rendered: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    report: ReconcileReport


Change: TypeAlias = WorkflowCreated | Reconciled | WorkflowEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """What the status branch says at `commit`.

    `queues` lists the live workflows of each worker in the order of creation: the first
    is the one that it works on.  `live_addresses` are the MACs and IPs frozen in live
    records, so that a machine is known after its hardware file is gone.
    `requests` maps the path of each materialised request to its workflow; `by_digest`
    finds a request that moved.  A deleted workflow is in neither: its path is free again.
    """

    commit: CommitId | None = None
    workflows: ShardMap[WorkflowId, WorkflowEntry] = field(default_factory=ShardMap)
    queues: ShardMap[HardwareId, tuple[WorkflowId, ...]] = field(default_factory=ShardMap)
    live_addresses: ShardMap[str, tuple[HardwareId, ...]] = field(default_factory=ShardMap)
    requests: ShardMap[str, WorkflowId] = field(default_factory=ShardMap)
    by_digest: ShardMap[str, tuple[WorkflowId, ...]] = field(default_factory=ShardMap)
    reconcile: ReconcileReport = field(default_factory=ReconcileReport)

    def apply(self, change: Change) -> StatusView:
        """Return the view after an accepted change."""
        match change:
            case WorkflowCreated():
                return self._with_created((change.record,))
            case Reconciled():
                return replace(self, reconcile=change.report)
            case _:
                return self._with_event(change)

    def apply_all(self, changes: Iterable[Change]) -> StatusView:
        """As `apply` one by one; new workflows that follow each other are taken in together."""
        view = self
        for is_new, run in groupby(changes, lambda each: isinstance(each, WorkflowCreated)):
            if is_new:
                records = (each.record for each in run if isinstance(each, WorkflowCreated))
                view = view._with_created(records)
            else:
                view = reduce(StatusView.apply, run, view)
        return view

    def at(self, commit: CommitId) -> StatusView:
        return replace(self, commit=commit)

    def head_of_queue(self, worker: HardwareId) -> WorkflowId | None:
        """The workflow that this worker works on, or works on next."""
        queue = self.queues.get(worker)
        return queue[0] if queue else None

    def _with_created(self, records: Iterable[WorkflowRecord]) -> StatusView:
        workflows, requests = self.workflows.edit(), self.requests.edit()
        by_digest = self.by_digest.edit()
        queues, addresses = self.queues.edit(), self.live_addresses.edit()
        for record in records:
            context = state_machine.begin(record.id, len(record.actions))
            entry = LiveWorkflow(id=record.id, record=record, context=context)
            workflows[record.id] = entry
            requests[record.request_path] = record.id
            _add(by_digest, record.request_digest, record.id)
            _enqueue(entry, workflows, queues, addresses)
        return replace(
            self,
            workflows=workflows.result(),
            requests=requests.result(),
            by_digest=by_digest.result(),
            queues=queues.result(),
            live_addresses=addresses.result(),
        )

    def _with_event(self, event: WorkflowEvent) -> StatusView:
        old = self.workflows[event.workflow_id]
        was = old.context
        now = state_machine.evolve(was, event)
        entry = LiveWorkflow(id=old.id, record=old.record, context=now, events=(*old.events, event))
        requests, by_digest = self.requests, self.by_digest
        if now.moved_to != was.moved_to:
            requests = _freed(requests, old).set(now.moved_to, entry.id)
        if now.is_deleted and not was.is_deleted:
            requests = _freed(requests, old)
            by_digest = _removed(by_digest, old.record.request_digest, old.id)
        view = StatusView(  # spelt out: `replace` takes twice as long, per report
            commit=self.commit,
            workflows=self.workflows.set(entry.id, entry),
            queues=self.queues,
            live_addresses=self.live_addresses,
            requests=requests,
            by_digest=by_digest,
            reconcile=self.reconcile,
        )
        return view.without_live(entry) if now.is_final and not was.is_final else view

    def with_live(self, entry: WorkflowEntry) -> StatusView:
        """Queue a workflow for each of its workers (also used when a branch is loaded)."""
        queues, addresses = self.queues.edit(), self.live_addresses.edit()
        _enqueue(entry, self.workflows, queues, addresses)
        return replace(self, queues=queues.result(), live_addresses=addresses.result())

    def without_live(self, entry: WorkflowEntry) -> StatusView:
        queues, addresses = self.queues, self.live_addresses
        for worker in entry.record.workers:
            queues = _removed(queues, worker.id, entry.id)
            if worker.id not in queues:
                for address in (*worker.macs, *worker.ips):
                    addresses = _removed(addresses, address, worker.id)
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


def path_of(entry: WorkflowEntry) -> str:
    """Where the request of a workflow stands now."""
    return entry.context.moved_to or entry.record.request_path


def _freed(requests: ShardMap[str, WorkflowId], entry: WorkflowEntry) -> ShardMap[str, WorkflowId]:
    """Free the path of a workflow's request, unless another one has it by now."""
    path = path_of(entry)
    return requests.without(path) if requests.get(path) == entry.id else requests


def _enqueue(
    entry: WorkflowEntry,
    workflows: Mapping[WorkflowId, WorkflowEntry],
    queues: Edit[HardwareId, tuple[WorkflowId, ...]],
    addresses: Edit[str, tuple[HardwareId, ...]],
) -> None:
    """Queue a workflow, one of `workflows`, for each of its workers."""

    def order(workflow: WorkflowId) -> tuple[str, str]:
        return (workflows[workflow].record.created_at, workflow)

    for worker in entry.record.workers:
        waiting = (*(queues.get(worker.id) or ()), entry.id)
        if len(waiting) > 1 and order(waiting[-2]) > order(entry.id):
            waiting = tuple(sorted(waiting, key=order))
        queues[worker.id] = waiting
        for address in (*worker.macs, *worker.ips):
            _add(addresses, address, worker.id)


def _add(bags: Edit[K, tuple[V, ...]], key: K, value: V) -> None:
    bag = bags.get(key) or ()
    if value not in bag:
        bags[key] = (*bag, value)


def _removed(bags: ShardMap[K, tuple[V, ...]], key: K, value: V) -> ShardMap[K, tuple[V, ...]]:
    rest = tuple(each for each in bags.get(key) or () if each != value)
    return bags.set(key, rest) if rest else bags.without(key)
