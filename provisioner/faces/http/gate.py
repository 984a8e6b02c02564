"""How do thousands of requests wait without a thread each?

Every request of an event loop comes through here.  The routes that machines use all day
are found by one dictionary look-up and run the same view functions, past Flask's dispatch;
all others go to Flask in a small pool.  What a view has to wait for is a callback here.

The loop's thread also takes the turns of the writer (`services.provisioner.Turns`): two
threads that both work all the time would mostly wait for one another's interpreter.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from urllib.parse import parse_qsl

from flask import Flask

from provisioner.faces.http import app as flask_app
from provisioner.faces.http import errors, flask_call, worker_views
from provisioner.faces.http.answers import NOTHING, Answer, Call, Later, Outcome, Route, Wait
from provisioner.faces.http.flask_call import Request
from provisioner.services.provisioner import Provisioner

# Ten megabytes each, with what is made of them: so many are taken in at once, others wait.
LARGE_BODIES = 8
LARGE_BODY_BYTES = 1_048_576
FLASK_BODY_BYTES = 65_536  # for Flask's routes, which check their own limit

Tell = Callable[[Answer], None]
Stop = Callable[[], None]


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
        worker_routes: Iterable[Route] = worker_views.ROUTES,
    ) -> None:
        """`worker_routes` are those that go past Flask."""
        self._server = server
        self._short_ways = _short_ways(worker_routes)
        self._app = app
        self._threads = threads
        self._loop = loop
        self._thread = 0
        self._told: deque[Callable[[], None]] = deque()  # filled by other threads
        self._is_waking = False
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}
        self._large_bodies = 0
        self._large_waiting: deque[Callable[[], None]] = deque()
        self._turns = server.turns
        self._is_turn_due = False
        self._asked = 0  # requests of workers so far
        self._asked_before = 0  # … when the last turn was taken

    def open(self) -> None:
        """Begin, in the loop's thread."""
        self._thread = threading.get_ident()
        if self._turns is not None:
            self._turns.lend(self._wake_turn)

    def close(self) -> None:
        if self._turns is not None:
            self._turns.lend(None)

    def find(self, method: str, path: str) -> Found | None:
        """Find a worker's route; all else is Flask's."""
        parts = path.split("/")
        if len(parts) != 5 or parts[1] != "v1" or not parts[3]:
            return None
        found = self._short_ways.get((method, parts[2], parts[4]))
        return None if found is None else Found(found[0], {found[1]: parts[3]})

    def answer(self, request: Request, found: Found | None, tell: Tell) -> Stop | None:
        """Have `tell` called once, now or later, in this thread.

        Returns how to stop a wait when nobody is there any more to be told.
        """
        if found is None:
            self._threads.submit(flask_call.call, self._app, request).add_done_callback(
                lambda asked: self._in_loop(lambda: self._flask_said(asked, tell))
            )
            return None
        self._asked += 1
        route = found.route
        query = dict(parse_qsl(request.query)) if request.query else {}
        call = Call(path=found.path, query=query, body=request.body)
        outcome = flask_app.run_view(self._server, route, call)
        return self._await(outcome, lambda answer: self._tell(route, answer, tell))

    def take_large(self, when_free: Callable[[], None]) -> bool:
        """Take one of the places for large bodies, or be called with one later."""
        if self._large_bodies < LARGE_BODIES:
            self._large_bodies += 1
            return True
        self._large_waiting.append(when_free)
        return False

    def give_large(self, when_free: Callable[[], None]) -> None:
        """Give back what `take_large` gave, or no longer wait for it."""
        with suppress(ValueError):
            self._large_waiting.remove(when_free)
            return
        if self._large_waiting:
            self._large_waiting.popleft()()
        else:
            self._large_bodies -= 1

    def _await(self, outcome: Outcome, tell: Tell) -> Stop | None:
        if isinstance(outcome, Answer):
            tell(outcome)
            return None
        if isinstance(outcome, Later):
            # The callback knows nothing of its future: a future keeps its callbacks for ever, and
            # such a cycle for each report cost the collector a third of the server's time.
            finish = outcome.finish
            outcome.future.add_done_callback(
                lambda done: self._in_loop(lambda: tell(flask_app.finished(done, finish)))
            )
            return None
        return _LongPoll(outcome, tell, self._loop, self._in_loop).begin()

    def _flask_said(self, asked: Future[tuple[Route | None, Outcome]], tell: Tell) -> None:
        try:
            route, outcome = asked.result()
        except Exception as error:
            tell(errors.answer_to(error))
            return
        if route is None:
            self._await(outcome, tell)
        else:
            self._await(outcome, lambda answer: self._tell(route, answer, tell))

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

    def _wake_turn(self) -> None:
        if threading.get_ident() == self._thread:
            self._plan_turn()
        else:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._plan_turn)

    def _plan_turn(self) -> None:
        """Take a turn when all that came together has been read."""
        if not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_turn_due = False
        is_busy = self._asked != self._asked_before
        self._asked_before = self._asked
        if self._turns is not None and self._turns.turn(is_busy=is_busy):
            self._plan_turn()


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
