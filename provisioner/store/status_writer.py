"""The only writer of the status branch: proposals in, durable commits out.

Whatever waits goes into one commit; there is no timer, so a lone proposal commits at
once.  While one group becomes durable the next is built on top of it.  Answers, refusals
too, are given in order and only when everything they rest on is durable.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from provisioner.errors import TinkError, Unavailable
from provisioner.model.ephemeral import DataFile
from provisioner.model.event import ActionReported, DataPushed
from provisioner.model.ids import CommitId, TreeId, WorkflowId
from provisioner.model.views import Change, Proposal, Receipt, StatusView, WorkflowEntry
from provisioner.store import archiving, checkpoint, group_files, pack, status_codec
from provisioner.store.archiving import Archiving
from provisioner.store.data_writer import DataWriter, NewFile
from provisioner.store.group import Sink, Staged
from provisioner.store.group_files import EventLines
from provisioner.store.kept_workflows import KeptWorkflows
from provisioner.store.lock import WriterLock
from provisioner.store.pack_sink import PackSink
from provisioner.store.ref_lock import RefMoved
from provisioner.store.repo import GitRepo
from provisioner.store.status_index import Row
from provisioner.store.status_store import StatusStore
from provisioner.store.stored_workflow import StoredWorkflow

GROUP_LOG_BYTES = 8 * 1024 * 1024  # logs in one commit, so that they stall nobody either
GROUP_LIMIT = 2_000  # proposals in one commit: 100 ms, so that nobody waits for long
_CHECKPOINT_FROM = 1_000  # workflows; fewer are read in a moment
_RACES = 100  # lost compare-and-swaps in a row before the proposals are given up

_LOG = logging.getLogger(__name__)

OnPublished = Callable[[StatusView, tuple[WorkflowId, ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    proposal: Proposal
    future: Future[Receipt]
    races: int = 0


@dataclass(slots=True, kw_only=True)
class _Group:
    """Proposals and what they led to; `staged` is None when there is nothing to write."""

    members: list[_Waiting] = field(default_factory=list)
    outcomes: list[tuple[Change, ...] | Exception] = field(default_factory=list)
    view: StatusView
    changed_ids: tuple[WorkflowId, ...] = ()
    finished: tuple[tuple[WorkflowEntry, bytes], ...] = ()
    staged: Staged | None = None


class StatusWriter:
    """Takes the writer's lock of the repository; `close` answers everybody and gives it back."""

    def __init__(
        self,
        repo: GitRepo,
        branch: str = "status",
        *,
        clock: Callable[[], float] = time.time,
        writer: str = "tinkgit",
        on_published: OnPublished | None = None,
        make_sink: Callable[[GitRepo, str], Sink] = PackSink,
        load: Callable[[StatusStore], StatusView] = checkpoint.load,
    ) -> None:
        """`on_published` is called by the writer's thread, before anybody is answered."""
        self.store = StatusStore(repo, branch)
        self._clock = clock
        self._writer = writer
        self._on_published = on_published
        with ExitStack() as exits:
            exits.callback(WriterLock(repo.own_dir).release)
            self._sink = make_sink(repo, f"refs/heads/{branch}")
            exits.callback(self._sink.close)
            self._data = DataWriter(repo)
            exits.callback(self._data.close)
            self._view = load(self.store)  # what readers see
            self._exits = exits.pop_all()
        self._next = self._view  # what the next group is built on
        self._lines = EventLines()
        self._kept = KeptWorkflows(self.store.reader, self._lines)
        # To be kept as object ids from now on, with those of their status files.
        self._finished: deque[tuple[WorkflowEntry, bytes]] = deque()
        # One lock guards these.  Each thread has a condition of its own: a wake-up for nothing
        # costs as much as a report, and there would be one for each report.
        lock = threading.RLock()
        self._condition = threading.Condition(lock)  # the building thread's
        self._has_group = threading.Condition(lock)  # the publishing thread's
        self._waiting: deque[_Waiting] = deque()
        self._again: deque[_Waiting] = deque()  # built on what did not happen; before _waiting
        self._built: _Group | None = None
        self._publishing = False
        self._must_reset = False
        self._closing = False
        self._has_built_all = False
        self._threads = [
            threading.Thread(target=self._build_groups, name="status-build"),
            threading.Thread(target=self._publish_groups, name="status-publish"),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def view(self) -> StatusView:
        """The newest durable view."""
        return self._view

    def propose(self, proposal: Proposal) -> Future[Receipt]:
        """Have a proposal run on the newest view; the future ends when it is durable.

        It may be run more than once.  The future raises what the proposal raised, or
        `Unavailable` when the disk does not take it.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can take it back
        with self._condition:
            if self._closing:
                future.set_exception(Unavailable("the status writer is closing"))
                return future
            self._waiting.append(_Waiting(proposal=proposal, future=future))
            if len(self._waiting) == 1 and self._built is None:
                self._condition.notify()
        return future

    def refresh(self) -> Future[Receipt]:
        """Look whether somebody else moved the branch, and catch up if so."""
        return self.propose(_nothing)

    def archive(self, rows: Iterable[Row]) -> Future[Receipt]:
        """Take finished workflows, which the archive branch has, out of the tip.

        Only those to which nothing happened since; see retention.py.
        """
        return self.propose(Archiving(rows=tuple(rows)))

    def write_data_files(self, files: Iterable[NewFile]) -> tuple[TreeId, tuple[DataFile, ...]]:
        """Make ephemeral data durable, before it is proposed; see `DataWriter.write`."""
        return self._data.write(files)

    def close(self) -> None:
        """Answer what waits, then end."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        for thread in self._threads:
            thread.join()
        if len(self._view.workflows) >= _CHECKPOINT_FROM:
            with suppress(OSError, TinkError):
                checkpoint.save(self.store)
        self._exits.close()

    # The building thread.

    def _build_groups(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(self._may_build)
                self._waiting.extendleft(reversed(self._again))
                self._again.clear()
                if not self._waiting:
                    self._has_built_all = True
                    self._has_group.notify()
                    return
                must_reset, self._must_reset = self._must_reset, False
                count = min(len(self._waiting), GROUP_LIMIT)
                members = [self._waiting.popleft() for _ in range(count)]
            group = self._try_build(members, must_reset=must_reset)
            with self._condition:
                self._must_reset = self._must_reset or group is None
                # A lone report is not handed to the other thread: that would cost it 10 %.
                is_lone = len(members) == 1 and not self._waiting and not self._publishing
                self._publishing = self._publishing or (is_lone and group is not None)
                self._built = None if is_lone else group
                self._has_group.notify()
            if is_lone and group is not None:
                self._publish_now(group)

    def _may_build(self) -> bool:
        """Whether there is something to build, or nothing will ever be."""
        if self._built is not None or (self._must_reset and self._publishing):
            return False
        if self._waiting or self._again:
            return True
        return self._closing and not self._publishing

    def _try_build(self, members: list[_Waiting], *, must_reset: bool) -> _Group | None:
        try:
            if must_reset:
                self._reset()
            return self._build(members)
        except Exception as error:
            # Nothing was written; whoever waits is told, and the next group starts afresh.
            _give_up(members, error)
            return None

    def _reset(self) -> None:
        view = self.store.catch_up(self._view)
        self._sink.reset(view.commit)
        self._lines.clear()
        self._next = view
        if view is not self._view:
            changed = tuple(
                each
                for each, entry in view.workflows.items()
                if self._view.workflows.get(each) is not entry
            )
            self._swap(view, changed)

    def _build(self, members: list[_Waiting]) -> _Group:
        before = self._keep_as_ids(self._next)
        group = _Group(view=before)
        changes: list[Change] = []
        archived: list[Row] = []
        pushed: set[WorkflowId] = set()
        log_bytes = 0
        for position, member in enumerate(members):
            outcome = _run(member.proposal, group.view)
            if not isinstance(outcome, Exception):
                pushes = [each.workflow_id for each in outcome if isinstance(each, DataPushed)]
                log_bytes += sum(map(_log_bytes, outcome))
                is_full = changes and log_bytes > GROUP_LOG_BYTES
                if is_full or not pushed.isdisjoint(pushes):
                    self._put_back(members[position:])  # each version needs a commit of its own
                    break
                pushed.update(pushes)
                changes += outcome
                group.view = group.view.apply_all(map(_without_files, outcome))
            group.members.append(member)
            group.outcomes.append(outcome)
            if isinstance(member.proposal, Archiving):
                archived += member.proposal.unchanged(group.view)
        if changes or archived:
            files = group_files.files_of(
                group.view,
                changes,
                self._lines,
                is_first=before.commit is None,
                writer=self._writer,
            )
            moved = archiving.files_of(archived, self._read_file)
            message = files.message if changes else archiving.message(archived)
            group.staged = self._sink.stage(
                (*files.changes, *moved), message, at_seconds=int(self._clock())
            )
            group.view = group.view.at(group.staged.commit)
            group.changed_ids, group.finished = files.changed_ids, files.finished
        self._next = group.view
        return group

    def _read_file(self, path: str) -> bytes:
        """Read a list of archived workflows; nothing in flight changes one (see `_build`)."""
        commit = self._view.commit
        return (self.store.repo.blob_at(commit, path) if commit else None) or b""

    def _put_back(self, members: list[_Waiting]) -> None:
        with self._condition:
            self._waiting.extendleft(reversed(members))

    def _keep_as_ids(self, view: StatusView) -> StatusView:
        """Hold what ended in published groups, and what is quiet, as object ids."""
        while self._finished:
            entry, status_blob = self._finished.popleft()
            if view.workflows.get(entry.id) is entry:  # else it went on in a group since
                record = status_codec.encode_record(entry.record)
                stored = StoredWorkflow(
                    reader=self.store.reader,
                    id=entry.id,
                    record_blob=pack.object_id("blob", record),
                    status_blob=status_blob,
                    state=entry.context.state,
                )
                view = replace(view, workflows=view.workflows.set(entry.id, stored))
        return self._kept.let_go(view)

    # The publishing thread.

    def _publish_groups(self) -> None:
        while True:
            with self._condition:
                self._has_group.wait_for(lambda: self._built or self._has_built_all)
                group, self._built = self._built, None
                if group is None:
                    return
                if self._must_reset:
                    self._again.extend(group.members)  # built on what did not happen
                self._publishing = not self._must_reset
                self._condition.notify()
                if not self._publishing:
                    continue
            self._publish_now(group)

    def _publish_now(self, group: _Group) -> None:
        try:
            self._publish(group)
        finally:
            with self._condition:
                self._publishing = False
                self._condition.notify()

    def _publish(self, group: _Group) -> None:
        try:
            if group.staged is not None:
                self._sink.publish(group.staged)
            elif self.store.tip() != self._view.commit:
                raise RefMoved(self.store.branch, self.store.tip())
        except RefMoved as moved:
            self._run_again(group, moved)
        except (OSError, TinkError) as error:
            with self._condition:
                self._must_reset = True
            _give_up(group.members, error)
        else:
            if group.staged is not None:
                self._kept.published(self._view, group.view, group.changed_ids)
                self._swap(group.view, group.changed_ids)
                self._finished.extend(group.finished)
            _answer(group)

    def _run_again(self, group: _Group, moved: RefMoved) -> None:
        tired = [member for member in group.members if member.races >= _RACES]
        with self._condition:
            self._must_reset = True
            self._again.extend(
                replace(member, races=member.races + 1)
                for member in group.members
                if member.races < _RACES
            )
        _give_up(tired, moved)

    def _swap(self, view: StatusView, changed: tuple[WorkflowId, ...]) -> None:
        self._view = view
        if self._on_published is None:
            return
        try:
            self._on_published(view, changed)
        except Exception:
            _LOG.exception("a follower of the status branch failed")


def _nothing(_: StatusView) -> tuple[Change, ...]:
    return ()


def _run(proposal: Proposal, view: StatusView) -> tuple[Change, ...] | Exception:
    try:
        return proposal(view)
    except Exception as error:
        return error


def _without_files(change: Change) -> Change:
    """Drop what is stored as a file: the view keeps every event of live workflows."""
    if isinstance(change, ActionReported) and change.log_tail:
        return replace(change, log_tail=b"")
    if isinstance(change, DataPushed) and change.files:
        return replace(change, files=())
    return change


def _answer(group: _Group) -> None:
    for member, outcome in zip(group.members, group.outcomes, strict=True):
        if isinstance(outcome, Exception):
            member.future.set_exception(outcome)
        else:
            commit = group.view.commit or CommitId("")
            receipt = Receipt(commit=commit, changes=outcome, view=group.view)
            member.future.set_result(receipt)


def _give_up(members: Iterable[_Waiting], error: Exception) -> None:
    reason = getattr(error, "strerror", None) or str(error)
    for member in members:
        told = Unavailable(f"the status branch can't be written now: {reason}")
        told.__cause__ = error
        member.future.set_exception(told)


def _log_bytes(change: Change) -> int:
    return len(change.log_tail) if isinstance(change, ActionReported) else 0
