"""The only writer of the status branch: proposals in, durable commits out.

Whatever waits goes into one commit; there is no timer, so a lone proposal commits at
once.  Answers, refusals too, are given in order and only when everything they rest on is
durable.

The work is cut into steps that never wait, taken by a thread of the writer's own or by a driver:
the event loop, which took them over by `hand_over`.  Only `Sink.sync` waits, in a thread of its
own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from provisioner.errors import TinkError, Unavailable
from provisioner.git.commit import Sink
from provisioner.git.gc_lock import GcLock
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, TreeId
from provisioner.model.views import Change, Proposal, Receipt, StatusView
from provisioner.store.guard import begin, branch_guard
from provisioner.store.guard.branch_guard import OnMove
from provisioner.store.guard.memory import Memory
from provisioner.store.status import checkpoint
from provisioner.store.status.index import Row
from provisioner.store.status.store import StatusStore
from provisioner.store.writer import answers
from provisioner.store.writer.archiving import Archiving
from provisioner.store.writer.batch_builder import BatchBuilder, Waiting
from provisioner.store.writer.batch_pipeline import BatchPipeline, OnPublished
from provisioner.store.writer.data_writer import DataWriter, NewFile, Stored
from provisioner.store.writer.failing import Failing, OnFailing
from provisioner.store.writer.lock import WriterLock
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.proposal_queue import ProposalQueue
from provisioner.store.writer.step_lock import StepLock

_CHECKPOINT_FROM = 1_000  # workflows; fewer are read in a moment


class StatusWriter:
    """Takes the writer's lock of the repository; `close` answers everybody and gives it back.

    Raises `NoStatusBranch` where nobody has begun one (see begin.py).  Thread-safe.

    ============  =============================  =====================  ========================
    state         what holds                     who enters it          what leaves it
    ============  =============================  =====================  ========================
    idle          no batch is under way          the start, a step      a step that builds
    built         a batch waits to be synced     a step                 a step that starts it
    syncing       a batch is with the sync       a step                 a step that finds its
                  thread; another may be built                          outcome
                  on top of it
    to be reset   the next batch can't be built  a step or a try that   the next step that
                  on what was built last         failed; `resume`;      builds, or try, when
                                                 `look`, when a person  nothing is syncing
                                                 has decided
    ============  =============================  =====================  ========================

    One of the first three holds at any time, "to be reset" beside them.  They are BatchPipeline's,
    and whoever takes the step holds the StepLock.  Each of the following holds or does not:

    ============  =============================  =====================  ========================
    stopped       proposals are refused; what    `halt`; the guards,    `resume`; a person's
                  is syncing is finished         when a branch diverged decision
    failing       the last write failed          any thread that        a batch that is written,
                                                 writes                 or a try, each second
    handed over   a driver takes the steps       `hand_over(wake)`      `hand_over(None)`,
                                                                        `close`
    closing       no proposal is taken           `close`                never
    ============  =============================  =====================  ========================

    The StepLock guards BatchPipeline; it may be held when ProposalQueue, Failing, Memory and each
    BranchGuard take theirs, which guard their own attributes, and never the other way round.
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
        """`on_published` and `on_move` are called by who takes the step, before any answer.

        They hold the lock of the step: they must not call `look`, `resume` or `close`.
        `on_failing` hears why nothing can be written, and None when that is over; it must not
        either.  One that begins `halted` may do so before there is a branch.
        """
        self.store = StatusStore(repo, branch)
        self.memory = memory or Memory(repo)
        self.guards = branch_guard.of_site(repo, branch, self.memory, on_move)
        self._queue = ProposalQueue()
        self._failing = Failing(on_failing, self._queue.wake_thread)
        with ExitStack() as exits:
            exits.callback(WriterLock(repo.own_dir).release)
            self.gc_lock = GcLock(repo.common_dir)
            exits.callback(self.gc_lock.release)
            self.memory.reload(is_writer=True)  # nobody else changes it now
            make_sink = make_sink or partial(PackSink, keep=self.memory.keep)
            self.guards.status.look_before_recovery()
            sink = make_sink(repo, self.guards.status.ref)
            exits.callback(sink.close)
            self._data = DataWriter(repo, self._failing.failed)
            exits.callback(self._data.close)
            found, tip = self.store.tip(), self.guards.start()
            if tip is None and halted is None and self.guards.trouble is None:
                raise begin.none_of(repo, branch)
            view = load(self.store, tip) if tip else StatusView()
            if tip != found:
                sink.reset(tip)
            self.memory.save()
            self._exits = exits.pop_all()
        builder = BatchBuilder(
            self.store, sink, view, settle=self.guards.settle, clock=clock, writer=writer
        )
        self._pipeline = BatchPipeline(
            builder,
            sink,
            self._queue,
            failing=self._failing,
            guards=self.guards,
            memory=self.memory,
            view=view,
            on_published=on_published,
            halted=halted,
        )
        self._steps = StepLock(self._queue.wake)
        self._thread = threading.Thread(target=self._take_steps, name="status-steps")
        self._thread.start()

    @property
    def view(self) -> StatusView:
        """The newest durable view."""
        return self._pipeline.view

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
            is_first = self._queue.add(waiting) and not self._pipeline.is_built
        except Unavailable as error:
            future.set_exception(error)
            return future
        if is_bulk:
            self._steps.run(partial(self._pipeline.work_off, may_wait=False))
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
        with self._steps:
            must_refresh = self._pipeline.look()
        if must_refresh or self.guards.status.find() != self.view.commit:
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
        self._pipeline.halt(error)
        self._queue.wake()

    def resume(self) -> None:
        """Take proposals again, and go on from wherever the branch is by then."""
        with self._steps:
            self._pipeline.resume()
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

    def hand_over(self, wake: Callable[[], None] | None) -> None:
        """Let a driver take the steps: `wake` asks it, from any thread, to call `step`.

        What takes long is still done here.  With None the steps are taken back.
        """
        self._queue.hand_over(wake)

    def step(self, *, is_busy: bool = False) -> bool:
        """Do what can be done without waiting, unless a step is being taken already.

        With `is_busy`, more proposals are on their way: gather them while a batch is being
        synced.  Returns whether there is something left to do when no more come.
        """
        return self._steps.try_run(partial(self._pipeline.drive, is_busy=is_busy))

    def close(self) -> None:
        """Answer what waits, then end."""
        self._queue.close()
        self._thread.join()
        self._pipeline.close()
        if len(self.view.workflows) >= _CHECKPOINT_FROM:
            with suppress(OSError, TinkError):
                checkpoint.save(self.store)
        with self._exits, suppress(OSError, TinkError):  # the journal remembers as well
            self.memory.save()

    def _check_writable(self) -> None:
        if (error := self._pipeline.stopped_by) is not None:
            raise answers.copy_of(error)

    def _take_steps(self) -> None:
        """The thread of the writer's own."""
        work_off = partial(self._pipeline.work_off, may_wait=True)
        while not self._is_over():
            if self._queue.wait_until_wanted(self._failing.again_seconds):
                self._steps.run(work_off)
            else:
                with self._steps:
                    self._pipeline.try_again()

    def _is_over(self) -> bool:
        if not self._queue.is_closed:
            return False
        with self._steps:
            return self._pipeline.is_empty and not self._queue


def _nothing(_: StatusView) -> tuple[Change, ...]:
    return ()
