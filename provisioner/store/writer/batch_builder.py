"""Builds a batch of the proposals that wait: their outcomes, the view after them, a commit.

Work for the processor only; nothing here waits for the disk.  Batches are built one on top
of the other, also while the one below is not durable yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from provisioner.git.commit import FileChange, Sink, Staged
from provisioner.model.event import ActionReported, DataPushed
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.views import Change, Proposal, Receipt, StatusView, WorkflowEntry
from provisioner.store.guard import mending
from provisioner.store.guard.begin import NoStatusBranch
from provisioner.store.guard.mending import Mending
from provisioner.store.status import codec
from provisioner.store.status.index import Row
from provisioner.store.status.lazy_workflow import StoredWorkflow
from provisioner.store.status.store import StatusStore
from provisioner.store.writer import archiving, batch_files, new_records
from provisioner.store.writer.archiving import Archiving
from provisioner.store.writer.batch_files import EventLines
from provisioner.store.writer.workflow_cache import WorkflowCache

BATCH_LOG_BYTES = 8 * 1024 * 1024  # logs in one commit, so that they stall nobody either


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A proposal and the future of who proposed it; `races` counts lost compare-and-swaps."""

    proposal: Proposal
    future: Future[Receipt]
    is_bulk: bool = False
    races: int = 0


@dataclass(slots=True, kw_only=True)
class Batch:
    """Proposals and their outcomes; `staged` is None when there is nothing to write.

    `outcomes` stand in the order of `members`.  `finished` holds the workflows that ended in this
    batch, with the ids of their status files (20 bytes).
    """

    members: list[Waiting] = field(default_factory=list)
    outcomes: list[tuple[Change, ...] | Exception] = field(default_factory=list)
    view: StatusView
    changed_ids: tuple[WorkflowId, ...] = ()
    finished: tuple[tuple[WorkflowEntry, bytes], ...] = ()
    staged: Staged | None = None


class BatchBuilder:
    """Used by the holder of the StepLock, one thread at a time."""

    def __init__(
        self,
        store: StatusStore,
        sink: Sink,
        view: StatusView,
        *,
        settle: Callable[[], CommitId | None],
        clock: Callable[[], float],
        writer: str,
    ) -> None:
        self._store = store
        self._settle = settle  # where the branch is to go on from; see branch_guard.py
        self._sink = sink
        self._clock = clock
        self._writer = writer
        self._published = view
        self._next = view  # what the next batch is built on
        self._has_newest_format: bool | None = None
        self._lines = EventLines()
        self._cache = WorkflowCache(store.reader, self._lines)
        # To be held as object ids from the next batch on, with those of their status files.
        self._finished: deque[tuple[WorkflowEntry, bytes]] = deque()

    def note_published(self, batch: Batch) -> None:
        """Note that a batch is durable and seen by all."""
        self._cache.note_published(batch.view, batch.changed_ids)
        self._published = batch.view
        self._finished.extend(batch.finished)

    def reset(self) -> tuple[StatusView, tuple[WorkflowId, ...]]:
        """Go on from where the branch is; return its view and the ids of the workflows that differ.

        Raises `NoStatusBranch`, or `Diverged` when a person has to decide where that is.
        """
        old = self._published
        tip = self._settle()
        if tip is None:
            raise NoStatusBranch(self._store.repo.git_dir, self._store.branch)
        view = self._store.catch_up(old, tip)
        self._sink.reset(view.commit)
        self._lines.clear()
        self._has_newest_format = None
        self._published = self._next = view
        if view is old:
            return view, ()
        return view, tuple(
            id for id, entry in view.workflows.items() if old.workflows.get(id) is not entry
        )

    def build(self, members: Sequence[Waiting]) -> Batch:
        """Build a batch of the first members; those that it leaves out come first next time.

        Raises what `Sink.stage` raises, and then nothing of it was built.
        """
        batch = Batch(view=self._hold_as_ids(self._next.draft()))
        changes: list[Change] = []
        records: new_records.Contents = {}
        archived: list[Row] = []
        mended: list[FileChange] = []
        pushed: set[WorkflowId] = set()
        log_bytes = 0
        for member in members:
            outcome = _run(member.proposal, batch.view)
            if not isinstance(outcome, Exception):
                pushes = [it.workflow_id for it in outcome if isinstance(it, DataPushed)]
                log_bytes += sum(map(_log_bytes, outcome))
                is_full = changes and log_bytes > BATCH_LOG_BYTES
                if is_full or not pushed.isdisjoint(pushes):
                    break  # each version needs a commit of its own
                pushed.update(pushes)
                outcome = new_records.numbered(batch.view, outcome, records)
                changes += outcome
                for change in outcome:
                    batch.view = batch.view.apply(_without_files(change))
            batch.members.append(member)
            batch.outcomes.append(outcome)
            if isinstance(member.proposal, Archiving):
                archived += member.proposal.unchanged(batch.view)
            elif isinstance(member.proposal, Mending):
                mended += member.proposal.files
        if changes or archived or mended:
            files = batch_files.files_of(
                batch.view,
                changes,
                self._lines,
                records=records,
                sets_format=self._sets_format(),
                writer=self._writer,
            )
            moved = archiving.files_of(archived, self._read_file)
            changed = (*mended, *files.changes, *moved)
            message = files.message if changes else archiving.message(archived)
            if mended:
                message = mending.message(mended)
            batch.staged = self._sink.stage(changed, message, at_seconds=int(self._clock()))
            batch.view = _mended(batch.view, changed).at(batch.staged.commit)
            batch.changed_ids, batch.finished = files.changed_ids, files.finished
            self._has_newest_format = True  # or `reset` looks again
        batch.view = self._next = batch.view.settled()
        return batch

    def _sets_format(self) -> bool:
        """Whether the branch is new, or was written by an older version, up to this commit."""
        if self._has_newest_format is None:
            commit = self._published.commit
            version = self._store.read_format(commit) if commit else 0
            self._has_newest_format = version == codec.FORMAT_VERSION
        return not self._has_newest_format

    def _read_file(self, path: str) -> bytes:
        """Read a list of archived workflows; nothing in flight changes one (see `build`)."""
        commit = self._published.commit
        return (self._store.repo.blob_at(commit, path) if commit else None) or b""

    def _hold_as_ids(self, view: StatusView) -> StatusView:
        """Hold what ended in published batches, and what is quiet, as object ids."""
        while self._finished:
            entry, status_blob = self._finished.popleft()
            if view.workflows.get(entry.id) is entry:  # else it went on in a batch since
                stored = StoredWorkflow(
                    reader=self._store.reader,
                    id=entry.id,
                    record_blob=bytes.fromhex(entry.record_id),
                    status_blob=status_blob,
                    state=entry.context.state,
                )
                view = replace(view, workflows=view.workflows.set(entry.id, stored))
        return self._cache.evict(view)


def _run(proposal: Proposal, view: StatusView) -> tuple[Change, ...] | Exception:
    try:
        return proposal(view)
    except Exception as error:
        return error


def _mended(view: StatusView, changes: Iterable[FileChange]) -> StatusView:
    """Note that files which were damaged are written again."""
    if not view.damage:
        return view
    written = {change.path for change in changes}
    return replace(view, damage=tuple(it for it in view.damage if it.path not in written))


def _without_files(change: Change) -> Change:
    """Drop what is stored as a file: the view holds every event of live workflows."""
    if isinstance(change, ActionReported) and change.log_tail:
        return replace(change, log_tail=b"")
    if isinstance(change, DataPushed) and change.files:
        return replace(change, files=())
    return change


def _log_bytes(change: Change) -> int:
    return len(change.log_tail) if isinstance(change, ActionReported) else 0
