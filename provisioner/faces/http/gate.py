"""How do thousands of requests wait without a thread each?

Every request of an event loop comes through here.  The routes that machines use all day
are found by one dictionary look-up and run the same view functions, past Flask's dispatch;
all others go to Flask in a small pool.  What a view has to wait for is a callback here, and
what takes long is done in lanes: each kind of work bounded for itself, and dropped when its
client has gone.

The loop's thread also takes the steps of the writer (`services.provisioner.WriterSteps`): two
threads that both work all the time would mostly wait for one another's interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask

from provisioner.faces.http import app as flask_app
from provisioner.faces.http import errors, flask_call, ops_views, worker_views
from provisioner.faces.http.answers import NOTHING, Answer, Call, Kind, Later, Outcome, Route, Wait
from provisioner.faces.http.budget import Budget
from provisioner.faces.http.file_sender import FileSender
from provisioner.faces.http.flask_call import Request
from provisioner.faces.http.lanes import Lane
from provisioner.services.provisioner import Provisioner

FLASK_BODY_BYTES = 65_536  # for Flask's routes, which check their own limit

# So many at once, and so many that wait; 503 beyond.  Threads share one interpreter with the
# loop, which waits for each that is busy: more of them make nothing quicker.
READS = (2, 128)  # through Flask: a fraction of a millisecond each
BOOTS = (1, 4_096)  # a rack that is switched on asks at once, and whoever is refused boots on
LISTS = (1, 32)  # of 3,000 workflows: 0.1 s each
DATA = (2, 1_024)  # a rack that is switched on asks all at once; 10 MB take 0.1 s each
PROBES = (1, 16)
THREADS = sum(at_once for at_once, _ in (READS, BOOTS, LISTS, DATA, PROBES))

_BOOT_PATHS = ("/boot/", "/auto.ipxe", "/os/", "/ipxe/")

Tell = Callable[[Answer], None]
Stop = Callable[[], object]


class Found:
    """A worker's route, with what its path holds."""

    __slots__ = ("path", "route")

    def __init__(self, route: Route, path: dict[str, str]) -> None:
        self.route = route
        self.path = path


class Gate:
    """One event loop's: all methods are for its thread, but what is told from others."""

    def __init__(
        self,
        server: Provisioner,
        app: Flask,
        threads: Executor,
        loop: asyncio.AbstractEventLoop,
        *,
        budget: Budget | None = None,
        worker_routes: Iterable[Route] = worker_views.ROUTES,
    ) -> None:
        """`worker_routes` are those that go past Flask; `threads` has THREADS threads."""
        self._server = server
        self.budget = budget or Budget()
        self.files = FileSender()
        self._short_ways = _short_ways(worker_routes)
        self._probes = {
            (method, route.rule): Found(route, {})
            for route in ops_views.ROUTES
            for method in ("GET", "HEAD")
        }
        self._app = app
        self._loop = loop
        self._thread = 0
        self._told: deque[Callable[[], None]] = deque()  # filled by other threads
        self._is_waking = False
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}
        has_room = self._has_room
        self._reads = Lane(threads, self._in_loop, at_once=READS[0], queue_limit=READS[1])
        self._boots = Lane(threads, self._in_loop, at_once=BOOTS[0], queue_limit=BOOTS[1])
        self._lanes = {
            kind: Lane(
                threads,
                self._in_loop,
                at_once=at_once,
                queue_limit=queue_limit,
                has_room=(lambda: True) if kind is Kind.PROBE else has_room,
            )
            for kind, (at_once, queue_limit) in (
                (Kind.PROBE, PROBES),
                (Kind.LIST, LISTS),
                (Kind.DATA, DATA),
            )
        }
        self.budget.answers.on_room = self._start_lanes
        self._writer = server.writer
        self._is_step_due = False
        self._asked = 0  # requests of workers so far
        self._asked_before = 0  # … when the last step was taken

    def open(self) -> None:
        """Begin, in the loop's thread."""
        self._thread = threading.get_ident()
        if self._writer is not None:
            self._writer.hand_over(self._wake_step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.hand_over(None)

    def close_lanes(self) -> None:
        """Answer all whose work waits or runs that it won't be done."""
        for lane in (self._reads, self._boots, *self._lanes.values()):
            lane.close()

    def find(self, method: str, path: str) -> Found | None:
        """Find a worker's route or a probe's; all else is Flask's."""
        parts = path.split("/")
        if len(parts) != 5 or parts[1] != "v1" or not parts[3]:
            return self._probes.get((method, path))
        found = self._short_ways.get((method, parts[2], parts[4]))
        return None if found is None else Found(found[0], {found[1]: parts[3]})

    def answer(self, request: Request, found: Found | None, tell: Tell) -> Stop | None:
        """Have `tell` called once, now or later, in this thread.

        Returns how to stop a wait when nobody is there any more to be told.
        """
        if found is None:
            return self._ask_flask(request, tell)
        self._asked += 1
        route = found.route
        query = dict(parse_qsl(request.query)) if request.query else {}
        call = Call(path=found.path, query=query, body=request.body)
        outcome = flask_app.run_view(self._server, route, call)
        return self._await(outcome, lambda answer: self._tell(route, answer, tell), request)

    def _ask_flask(self, request: Request, tell: Tell) -> Stop:
        """Ask in a thread; what Flask's view has to wait for comes back and is waited for here."""
        stop_waiting: list[Stop | None] = []

        def said(asked: Future[tuple[Route | None, Outcome]]) -> None:
            try:
                route, outcome = asked.result()
            except Exception as error:
                route, outcome = None, errors.answer_to(error)
            if route is None:
                stop_waiting.append(self._await(outcome, tell, request))
            else:
                counted = partial(self._tell, route, tell=tell)
                stop_waiting.append(self._await(outcome, counted, request))

        lane = self._boots if request.path.startswith(_BOOT_PATHS) else self._reads
        stop_asking = lane.run(lambda _: flask_call.call(self._app, request), said)

        def stop() -> None:
            stop_asking()
            request.give_back()
            for each in stop_waiting:
                if each is not None:
                    each()

        return stop

    def _await(self, outcome: Outcome, tell: Tell, request: Request) -> Stop | None:
        if isinstance(outcome, Later):
            # The callback knows nothing of its future: a future keeps its callbacks for ever, and
            # such a cycle for each report cost the collector a third of the server's time.
            finish = outcome.finish
            outcome.future.add_done_callback(
                lambda done: self._in_loop(lambda: self._finished(done, finish, tell, request))
            )
            return outcome.future.cancel  # of a push that waits; a report goes its way
        request.give_back()
        if isinstance(outcome, Answer):
            tell(outcome)
            return None
        if isinstance(outcome, Wait):
            return _LongPoll(outcome, tell, self._loop, self._in_loop).begin()
        return self._lanes[outcome.kind].run(
            partial(flask_app.done, outcome), lambda done: tell(flask_app.finished(done, _as_it_is))
        )

    def _finished(
        self, done: Future[Any], finish: Callable[[Any], Answer], tell: Tell, request: Request
    ) -> None:
        request.give_back()
        if not done.cancelled():
            tell(flask_app.finished(done, finish))

    def _has_room(self) -> bool:
        return self.budget.answers.has_room

    def _start_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.start()

    def _tell(self, route: Route, answer: Answer, tell: Tell) -> None:
        self._count(route.name, answer.status)
        tell(answer)

    def _count(self, name: str, status: int) -> None:
        count = self._counters.get((name, status))
        if count is None:
            count = self._server.metrics.requests.labels(name, status).inc
            self._counters[name, status] = count
        count()

    # Told by other threads:

    def _in_loop(self, work: Callable[[], None]) -> None:
        """Do it in the loop's thread; many at once wake it up once."""
        if threading.get_ident() == self._thread:
            work()
            return
        self._told.append(work)
        if not self._is_waking:
            self._is_waking = True
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                self._loop.call_soon_threadsafe(self._do_told)

    def _do_told(self) -> None:
        self._is_waking = False  # before the queue is emptied, so that none is left behind
        while self._told:
            self._told.popleft()()

    def _wake_step(self) -> None:
        if threading.get_ident() == self._thread:
            self._plan_step()
        else:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._plan_step)

    def _plan_step(self) -> None:
        """Take a step when all that came together has been read."""
        if not self._is_step_due:
            self._is_step_due = True
            self._loop.call_soon(self._take_step)

    def _take_step(self) -> None:
        self._is_step_due = False
        is_busy = self._asked != self._asked_before
        self._asked_before = self._asked
        if self._writer is not None and self._writer.step(is_busy=is_busy):
            self._plan_step()


class _LongPoll:
    """A machine that waits for work: asked again at each wake-up, until its time is over."""

    __slots__ = ("_forget", "_in_loop", "_is_over", "_loop", "_tell", "_timer", "_wait")

    def __init__(
        self,
        wait: Wait,
        tell: Tell,
        loop: asyncio.AbstractEventLoop,
        in_loop: Callable[[Callable[[], None]], None],
    ) -> None:
        self._wait = wait
        self._tell: Tell | None = tell
        self._loop = loop
        self._in_loop = in_loop
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self._forget: Stop | None = None

    def begin(self) -> Stop:
        forget = self._wait.subscribe(lambda: self._in_loop(self._look))
        if self._tell is None:  # told at once: the server is closing
            forget()
            return self.stop
        self._forget = forget
        # Told by the timer itself: uvloop's timers count whole milliseconds and may ring just
        # before the time that they were set for.
        self._timer = self._loop.call_later(self._wait.seconds, self._end)
        self._look()  # what changed before the subscription woke nobody
        return self.stop

    def stop(self) -> None:
        """Nobody is there any more, or all is said."""
        self._tell = None
        if self._timer is not None:
            self._timer.cancel()
        if self._forget is not None:
            self._forget()

    def _end(self) -> None:
        self._is_over = True
        self._look()

    def _look(self) -> None:
        tell = self._tell
        if tell is None:
            return
        answer = flask_app.asked(self._wait)
        if answer is None and (self._is_over or self._wait.is_closing()):
            answer = NOTHING
        if answer is not None:
            self.stop()
            tell(answer)


def _short_ways(routes: Iterable[Route]) -> dict[tuple[str, str, str], tuple[Route, str]]:
    """`/v1/<kind>/<name>/<what>`, by method, kind and what; with the spelling of the name."""
    found = {}
    for route in routes:
        _, _, kind, name, what = route.rule.split("/")
        found[route.method, kind, what] = route, name.strip("<>")
    return found


def _as_it_is(answer: Answer) -> Answer:
    return answer
