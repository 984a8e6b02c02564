"""Who listens?  uvicorn, in a thread and event loop of its own."""

from __future__ import annotations

import resource
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn
import uvloop

from provisioner.errors import Unavailable
from provisioner.faces.http import read_only, worker_views
from provisioner.faces.http.app import create_app
from provisioner.faces.http.gate import Gate
from provisioner.services.provisioner import Provisioner

FLASK_THREADS = 4  # for reads and probes; workers' requests need none
BACKLOG = 4_096  # a rack that is switched on asks all at once
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 10


class HttpServer:
    """Serves from the moment it is made until `close`."""

    def __init__(
        self, provisioner: Provisioner, *, host: str, port: int, reads_for: str | None = None
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
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")
        routes = worker_views.ROUTES if reads_for is None else read_only.worker_routes(reads_for)
        app = create_app(provisioner, worker_routes=routes)
        gate = Gate(provisioner, app, self._threads, worker_routes=routes)
        config = uvicorn.Config(
            gate,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks is not told by headers
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http")
        self._thread.start()

    @property
    def address(self) -> str:
        return address(self.host, self.port)

    def close(self) -> None:
        """Answer those who wait, finish what is under way, then end."""
        self._snapshots.close()
        self._server.should_exit = True
        self._thread.join()
        self._threads.shutdown(wait=True)
        self._socket.close()

    def _run(self) -> None:
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            loop.close()


def address(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def reserve(host: str, port: int) -> socket.socket:
    """Take a port that several processes will share, without listening on it."""
    return _bound(host, port, is_shared=True, is_listening=False)


def _bound(host: str, port: int, *, is_shared: bool, is_listening: bool = True) -> socket.socket:
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
            f"can't listen on {host}:{port}: {error.strerror}", hint="choose another --port"
        ) from error
    return bound


def _raise_file_limit() -> None:
    """Each waiting worker is an open file; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
