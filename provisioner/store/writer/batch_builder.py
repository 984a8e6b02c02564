"""How proposals that wait become one group: their outcomes, the view after them, a commit.

Work for the processor only; nothing here waits for the disk.  Groups are built one on top
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
from provisioner.store.writer.eviction import KeptWorkflows

GROUP_LOG_BYTES = 8 * 1024 * 1024  # logs in one commit, so that they stall nobody either


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A proposal and who waits for it; `races` counts lost compare-and-swaps."""

    proposal: Proposal
    future: Future[Receipt]
    is_bulk: bool = False
    races: int = 0


@dataclass(slots=True, kw_only=True)
class Group:
    """Proposals and what they led to; `staged` is None when there is nothing to write."""

    members: list[Waiting] = field(default_factory=list)
    outcomes: list[tuple[Change, ...] | Exception] = field(default_factory=list)
    view: StatusView
    changed_ids: tuple[WorkflowId, ...] = ()
    finished: tuple[tuple[WorkflowEntry, bytes], ...] = ()
    staged: Staged | None = None


class GroupBuilder:
    """One thread at a time uses it."""

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
        self._next = view  # what the next group is built on
        self._has_newest_format: bool | None = None
        self._lines = EventLines()
        self._kept = KeptWorkflows(store.reader, self._lines)
        # To be kept as object ids from now on, with those of their status files.
        self._finished: deque[tuple[WorkflowEntry, bytes]] = deque()

    def published(self, group: Group) -> None:
        """Note that a group is durable and seen by all."""
        self._kept.published(group.view, group.changed_ids)
        self._published = group.view
        self._finished.extend(group.finished)

    def reset(self) -> tuple[StatusView, tuple[WorkflowId, ...]]:
        """Go on from where the branch may be gone on from; return the view and what changed."""
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
            each for each, entry in view.workflows.items() if old.workflows.get(each) is not entry
        )

    def build(self, members: Sequence[Waiting]) -> Group:
        """Build a group of the first members; those that it leaves out come first next time."""
        group = Group(view=self._keep_as_ids(self._next.draft()))
        changes: list[Change] = []
        records: new_records.Contents = {}
        archived: list[Row] = []
        mended: list[FileChange] = []
        pushed: set[WorkflowId] = set()
        log_bytes = 0
        for member in members:
            outcome = _run(member.proposal, group.view)
            if not isinstance(outcome, Exception):
                pushes = [each.workflow_id for each in outcome if isinstance(each, DataPushed)]
                log_bytes += sum(map(_log_bytes, outcome))
                is_full = changes and log_bytes > GROUP_LOG_BYTES
                if is_full or not pushed.isdisjoint(pushes):
                    break  # each version needs a commit of its own
                pushed.update(pushes)
                outcome = new_records.numbered(group.view, outcome, records)
                changes += outcome
                for change in outcome:
                    group.view = group.view.apply(_without_files(change))
            group.members.append(member)
            group.outcomes.append(outcome)
            if isinstance(member.proposal, Archiving):
                archived += member.proposal.unchanged(group.view)
            elif isinstance(member.proposal, Mending):
                mended += member.proposal.files
        if changes or archived or mended:
            files = batch_files.files_of(
                group.view,
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
            group.staged = self._sink.stage(changed, message, at_seconds=int(self._clock()))
            group.view = _mended(group.view, changed).at(group.staged.commit)
            group.changed_ids, group.finished = files.changed_ids, files.finished
            self._has_newest_format = True  # or `reset` looks again
        group.view = self._next = group.view.settled()
        return group

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

    def _keep_as_ids(self, view: StatusView) -> StatusView:
        """Hold what ended in published groups, and what is quiet, as object ids."""
        while self._finished:
            entry, status_blob = self._finished.popleft()
            if view.workflows.get(entry.id) is entry:  # else it went on in a group since
                stored = StoredWorkflow(
                    reader=self._store.reader,
                    id=entry.id,
                    record_blob=bytes.fromhex(entry.record_id),
                    status_blob=status_blob,
                    state=entry.context.state,
                )
                view = replace(view, workflows=view.workflows.set(entry.id, stored))
        return self._kept.let_go(view)


def _run(proposal: Proposal, view: StatusView) -> tuple[Change, ...] | Exception:
    try:
        return proposal(view)
    except Exception as error:
        return error


def _mended(view: StatusView, changes: Iterable[FileChange]) -> StatusView:
    """Note that files which were damaged are written again."""
    if not view.damage:
        return view
    written = {each.path for each in changes}
    return replace(view, damage=tuple(each for each in view.damage if each.path not in written))


def _without_files(change: Change) -> Change:
    """Drop what is stored as a file: the view keeps every event of live workflows."""
    if isinstance(change, ActionReported) and change.log_tail:
        return replace(change, log_tail=b"")
    if isinstance(change, DataPushed) and change.files:
        return replace(change, files=())
    return change


def _log_bytes(change: Change) -> int:
    return len(change.log_tail) if isinstance(change, ActionReported) else 0
