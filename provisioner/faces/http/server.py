"""Who listens?  uvicorn, in a thread and event loop of its own."""

from __future__ import annotations

import resource
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import uvicorn
import uvloop

from provisioner.errors import Unavailable
from provisioner.faces.http.app import create_app
from provisioner.faces.http.gate import Gate
from provisioner.services.provisioner import Provisioner

FLASK_THREADS = 4  # for reads and probes; workers' requests need none
BACKLOG = 4_096  # a rack that is switched on asks all at once
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 10


class HttpServer:
    """Serves from the moment it is made until `close`."""

    def __init__(self, provisioner: Provisioner, *, host: str, port: int) -> None:
        """Listen on `host`:`port`; port 0 takes a free one."""
        _raise_file_limit()
        self._snapshots = provisioner.snapshots
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")
        gate = Gate(provisioner, create_app(provisioner), self._threads)
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"can't listen on {host}:{port}: {error.strerror}", hint="choose another --port"
        ) from error
    return listening


def _raise_file_limit() -> None:
    """Each waiting worker is an open file; the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
