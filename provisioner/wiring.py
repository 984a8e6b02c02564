"""Which parts make a running server, in which threads, and in which order do they end?

The faces are handed in from above; nothing else knows all of the parts.

    thread            does
    main              waits for the end
    http (face)       answers, and takes the writer's steps; waits for its event loop alone
    reconcile         follows the desired branch
    status-steps      the writer (store): what the loop leaves to it
    status-sync       waits for the disk
    timeouts          ends what has run out of time
    upkeep            repacks the repository, archives, writes the checkpoint
    fetch, push       only with a remote
    hooks             hears of pushes, with --hook-listen
    read-processes    keeps the processes running that only read

A process that only reads has `http`, and `follow` for the status branch.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from provisioner import __version__
from provisioner.config import ReadSettings, ServerSettings
from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.views import DesiredState, Snapshot, StatusView
from provisioner.services import metrics as metrics_service
from provisioner.services import served_repository, write_failing
from provisioner.services.booting import Booting
from provisioner.services.branch_moves import BranchMoves
from provisioner.services.clock import CautiousClock, SystemClock, WorkflowIds
from provisioner.services.conditions import Conditions
from provisioner.services.damage_watch import DamageWatch
from provisioner.services.desired_head import DesiredHead
from provisioner.services.follower import Follower, NoWriter
from provisioner.services.heard_time import HeardTime
from provisioner.services.provisioner import Provisioner
from provisioner.services.reconciler import Outcome, Reconciler
from provisioner.services.remote_status import RemoteStatus
from provisioner.services.remote_sync import RemoteSync
from provisioner.services.remotes import DesiredTip
from provisioner.services.reports import Reports
from provisioner.services.sightings import Contact, Sightings
from provisioner.services.snapshots import Snapshots
from provisioner.services.stored_files import StoredFiles
from provisioner.services.timeouts import Timeouts
from provisioner.services.watcher import RefWatcher
from provisioner.services.writing_side import WritingSide
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.guard.memory import Memory
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.upkeep import elapsed
from provisioner.store.upkeep.retention import Retention
from provisioner.store.upkeep.upkeep import Upkeep
from provisioner.store.writer.status_writer import StatusWriter

# The writer lets go of the interpreter for each hash and each compression, and must wait
# for it after; at Python's 5 ms 256 workers got a third to a half less through.
SWITCH_SECONDS = 0.0005
# Of Python's collector of cycles.  At its 700, 10, 10 a third of a busy server's time went into
# looking at what waits for its commit, and 330 ms for each full look at 10,000 decoded
# workflows.  Requests and reports make no cycles.
COLLECTION_THRESHOLDS = (50_000, 20, 50)
SIGNAL_LOOK_SECONDS = 0.5
DATA_THREADS = 2  # each holds up to three copies of 10 MB

_LOG = logging.getLogger(__name__)


class Face(Protocol):
    """Something that answers people or machines from the moment it is made."""

    def close(self) -> None: ...


class Readers(Protocol):
    """Processes that only read, from the moment it is made (services.read_processes)."""

    @property
    def address(self) -> str: ...

    def close(self) -> None: ...


OpenFace = Callable[[Provisioner, ServerSettings], Face]
# Of the git directory, and of the face that writes.
OpenReaders = Callable[[Path, Face], Readers]
# Of the folder for its files, and of the face that serves boot scripts.
OpenDhcp = Callable[[Provisioner, Path, Face], Face]
# Of what to do when the desired branch moved at the forge.
OpenHooks = Callable[[Provisioner, Callable[[], None]], Face]


class Server:
    """All parts of one server, running; `close` ends them in order and waits for them."""

    def __init__(
        self,
        settings: ServerSettings,
        open_face: OpenFace,
        open_readers: OpenReaders | None = None,
        open_dhcp: OpenDhcp | None = None,
        open_hooks: OpenHooks | None = None,
    ) -> None:
        with ExitStack() as stack:
            repo = served_repository.open_repo(settings)
            stack.callback(repo.close)
            self._start(settings, repo, open_face, stack)
            if open_dhcp is not None:
                stack.callback(open_dhcp(self.provisioner, repo.own_dir, self.face).close)
            self.hooks = open_hooks(self.provisioner, self._look_soon) if open_hooks else None
            if self.hooks is not None:
                stack.callback(self.hooks.close)
            self.readers = open_readers(repo.common_dir, self.face) if open_readers else None
            if self.readers is not None:
                stack.callback(self.readers.close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def _start(
        self, settings: ServerSettings, repo: GitRepo, open_face: OpenFace, stack: ExitStack
    ) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.set_threshold(*COLLECTION_THRESHOLDS)
        clock = SystemClock()
        memory = Memory(repo)
        snapshots = Snapshots()
        conditions = Conditions()
        damage = DamageWatch(conditions, lambda: snapshots.current.status)
        metrics = metrics_service.build(
            lambda: snapshots.current,
            waiting=snapshots.waiting_count,
            writer=settings.writer,
            conditions=lambda: conditions.current,
            set_aside=lambda: damage.workflows,
        )
        followed = served_repository.followed(repo, settings, stack)
        remote = followed.remote if followed else None
        status_moved = threading.Event()
        moves = BranchMoves(clock=clock, metrics=metrics, conditions=conditions)
        timeouts = Timeouts(
            clock=clock,
            heard=HeardTime(clock, lambda: not conditions.stops_writing),
            view=lambda: snapshots.current.status,
            grace_seconds=settings.grace_seconds,
            is_waiting=snapshots.is_waiting,
            noted=elapsed.read(repo.own_dir),
            note=lambda found: elapsed.write(repo.own_dir, found),
        )

        def published(view: StatusView, changed: tuple[WorkflowId, ...]) -> None:
            snapshots.swap_status(view, changed)
            damage.published(view)
            timeouts.published(view, changed)
            status_moved.set()

        writer = StatusWriter(
            repo,
            settings.status_branch,
            writer=settings.writer,
            on_published=published,
            memory=memory,
            on_move=moves.report,
            on_failing=lambda reason: write_failing.report(reason, conditions),
            halted=Unavailable("the remote was not reached yet") if remote else None,
        )
        watcher = RefWatcher(repo.common_dir, settings.desired_branch)
        sync = None
        with ExitStack() as undo:
            undo.callback(watcher.close)
            undo.callback(writer.close)
            if followed is not None:
                sync = RemoteSync(
                    followed.remote,
                    RemoteStatus(
                        followed.remote,
                        settings.status_branch,
                        side=WritingSide(writer, conditions),
                        writer=writer,
                        name=settings.writer,
                    ),
                    desired_branch=settings.desired_branch,
                    fetch_seconds=settings.fetch_seconds,
                    changed=status_moved,
                    conditions=conditions,
                    metrics=metrics,
                    on_fetched=watcher.wake,
                    leftovers=followed.leftovers,
                )
            undo.pop_all()
        stack.callback(watcher.close)
        if sync is not None:
            _run(stack, "push", sync.run_push, sync.end_pushing)
        stack.callback(writer.close)  # before the last push
        days = settings.archive_after_days
        cautious = CautiousClock(clock).now  # a clock that is set archives and removes nothing
        retain = Retention(writer=writer, clock=cautious, days=days) if days is not None else None
        upkeep = Upkeep(
            writer.store,
            clock.now,
            cautious=cautious,
            retain=retain,
            each_time=writer.gc_lock.refresh,
        )
        _run(stack, "upkeep", upkeep.run, upkeep.close)
        snapshots.start(Snapshot(desired=DesiredState(), status=writer.view))
        damage.begin(writer.store.reader)
        threads = ThreadPoolExecutor(DATA_THREADS, thread_name_prefix="data")
        stack.callback(threads.shutdown)
        head = DesiredHead(
            repo=repo,
            branch=settings.desired_branch,
            tip=DesiredTip(repo, settings.desired_branch, remote.name if remote else None),
            memory=memory,
            conditions=conditions,
            adopt=lambda: snapshots.current.status.reconcile.desired_commit,
            status_branch=settings.status_branch,
        )
        self.reconciler = Reconciler(
            source=DesiredStore(repo, settings.desired_branch),
            head=head,
            writer=writer,
            snapshots=snapshots,
            clock=clock,
            new_id=WorkflowIds(clock),
            is_writable=lambda: not any(each.stops_writing for each in conditions.current),
            follow_status=writer.look,
            on_outcome=lambda outcome: _count(metrics, outcome),
        )

        def stop_reconciling() -> None:
            self.reconciler.close()
            watcher.wake()

        sightings = Sightings(time.time)

        def contact(machine: HardwareId) -> None:
            timeouts.contact(machine)
            sightings.note(machine, Contact.WORKER)

        self.provisioner = Provisioner(
            snapshots=snapshots,
            reports=Reports(
                writer=writer,
                snapshots=snapshots,
                clock=clock,
                threads=threads,
                contact=contact,
                deadlines=timeouts,
            ),
            stored=StoredFiles(writer.store),
            metrics=metrics,
            threads=threads,
            version=__version__,
            writer=writer,
            contact=contact,
            booting=Booting(
                settings.boot,
                lambda: snapshots.current,
                sightings,
                count=lambda boot: metrics.boots.labels(boot).inc(),
            ),
            is_ready=self.reconciler.is_ready.is_set,
            conditions=conditions,
            branch_moves=lambda: moves.recent,
        )
        self.face = open_face(self.provisioner, settings)
        stack.callback(self.face.close)
        # Last, because they take the processor for a while, and workers are answered without.
        _run(stack, "timeouts", lambda: timeouts.run(writer), timeouts.close)
        _run(
            stack,
            "reconcile",
            lambda: self.reconciler.run(watcher, settings.poll_seconds),
            stop_reconciling,
        )
        self._look_soon = sync.fetch_soon if sync is not None else watcher.wake
        if sync is not None:
            _run(stack, "fetch", sync.run_fetch, sync.end_fetching)


class ReadServer:
    """All parts of a process that only reads; it takes no lock and writes nothing."""

    def __init__(self, settings: ReadSettings, open_face: Callable[[Provisioner], Face]) -> None:
        with ExitStack() as stack:
            repo = GitRepo(Path(settings.repo))
            stack.callback(repo.close)
            snapshots = Snapshots()
            store = StatusStore(repo, settings.status_branch)
            follower = Follower(
                status=store,
                desired=DesiredStore(repo, settings.desired_branch),
                snapshots=snapshots,
                load=checkpoint.load,
            )
            _run(stack, "follow", follower.run, follower.close)
            threads = ThreadPoolExecutor(DATA_THREADS, thread_name_prefix="data")
            stack.callback(threads.shutdown)
            self.provisioner = Provisioner(
                snapshots=snapshots,
                reports=Reports(
                    writer=NoWriter(), snapshots=snapshots, clock=SystemClock(), threads=threads
                ),
                stored=StoredFiles(store),
                metrics=metrics_service.build(
                    lambda: snapshots.current, waiting=snapshots.waiting_count, writer="reader"
                ),
                threads=threads,
                version=__version__,
                is_ready=follower.is_ready.is_set,
            )
            self.face = open_face(self.provisioner)
            stack.callback(self.face.close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()


def serve(
    settings: ServerSettings,
    open_face: OpenFace,
    *,
    ready: Callable[[Server], None] = lambda _: None,
    open_readers: OpenReaders | None = None,
    open_dhcp: OpenDhcp | None = None,
    open_hooks: OpenHooks | None = None,
    stop: threading.Event | None = None,
    signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> None:
    """Run a server until a signal comes or `stop` is set."""
    ending = stop or threading.Event()
    # From here on a signal asks for an orderly end; once more, and the default does its work.
    before = {each: signal.signal(each, lambda *_: ending.set()) for each in signals}
    try:
        server = Server(settings, open_face, open_readers, open_dhcp, open_hooks)
        try:
            ready(server)
            # The kernel may hand the signal to another thread, and the interpreter runs the
            # handler in this one only: without a limit it was seen to wait for ever.
            while not ending.wait(SIGNAL_LOOK_SECONDS):
                pass
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            server.close()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _run(stack: ExitStack, name: str, work: Callable[[], None], stop: Callable[[], None]) -> None:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    stack.callback(thread.join)
    stack.callback(stop)


def _count(metrics: metrics_service.Metrics, outcome: Outcome) -> None:
    metrics.created.inc(outcome.created)
