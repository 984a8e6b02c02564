"""The batches that are under way: one that is being synced, and one that is built on top of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from provisioner.errors import Unavailable
from provisioner.git.commit import Sink
from provisioner.git.ref_lock import RefMoved
from provisioner.model.ids import WorkflowId
from provisioner.model.views import StatusView
from provisioner.store.guard.branch_guard import SiteGuards
from provisioner.store.guard.memory import Memory
from provisioner.store.writer import answers
from provisioner.store.writer.batch_builder import Batch, BatchBuilder
from provisioner.store.writer.failing import Failing
from provisioner.store.writer.proposal_queue import ProposalQueue
from provisioner.store.writer.sync_thread import SyncThread

BATCH_LIMIT = 2_000  # proposals in one commit: 100 ms, so that nobody waits for long
DRIVEN_LIMIT = 512  # the same for a driver, which has machines to answer between two steps

_LOG = logging.getLogger(__name__)

# Called with a durable view and the workflows that changed, by whoever takes the step.
OnPublished = Callable[[StatusView, tuple[WorkflowId, ...]], None]


class BatchPipeline:
    """Every method is called by the holder of the StepLock, which guards all attributes.

    But for the five that any thread may use: `view`, `stopped_by`, `is_built`, `halt` and
    `close`.  What they read is one reference, swapped.  The states are those of StatusWriter.
    """

    def __init__(
        self,
        builder: BatchBuilder,
        sink: Sink,
        queue: ProposalQueue,
        *,
        failing: Failing,
        guards: SiteGuards,
        memory: Memory,
        view: StatusView,
        on_published: OnPublished | None,
        halted: Unavailable | None,
    ) -> None:
        """`view` is that of the branch's tip, which `builder` and `sink` go on from."""
        self._builder = builder
        self._sink = sink
        self._queue = queue
        self._failing = failing
        self._guards = guards
        self._memory = memory
        self._on_published = on_published
        self._sync = SyncThread(sink.sync, queue.wake)
        self._view = view  # the newest durable one: what readers see
        self._halted = halted  # the only one written without the lock, by `halt`
        self._built: Batch | None = None
        self._syncing: Batch | None = None
        self._must_reset = False  # whether the next batch can't be built on what was built last

    @property
    def view(self) -> StatusView:
        """The newest durable view."""
        return self._view

    @property
    def stopped_by(self) -> Unavailable | None:
        """Why nothing may be written now, whether or not the disk takes it."""
        return self._halted or self._guards.trouble

    @property
    def is_built(self) -> bool:
        """Whether a batch waits for the one that is being synced: steps go on without a wake."""
        return self._built is not None

    def halt(self, error: Unavailable) -> None:
        """Refuse what is not being written yet with this error, until `resume`."""
        self._halted = error

    def close(self) -> None:
        """End the sync thread, when nothing is under way any more."""
        self._sync.close()

    @property
    def is_empty(self) -> bool:
        """Whether no batch is under way."""
        return self._built is None and self._syncing is None

    def resume(self) -> None:
        """Build again, from wherever the branch is."""
        self._must_reset, self._halted = True, None

    def look(self) -> bool:
        """Look after both branches; whether there is something to go on from that is not built on.

        Costs two looks at refs when they are where we left them.
        """
        self._must_reset |= self._guards.look()
        return self._must_reset

    def try_again(self) -> None:
        """Look whether what failed works by now; nothing where a batch under way will show it."""
        if not self.stopped_by and self.is_empty:
            self._failing.try_again(self._rehearse)

    def work_off(self, *, may_wait: bool) -> bool:
        """Take steps until there is nothing to do but wait; whether there is more: never."""
        while self._settle() or self._start(may_wait=may_wait) or self._build(BATCH_LIMIT):
            pass
        return False

    def drive(self, *, is_busy: bool) -> bool:
        """Take the steps of a driver; whether there is something left to do (see `step`)."""
        if self._settle() or self._start(may_wait=False):
            return True  # the answers go out before the next batch is built
        if self._syncing is not None and is_busy:
            return bool(self._queue)
        is_left = self._build(DRIVEN_LIMIT, is_driven=True)
        if self._start(may_wait=False):
            self._settle()
        return is_left

    # Each step returns whether there was something to do.

    def _settle(self) -> bool:
        """Let everybody see a batch that was synced, and answer it."""
        if not self._sync.outcomes:
            return False
        error = self._sync.outcomes.popleft()
        batch, self._syncing = self._syncing, None
        assert batch is not None and batch.staged is not None
        try:
            if error is not None:
                raise error
            self._sink.end(batch.staged)
        except Exception as failure:
            self._fail(batch, failure)
            return True
        self._failing.worked()
        self._builder.note_published(batch)
        self._publish(batch.view, batch.changed_ids)
        if self._built is not None and self._built.staged is not None:
            self._start(may_wait=False)  # the disk works while answers are given
        answers.answer(batch)
        return True

    def _start(self, *, may_wait: bool) -> bool:
        """Have the batch that is built synced; one that changes nothing is answered now."""
        batch = self._built
        if batch is None or self._syncing is not None:
            return False
        self._built = None
        try:
            if batch.staged is None:
                if (found := self._guards.status.find()) != self._view.commit:
                    raise RefMoved(self._guards.status.branch, found)
                answers.answer(batch)
                return True
            self._sink.begin(batch.staged)
        except Exception as failure:
            self._fail(batch, failure)
            return True
        self._syncing = batch
        is_lone = len(batch.members) == 1 and not self._queue
        if is_lone and (may_wait or self._sync.is_quick):
            self._sync.sync_here(batch.staged)
        else:
            self._sync.submit(batch.staged)
        return True

    def _build(self, limit: int, *, is_driven: bool = False) -> bool:
        """Build a batch of the first proposals; a driver leaves what takes long to the thread."""
        if self._built is not None or (self._must_reset and self._syncing is not None):
            return False
        members = self._queue.first(limit)
        if not members:
            return False
        if (stopped_by := self.stopped_by) is not None:
            self._queue.drop(len(members))
            answers.refuse(members, stopped_by)
            return True
        if is_driven and (self._must_reset or any(member.is_bulk for member in members)):
            self._queue.wake_thread()
            return False
        try:
            if self._must_reset:
                self._reset()
            self._built = self._builder.build(members)
        except Exception as error:
            # Nothing was written; whoever waits hears it, and the next batch starts afresh.
            self._must_reset = True
            self._queue.drop(len(members))
            answers.give_up(members, error)
            self._failing.failed(error)
        else:
            self._queue.drop(len(self._built.members))
        return True

    def _rehearse(self, size_bytes: int) -> None:
        if self._must_reset:
            self._reset()
        self._must_reset = True
        self._sink.rehearse(size_bytes)
        self._must_reset = False

    def _reset(self) -> None:
        """Go on from wherever the branch is."""
        view, changed = self._builder.reset()
        self._must_reset = False
        if view is not self._view:
            self._publish(view, changed)

    def _fail(self, batch: Batch, failure: Exception) -> None:
        """Nothing of a batch was written; what was built on it has to be built again."""
        self._must_reset = True
        again, given_up = answers.after(failure, batch.members)
        if self._built is not None:
            again += self._built.members
            self._built = None
        self._queue.put_back(again)
        answers.give_up(given_up, failure)
        self._failing.failed(failure, batch.staged.size_bytes if batch.staged is not None else 0)

    def _publish(self, view: StatusView, changed: tuple[WorkflowId, ...]) -> None:
        self._view = view
        if view.commit is not None:
            self._memory.note(self._guards.status.ref, view.commit)
        if self._on_published is None:
            return
        try:
            self._on_published(view, changed)
        except Exception:
            _LOG.exception("a follower of the status branch failed")
