"""The only writer of the status branch: proposals in, durable commits out.

Whatever waits goes into one commit; there is no timer, so a lone proposal commits at
once.  Answers, refusals too, are given in order and only when everything they rest on is
durable.

The work is cut into turns that never wait, taken by a thread of the writer's own or by the event
loop that took them over with `lend`.  Only `Sink.sync` waits, in a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from provisioner.errors import TinkError, Unavailable
from provisioner.git.commit import Sink
from provisioner.git.gc_lock import GcLock
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, TreeId, WorkflowId
from provisioner.model.views import Change, Proposal, Receipt, StatusView
from provisioner.store.guard import begin, branch_guard
from provisioner.store.guard.branch_guard import OnMove
from provisioner.store.guard.memory import Memory
from provisioner.store.status import checkpoint
from provisioner.store.status.index import Row
from provisioner.store.status.store import StatusStore
from provisioner.store.writer import answers
from provisioner.store.writer.archiving import Archiving
from provisioner.store.writer.batch_builder import Group, GroupBuilder, Waiting
from provisioner.store.writer.data_writer import DataWriter, NewFile, Stored
from provisioner.store.writer.failing import Failing, OnFailing
from provisioner.store.writer.lock import WriterLock
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.proposal_queue import ProposalQueue
from provisioner.store.writer.sync_thread import SyncThread

GROUP_LIMIT = 2_000  # proposals in one commit: 100 ms, so that nobody waits for long
LENT_LIMIT = 512  # the same for a thread that has machines to answer between two turns
_CHECKPOINT_FROM = 1_000  # workflows; fewer are read in a moment

_LOG = logging.getLogger(__name__)

OnPublished = Callable[[StatusView, tuple[WorkflowId, ...]], None]


class StatusWriter:
    """Takes the writer's lock of the repository; `close` answers everybody and gives it back.

    Raises `NoStatusBranch` where nobody has begun one (see begin.py).
    """

    def __init__(
        self,
        repo: GitRepo,
        branch: str = "status",
        *,
        clock: Callable[[], float] = time.time,
        writer: str = "tinkgit",
        on_published: OnPublished | None = None,
        make_sink: Callable[[GitRepo, str], Sink] | None = None,
        load: Callable[[StatusStore, CommitId], StatusView] = checkpoint.load,
        memory: Memory | None = None,
        on_move: OnMove = lambda _: None,
        halted: Unavailable | None = None,
        on_failing: OnFailing | None = None,
    ) -> None:
        """`on_published` and `on_move` are called by who takes the turn, before any answer.

        `on_failing` hears why nothing can be written, and None when that is over.  One that
        begins `halted` may do so before there is a branch.
        """
        self.store = StatusStore(repo, branch)
        self.memory = memory or Memory(repo)
        self.guards = branch_guard.of_site(repo, branch, self.memory, on_move)
        self._ref = f"refs/heads/{branch}"
        self._on_published = on_published
        self._queue = ProposalQueue()
        self._failing = Failing(on_failing, self._queue.wake_thread)
        with ExitStack() as exits:
            exits.callback(WriterLock(repo.own_dir).release)
            self.gc_lock = GcLock(repo.common_dir)
            exits.callback(self.gc_lock.release)
            self.memory.reload(is_writer=True)  # nobody else changes it now
            make_sink = make_sink or partial(PackSink, keep=self.memory.keep)
            self.guards.status.look_before_recovery()
            self._sink = make_sink(repo, self._ref)
            exits.callback(self._sink.close)
            self._data = DataWriter(repo, self._failing.failed)
            exits.callback(self._data.close)
            found, tip = self.store.tip(), self.guards.start()
            if tip is None and halted is None and self.guards.trouble is None:
                raise begin.none_of(repo, branch)
            self._view = load(self.store, tip) if tip else StatusView()  # what readers see
            if tip != found:
                self._sink.reset(tip)
            self.memory.save()
            self._exits = exits.pop_all()
        self._builder = GroupBuilder(
            self.store,
            self._sink,
            self._view,
            settle=self.guards.settle,
            clock=clock,
            writer=writer,
        )
        self._halted = halted  # one reference, swapped
        self._turning = threading.Lock()  # held for a turn; guards the four below
        self._built: Group | None = None
        self._syncing: Group | None = None
        self._must_reset = False
        self._is_turn_wanted = False  # by somebody who found it taken
        self._sync = SyncThread(self._sink.sync, self._queue.wake)
        self._thread = threading.Thread(target=self._take_turns, name="status-turns")
        self._thread.start()

    @property
    def view(self) -> StatusView:
        """The newest durable view."""
        return self._view

    def propose(self, proposal: Proposal, *, is_bulk: bool = False) -> Future[Receipt]:
        """Have a proposal run on the newest view; the future ends when it is durable.

        It may be run more than once.  The future raises what the proposal raised, or
        `Unavailable` when the disk does not take it.  One that `is_bulk` takes long to build,
        which is done by the thread that proposes it.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # from here on nobody can take it back
        try:
            self._check_writable()
            waiting = Waiting(proposal=proposal, future=future, is_bulk=is_bulk)
            is_first = self._queue.add(waiting) and self._built is None
        except Unavailable as error:
            future.set_exception(error)
            return future
        if is_bulk:
            self._work(may_wait=False)
        elif is_first:
            self._queue.wake()
        return future

    def refresh(self) -> Future[Receipt]:
        """Look whether somebody else moved the branch, and go on from where that leads."""
        return self.propose(_nothing)

    def look(self) -> None:
        """Look after both branches, also while there is nothing to write; see branch_guard.py.

        Costs two looks at refs when they are where we left them.
        """
        with self._turning:
            self._must_reset |= self.guards.look()
        self._queue.wake()  # who wanted the turn meanwhile found it taken
        if self._must_reset or self.guards.status.find() != self._view.commit:
            self.refresh()
        self.memory.save_if_due()

    def archive_tip(self) -> CommitId | None:
        """Return where the archive branch is to go on from; raise `Diverged` if that is open."""
        return self.guards.archive.settle()

    def move_archive(self, *, expected: CommitId | None, new: CommitId) -> None:
        """Move the archive branch, durably; raises `RefMoved`, or why nothing may be written."""
        self._check_writable()
        self.guards.archive.move(expected=expected, new=new)

    def halt(self, error: Unavailable) -> None:
        """Have every proposal but those being written fail with this error, until `resume`."""
        self._halted = error
        self._queue.wake()

    def resume(self) -> None:
        """Take proposals again, and go on from wherever the branch is by then."""
        with self._turning:
            self._must_reset, self._halted = True, None
        self._queue.wake()

    def archive(self, rows: Iterable[Row]) -> Future[Receipt]:
        """Take finished workflows, which the archive branch has, out of the tip.

        Only those to which nothing happened since; see retention.py.
        """
        return self.propose(Archiving(rows=tuple(rows)), is_bulk=True)

    @contextmanager
    def write_data_files(
        self, files: Iterable[NewFile], *, known: TreeId | None = None
    ) -> Iterator[Stored]:
        """Make ephemeral data durable, before it is proposed; see `DataWriter.write`.

        To be left when the proposal was answered: gc may take then what no branch leads to.
        """
        with self._data.write(files, known=known) as stored:
            yield stored
            # The journal knows the commit and not these files: they must not depend on a ref
            # that a power cut could still take back.
            self.store.sync_ref()

    def lend(self, wake: Callable[[], None] | None) -> None:
        """Let another thread take the turns: `wake` asks it, from any thread, for a `turn`.

        What takes long is still done here.  With None the turns are taken back.
        """
        self._queue.lend(wake)

    def turn(self, *, is_busy: bool = False) -> bool:
        """Do what can be done without waiting, unless a turn is being taken already.

        With `is_busy`, more proposals are on their way: gather them while a group is being
        synced.  Returns whether there is something left to do when no more come.
        """
        left = False
        self._is_turn_wanted = True
        while self._is_turn_wanted and self._turning.acquire(blocking=False):
            try:
                self._is_turn_wanted = False
                if self._settle() or self._start(may_wait=False):
                    left = True  # the answers go out before the next group is built
                elif self._syncing is not None and is_busy:
                    left = bool(self._queue)
                else:
                    left = self._build(is_lent=True)
                    if self._start(may_wait=False):
                        self._settle()
            finally:
                self._turning.release()
        return left

    def close(self) -> None:
        """Answer what waits, then end."""
        self._queue.close()
        self._thread.join()
        self._sync.close()
        if len(self._view.workflows) >= _CHECKPOINT_FROM:
            with suppress(OSError, TinkError):
                checkpoint.save(self.store)
        with self._exits, suppress(OSError, TinkError):  # the journal remembers as well
            self.memory.save()

    @property
    def _stopped_by(self) -> Unavailable | None:
        return self._halted or self.guards.trouble

    def _check_writable(self) -> None:
        if (error := self._stopped_by) is not None:
            raise answers.copy_of(error)

    # The thread of its own.

    def _take_turns(self) -> None:
        while not self._is_over():
            if self._queue.wait_until_wanted(self._failing.again_seconds):
                self._work(may_wait=True)
            else:
                self._try_again()

    def _try_again(self) -> None:
        """Look whether what failed works by now; who wants a turn meanwhile gets it after."""
        with self._turning:
            if not (self._stopped_by or self._syncing or self._built):
                self._failing.try_again(self._rehearse)
        self._queue.wake()

    def _rehearse(self, size_bytes: int) -> None:
        if self._must_reset:
            self._reset()
        self._must_reset = True
        self._sink.rehearse(size_bytes)
        self._must_reset = False

    def _work(self, *, may_wait: bool) -> None:
        """Take turns until there is nothing to do but wait."""
        self._is_turn_wanted = True
        while self._is_turn_wanted:
            with self._turning:
                self._is_turn_wanted = False
                while self._settle() or self._start(may_wait=may_wait) or self._build():
                    pass

    def _is_over(self) -> bool:
        with self._turning:
            return self._queue.is_closed and not (self._queue or self._built or self._syncing)

    # Steps of a turn; each returns whether there was something to do.

    def _settle(self) -> bool:
        """Let everybody see a group that was synced, and answer it."""
        if not self._sync.outcomes:
            return False
        error = self._sync.outcomes.popleft()
        group, self._syncing = self._syncing, None
        assert group is not None and group.staged is not None
        try:
            if error is not None:
                raise error
            self._sink.end(group.staged)
        except Exception as failure:
            self._failed(group, failure)
            return True
        self._failing.worked()
        self._builder.published(group)
        self._swap(group.view, group.changed_ids)
        if self._built is not None and self._built.staged is not None:
            self._start(may_wait=False)  # the disk works while answers are given
        answers.answer(group)
        return True

    def _start(self, *, may_wait: bool) -> bool:
        """Have the group that is built synced; one that changes nothing is answered now."""
        group = self._built
        if group is None or self._syncing is not None:
            return False
        self._built = None
        try:
            if group.staged is None:
                if (found := self.guards.status.find()) != self._view.commit:
                    raise RefMoved(self.store.branch, found)
                answers.answer(group)
                return True
            self._sink.begin(group.staged)
        except Exception as failure:
            self._failed(group, failure)
            return True
        self._syncing = group
        is_lone = len(group.members) == 1 and not self._queue
        if is_lone and (may_wait or self._sync.is_quick):
            self._sync.sync_here(group.staged)
        else:
            self._sync.submit(group.staged)
        return True

    def _build(self, *, is_lent: bool = False) -> bool:
        if self._built is not None or (self._must_reset and self._syncing is not None):
            return False
        members = self._queue.first(LENT_LIMIT if is_lent else GROUP_LIMIT)
        if not members:
            return False
        if (stopped_by := self._stopped_by) is not None:
            self._queue.drop(len(members))
            answers.refuse(members, stopped_by)
            return True
        if is_lent and (self._must_reset or any(each.is_bulk for each in members)):
            self._queue.wake_thread()
            return False
        try:
            if self._must_reset:
                self._reset()
            self._built = self._builder.build(members)
        except Exception as error:
            # Nothing was written; whoever waits hears it, and the next group starts afresh.
            self._must_reset = True
            self._queue.drop(len(members))
            answers.give_up(members, error)
            self._failing.failed(error)
        else:
            self._queue.drop(len(self._built.members))
        return True

    def _reset(self) -> None:
        """Go on from wherever the branch is."""
        view, changed = self._builder.reset()
        self._must_reset = False
        if view is not self._view:
            self._swap(view, changed)

    def _failed(self, group: Group, failure: Exception) -> None:
        """Nothing of a group was written; what was built on it has to be built again."""
        self._must_reset = True
        again, tired = answers.after(failure, group.members)
        if self._built is not None:
            again += self._built.members
            self._built = None
        self._queue.put_back(again)
        answers.give_up(tired, failure)
        self._failing.failed(failure, group.staged.size_bytes if group.staged is not None else 0)

    def _swap(self, view: StatusView, changed: tuple[WorkflowId, ...]) -> None:
        self._view = view
        if view.commit is not None:
            self.memory.note(self._ref, view.commit)
        if self._on_published is None:
            return
        try:
            self._on_published(view, changed)
        except Exception:
            _LOG.exception("a follower of the status branch failed")


def _nothing(_: StatusView) -> tuple[Change, ...]:
    return ()
