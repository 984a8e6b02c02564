"""What does the gate save?  The same Flask application behind it, and in blocking threads.

    python -m benchmarks.gate [--clients 64,256] [--idle 1000] [--seconds 4] [--rounds 3]

    gate     as `tink serve` runs it: workers' routes past Flask, nothing waits in a thread
    flask    the gate without its short way: Flask answers everything, nothing waits in a thread
    pool     uvicorn with a thread of a pool for each request under way
    threads  the standard library's server: a thread for each connection, HTTP parsed in Python

werkzeug's and wsgiref's own servers close each connection after one answer, so they are not
measured.

Every side is a process of its own on a repository of its own.  All measure in turn, round
by round; only ratios to the gate are worth quoting.  Idle: so many long polls, and what
the process has grown by.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn
import uvloop
from flask import Flask

from benchmarks import load_client, reports, site
from benchmarks.figures import Figures, median
from provisioner import wiring
from provisioner.config import ServerSettings
from provisioner.faces.http import gate, server
from provisioner.faces.http.app import create_app
from provisioner.services.provisioner import Provisioner

HOST = "127.0.0.1"
SIDES = ("gate", "flask", "pool", "threads")
_SPARE_THREADS = 16
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Started: TypeAlias = list[tuple[str, list[tuple[str, str]]]]  # what WSGI was told


class _Uvicorn:
    """An ASGI application under uvicorn, set up as `tink serve` sets it up."""

    def __init__(self, application: Callable[..., object]) -> None:
        self._socket = server.reserve(HOST, 0)
        self._socket.listen(server.BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        uvloop.run(self._server.serve(sockets=[self._socket]))


class _Pool:
    """An ASGI application that runs a WSGI one in threads, and lets those block."""

    def __init__(self, app: Flask, threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks = []
        more = True
        while more:
            message = await receive()
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        loop = asyncio.get_running_loop()
        started: Started = []
        body = await loop.run_in_executor(
            self._threads, self._answer, scope, b"".join(chunks), started
        )
        status, fields = started[0]
        headers = [(name.lower().encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: Scope, body: bytes, started: Started) -> bytes:
        query = scope["query_string"].decode()
        return _run(self._app, scope["method"], scope["path"], query, body, started)


class _Threads:
    """The same WSGI application under `http.server`, with connections that stay."""

    def __init__(self, app: Flask) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # the head and the body in one packet

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                started: Started = []
                content = _run(app, self.command, path, query, body, started)
                self.send_response_only(int(started[0][0][:3]))
                for name, value in started[0][1]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

            def do_POST(self) -> None:
                self.do_GET()

        class Server(ThreadingHTTPServer):
            request_queue_size = server.BACKLOG
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that go away in the middle, at the end of each round

        self._server = Server((HOST, 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


def _run(app: Flask, method: str, path: str, query: str, body: bytes, started: Started) -> bytes:
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }

    def start_response(
        status: str, headers: list[tuple[str, str]], _: object = None
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return lambda content: None

    return b"".join(app.wsgi_app(environ, start_response))


def _open(side: str, threads: int, provisioner: Provisioner) -> wiring.Face:
    if side in ("gate", "flask"):
        if side == "flask":
            gate.Gate.find = lambda *_: None  # of this process
        return server.HttpServer(provisioner, host=HOST, port=0)
    app = create_app(provisioner)
    if side == "pool":
        return _Uvicorn(_Pool(app, threads))
    return _Threads(app)


def _serve(side: str, threads: int, repository: Path) -> None:
    """Be one of the sides until killed; the port is told on standard output."""

    def ready(serving: wiring.Server) -> None:
        print(serving.face.port, flush=True)  # type: ignore[attr-defined]  # all of ours have it

    wiring.serve(
        ServerSettings(repo=str(repository), host=HOST),
        lambda provisioner, _: _open(side, threads, provisioner),
        ready=ready,
    )


@contextmanager
def _serving(side: str, options: argparse.Namespace, repository: Path) -> Iterator[site.Server]:
    threads = max(*options.clients, options.idle) + _SPARE_THREADS
    words = ("--side", side, "--repository", str(repository), "--threads", str(threads))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gate", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield site.Server(host=HOST, port=port, process=process)
    finally:
        process.kill()  # blocked threads would wait out their polls
        process.wait()


def _some_polls() -> load_client.Script:
    """What a server imports and reads at its first polls."""
    for number in range(200):
        yield load_client.get(f"/v1/workers/{site.worker_id(40_000_000 + number)}/action")


async def _idle(serving: site.Server, polls: int) -> float:
    """How many KiB each idle long poll costs."""
    before = serving.resident_mib
    opened = []
    for number in range(polls):
        reader, writer = await asyncio.open_connection(serving.host, serving.port)
        worker = site.worker_id(30_000_000 + number)
        writer.write(load_client.get(f"/v1/workers/{worker}/action?wait=60"))
        opened.append((reader, writer))
    await asyncio.sleep(3)
    grown = serving.resident_mib - before
    for _, writer in opened:
        writer.close()
    return grown * 1024 / polls


def _print_row(clients: int, found: dict[str, list[Figures]]) -> None:
    for side, figures in found.items():
        pairs = list(zip(figures, found["gate"], strict=True))
        rate = median([one.per_second / gates.per_second for one, gates in pairs])
        p99 = median([one.p99_ms / gates.p99_ms for one, gates in pairs])
        middle = sorted(figures, key=lambda each: each.per_second)[len(figures) // 2]
        print(
            f"{clients:4} clients, {side:7}: {middle} | {rate:4.2f} of the gate's reports,"
            f" {p99:5.2f} of its p99",
            flush=True,
        )


def _measure(options: argparse.Namespace, folder: Path) -> None:
    site.fill(folder / "filled.git", options.workflows)
    with ExitStack() as stack:
        servers, played = {}, {}
        for side in SIDES:
            repository = folder / f"{side}.git"
            shutil.copytree(folder / "filled.git", repository)
            servers[side] = stack.enter_context(_serving(side, options, repository))
            played[side] = reports.scripts(options.workflows)
            played[side].drive(HOST, servers[side].port, clients=1, seconds=1)
        for clients in options.clients:
            found: dict[str, list[Figures]] = {side: [] for side in SIDES}
            for _ in range(options.rounds):
                for side in SIDES:
                    found[side].append(
                        played[side].drive(
                            HOST, servers[side].port, clients=clients, seconds=options.seconds
                        )
                    )
            _print_row(clients, found)
    for side in SIDES:  # anew: memory that the load left free would hide what a poll takes
        with _serving(side, options, folder / f"{side}.git") as serving:
            serving.settle()
            load_client.drive(serving.host, serving.port, [_some_polls])
            each = uvloop.run(_idle(serving, options.idle))
            print(f"{options.idle} idle long polls, {side:7}: {each:5.1f} KiB each", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", default="64,256")
    parser.add_argument("--idle", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workflows", type=int, default=10_000)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--repository", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        _serve(options.side, options.threads, options.repository)
        return
    options.clients = [int(each) for each in options.clients.split(",")]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name:
        _measure(options, Path(name))
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
