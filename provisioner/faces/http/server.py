"""Who listens?  An event loop in a thread of its own, which also takes the writer's steps."""

from __future__ import annotations

import asyncio
import logging
import resource
import select
import socket
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import uvloop

from provisioner.errors import Unavailable
from provisioner.faces.http import gate, read_only, worker_views
from provisioner.faces.http.app import create_app
from provisioner.faces.http.budget import CONNECTIONS, Budget
from provisioner.faces.http.connection import Connection
from provisioner.faces.http.gate import Gate
from provisioner.services.provisioner import Provisioner

BACKLOG = 4_096  # a rack that is switched on asks all at once
SHUTDOWN_SECONDS = 2.0  # for what is under way: a report takes milliseconds
_LOOK_SECONDS = 1.0  # between two looks at who is past its time

_LOG = logging.getLogger(__name__)


class HttpServer:
    """Serves from the moment it is made until `close`."""

    def __init__(
        self,
        provisioner: Provisioner,
        *,
        host: str,
        port: int,
        reads_for: str | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Listen on `host`:`port`; port 0 takes a free one.

        With `reads_for`, the address of the process that writes, serve only reads, on a port
        that others may share.
        """
        _raise_file_limit()
        self._snapshots = provisioner.snapshots
        self._socket = _bound(host, port, is_shared=reads_for is not None)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._threads = ThreadPoolExecutor(gate.THREADS, thread_name_prefix="http")
        routes = worker_views.ROUTES if reads_for is None else read_only.worker_routes(reads_for)
        app = create_app(provisioner, worker_routes=routes)
        self._loop = uvloop.new_event_loop()
        self.budget = budget or Budget()
        self._gate = Gate(
            provisioner, app, self._threads, self._loop, budget=self.budget, worker_routes=routes
        )
        self._connections: set[Connection] = set()
        self._is_crowded = False  # somebody was sent away since the last look
        metrics = provisioner.metrics
        metrics.connections.set_function(lambda: len(self._connections))
        for name, share in self.budget.shares:
            metrics.kept.labels(name).set_function(partial(getattr, share, "used_bytes"))
        self._coming: set[asyncio.Task[object]] = set()  # a loop holds its tasks weakly
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="http")
        self._thread.start()

    @property
    def address(self) -> str:
        return address(self.host, self.port)

    def close(self) -> None:
        """Answer those who wait, finish what is under way, then end."""
        self._snapshots.close()
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._closing.set)
        self._gate.files.close()
        self._thread.join()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._socket.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._gate.open()
        self._socket.setblocking(False)
        self._listen()
        look = self._loop.call_later(_LOOK_SECONDS, self._look)
        await self._closing.wait()
        self._loop.remove_reader(self._socket)
        await asyncio.gather(*self._coming, return_exceptions=True)
        self._gate.close_lanes()
        for each in tuple(self._connections):
            each.close_when_done()
        end = self._loop.time() + SHUTDOWN_SECONDS
        while self._connections and self._loop.time() < end:
            await asyncio.sleep(0.01)
        for each in tuple(self._connections):
            each.abort()
        look.cancel()
        self._gate.close()

    def _accept(self) -> None:
        """Take in all who knock; uvloop's own servers take one each time around."""
        try:
            for _ in range(BACKLOG):
                opened, _ = self._socket.accept()
                if len(self._connections) + len(self._coming) >= CONNECTIONS:
                    self._is_crowded = True
                    opened.close()
                    continue
                coming = self._loop.create_task(
                    self._loop.connect_accepted_socket(self._connected, opened)
                )
                self._coming.add(coming)
                coming.add_done_callback(self._coming.discard)
        except BlockingIOError:
            return
        except OSError as error:  # too many open files: those who have come go first
            _LOG.warning("a connection can't be taken: %s", error.strerror)
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_LOOK_SECONDS, self._listen)

    def _listen(self) -> None:
        if not self._closing.is_set():
            self._loop.add_reader(self._socket, self._accept)

    def _connected(self) -> Connection:
        return Connection(self._gate, self._loop, self._connections)

    def _look(self) -> None:
        """End the connections that are past their deadline: one timer for all of them.

        While others find no room, those go too that keep some without hurry.
        """
        now = self._loop.time()
        is_short = self.budget.take_shortage()
        late = [
            each
            for each in self._connections
            if each.deadline < now or (is_short and each.is_slow(now))
        ]
        if self._is_crowded:
            self._is_crowded = False
            idle = (each for each in self._connections if each.is_idle)
            late += sorted(idle, key=lambda each: each.deadline)[: CONNECTIONS // 10]
        for each in (*late, *_gone(self._connections)):
            each.abort()
        self._loop.call_later(_LOOK_SECONDS, self._look)


def _gone(connections: Iterable[Connection]) -> list[Connection]:
    """Those whose clients went while they were not read: a loop hears of ends by reading."""
    poll, found = select.poll(), {}
    for each in connections:
        socket_number = each.unheard_socket
        if socket_number is not None:
            found[socket_number] = each
            poll.register(socket_number, select.POLLRDHUP)
    return [found[number] for number, _ in poll.poll(0)] if found else []


def address(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def listening(host: str, port: int, *, option: str) -> socket.socket:
    """Listen on a port of one's own; `option` is where a person chooses another one."""
    return _bound(host, port, is_shared=False, option=option)


def reserve(host: str, port: int) -> socket.socket:
    """Take a port that several processes will share, without listening on it."""
    return _bound(host, port, is_shared=True, is_listening=False)


def _bound(
    host: str,
    port: int,
    *,
    is_shared: bool,
    is_listening: bool = True,
    option: str = "--port",
) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        if is_listening:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise Unavailable(
            f"can't listen on {host}:{port}: {error.strerror}", hint=f"choose another {option}"
        ) from error
    return bound


def _raise_file_limit() -> None:
    """Each waiting worker is an open file; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
