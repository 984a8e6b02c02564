"""How do thousands of requests wait without a thread each?

A thin ASGI application in front of Flask.  The routes that machines use all day are found
here by a few string comparisons and run the same view functions, past Flask's dispatch; all
others go to Flask in a small pool.  Whatever a view has to wait for, it is awaited here.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Executor
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from flask import Flask

from provisioner.faces.http import app as flask_app
from provisioner.faces.http import errors, worker_views
from provisioner.faces.http.answers import NOTHING, Answer, Call, Later, Outcome, Route, Wait
from provisioner.services.provisioner import Provisioner

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Ten megabytes each, with what is made of them: so many are taken in at once, others wait.
LARGE_BODIES = 8
_LARGE_BODY = 1_048_576
BODY_SECONDS = 120.0  # for a large body: 1 Mbit/s is enough
_SMALL_BODY = 65_536  # for Flask's routes, which check their own limit


class Disconnected(Exception):
    """The client went away before its request was whole."""


class Gate:
    """The ASGI application.  `close` is for the end of its event loop."""

    def __init__(
        self,
        server: Provisioner,
        app: Flask,
        threads: Executor,
        *,
        worker_routes: Iterable[Route] = worker_views.ROUTES,
    ) -> None:
        """`worker_routes` are those that go past Flask."""
        self._server = server
        self._short_ways = _short_ways(worker_routes)
        self._app = app
        self._threads = threads
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: deque[asyncio.Future[None]] = deque()  # filled by other threads
        self._is_waking = False
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}
        self._large_bodies = asyncio.Semaphore(LARGE_BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        self._loop = self._loop or asyncio.get_running_loop()
        found = self._short_way(scope["method"], scope["path"])
        try:
            if found is not None and found[0].body_limit > _LARGE_BODY:
                async with self._large_bodies:
                    route, answer = await self._ask(found, scope, receive)
            else:
                route, answer = await self._ask(found, scope, receive)
        except Disconnected:
            return
        if route is not None:
            self._count(route.name, answer.status)
        await _send(send, answer)

    def _short_way(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Find a worker's route; all else is Flask's."""
        parts = path.split("/")
        if len(parts) != 5 or parts[1] != "v1" or not parts[3]:
            return None
        found = self._short_ways.get((method, parts[2], parts[4]))
        return None if found is None else (found[0], {found[1]: parts[3]})

    async def _ask(
        self, found: tuple[Route, dict[str, str]] | None, scope: Scope, receive: Receive
    ) -> tuple[Route | None, Answer]:
        if found is None:
            route, outcome = await self._ask_flask(scope, receive)
        else:
            route, outcome = found[0], await self._ask_view(*found, scope, receive)
        return route, await self._answer(outcome, receive)

    async def _ask_view(
        self, route: Route, path: dict[str, str], scope: Scope, receive: Receive
    ) -> Outcome:
        query = scope["query_string"]
        body: bytes | None = b""
        if route.body_limit > _LARGE_BODY:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await _body(scope, receive, route.body_limit)
            except TimeoutError:
                raise Disconnected from None
        elif route.body_limit:
            body = await _body(scope, receive, route.body_limit)
        if body is None:
            return errors.body_too_large(route.body_limit)
        call = Call(path=path, query=dict(parse_qsl(query.decode())) if query else {}, body=body)
        return flask_app.run_view(self._server, route, call)

    async def _ask_flask(self, scope: Scope, receive: Receive) -> tuple[Route | None, Outcome]:
        body = await _body(scope, receive, _SMALL_BODY)
        if body is None:
            return None, errors.body_too_large(_SMALL_BODY)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _run_flask, self._app, scope, body)

    async def _answer(self, outcome: Outcome, receive: Receive) -> Answer:
        if isinstance(outcome, Answer):
            return outcome
        if isinstance(outcome, Later):
            if not outcome.future.done():
                waiting = self._new_waiting()
                outcome.future.add_done_callback(lambda _: self._wake(waiting))
                await waiting
            return flask_app.finished(outcome)
        return await self._long_poll(outcome, receive)

    async def _long_poll(self, wait: Wait, receive: Receive) -> Answer:
        gone = asyncio.ensure_future(_disconnected(receive))
        current = self._new_waiting()
        gone.add_done_callback(lambda _: _set(current))
        stop = wait.subscribe(lambda: self._wake(current))
        is_over = False

        def end() -> None:
            # Told by the timer itself: uvloop's timers count whole milliseconds and may ring
            # just before the time that they were set for.
            nonlocal is_over
            is_over = True
            _set(current)

        timer = asyncio.get_running_loop().call_later(wait.seconds, end)
        try:
            while True:
                answer = flask_app.asked(wait)
                if answer is not None:
                    return answer
                if wait.is_closing() or is_over:
                    return NOTHING
                if gone.done():
                    raise Disconnected
                await current
                current = self._new_waiting()
        finally:
            stop()
            timer.cancel()
            gone.cancel()

    def _new_waiting(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def _wake(self, waiting: asyncio.Future[None]) -> None:
        """From any thread: many wake-ups at once cost the event loop one."""
        self._woken.append(waiting)
        if not self._is_waking and self._loop is not None:
            self._is_waking = True
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        self._is_waking = False  # before the queue is emptied, so that none is left behind
        while self._woken:
            _set(self._woken.popleft())

    def _count(self, name: str, status: int) -> None:
        count = self._counters.get((name, status))
        if count is None:
            count = self._server.metrics.requests.labels(name, status).inc
            self._counters[name, status] = count
        count()


def _set(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _short_ways(routes: Iterable[Route]) -> dict[tuple[str, str, str], tuple[Route, str]]:
    """`/v1/<kind>/<name>/<what>`, by method, kind and what; with the spelling of the name."""
    found = {}
    for route in routes:
        _, _, kind, name, what = route.rule.split("/")
        found[route.method, kind, what] = route, name.strip("<>")
    return found


async def _body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when it is larger than the limit."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > limit):
            return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _run_flask(app: Flask, scope: Scope, body: bytes) -> tuple[Route | None, Outcome]:
    handed_over: list[tuple[Route, Later | Wait]] = []
    status = 500
    headers: list[tuple[str, str]] = []

    def start_response(
        line: str, fields: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        nonlocal status, headers
        status, headers = int(line.split(" ", 1)[0]), fields
        return lambda _: None

    environ = _environ(scope, body, handed_over)
    answered: Iterable[bytes] = app.wsgi_app(environ, start_response)
    try:
        content = b"".join(answered)
    finally:
        close = getattr(answered, "close", None)
        if close is not None:
            close()
    if handed_over:
        return handed_over[0]
    content_type = next((value for name, value in headers if name == "Content-Type"), "")
    others = tuple(
        (name, value) for name, value in headers if name not in ("Content-Type", "Content-Length")
    )
    return None, Answer(status=status, body=content, content_type=content_type, headers=others)


def _environ(
    scope: Scope, body: bytes, handed_over: list[tuple[Route, Later | Wait]]
) -> dict[str, Any]:
    host, port = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(scope["raw_path"].decode("latin-1"), "latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        flask_app.HANDED_OVER: handed_over,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value.decode("latin-1")
        elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[f"HTTP_{key}"] = value.decode("latin-1")
    return environ


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode()))
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
