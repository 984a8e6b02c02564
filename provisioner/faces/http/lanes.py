"""How work that takes a while is bounded: so many at once, so many that wait, the rest refused.

Each kind of work has a lane of its own, so that probes never wait behind reads, nor a read of
one workflow behind a list of all.  What waits for a client that has gone is dropped; what runs
for one is asked to end.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from provisioner.errors import Unavailable

Stop = Callable[[], None]
IsWanted = Callable[[], bool]
Work = Callable[[IsWanted], Any]
Done = Callable[[Future[Any]], None]
InLoop = Callable[[Callable[[], None]], None]

_CLOSING = Unavailable("the server is closing")


class Job:
    """Work for one client.  `is_wanted` may be asked from any thread."""

    __slots__ = ("_done", "_lane", "_wanted", "work")

    def __init__(self, lane: Lane, work: Work, done: Done) -> None:
        self._lane = lane
        self._done: Done | None = done
        self._wanted = True
        self.work = work

    def is_wanted(self) -> bool:
        return self._wanted

    def stop(self) -> None:
        """Nobody is there any more for the answer."""
        self._wanted = False
        self._done = None
        self._lane.forget(self)

    def end(self, future: Future[Any]) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(future)

    def refuse(self, error: Exception) -> None:
        self._wanted = False
        refused: Future[Any] = Future()
        refused.set_exception(error)
        self.end(refused)


class Lane:
    """All methods are for the loop's thread."""

    def __init__(
        self,
        threads: Executor,
        in_loop: InLoop,
        *,
        at_once: int,
        queue_limit: int,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """`threads` has one for each that may run at once; `has_room` is asked before each."""
        self._threads = threads
        self._in_loop = in_loop
        self._at_once = at_once
        self._queue_limit = queue_limit
        self._has_room = has_room
        self._waiting: dict[Job, None] = {}  # ordered, and left in no time
        self._running: set[Job] = set()
        self._is_closed = False

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def run(self, work: Work, done: Done) -> Stop:
        """Have `done` called in this thread, now or later, unless it is stopped before."""
        job = Job(self, work, done)
        if self._is_closed:
            job.refuse(_CLOSING)
        elif len(self._waiting) >= self._queue_limit:
            job.refuse(Unavailable("too many ask for this at once; try again"))
        else:
            self._waiting[job] = None
            self.start()
        return job.stop

    def start(self) -> None:
        """Begin what may begin."""
        while self._waiting and len(self._running) < self._at_once and self._has_room():
            job = next(iter(self._waiting))
            del self._waiting[job]
            self._running.add(job)
            self._begin(job)

    def forget(self, job: Job) -> None:
        self._waiting.pop(job, None)

    def close(self) -> None:
        """Refuse what waits, and ask what runs to end."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, {}
        for job in (*waiting, *self._running):
            job.refuse(_CLOSING)

    def _begin(self, job: Job) -> None:
        self._threads.submit(job.work, job.is_wanted).add_done_callback(
            lambda future: self._in_loop(lambda: self._ended(job, future))
        )

    def _ended(self, job: Job, future: Future[Any]) -> None:
        self._running.discard(job)
        job.end(future)
        self.start()
