"""A forge: git over HTTP on this machine, which can be told to misbehave."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Forge:
    """Serves the repositories below a folder by `git http-backend`; `close` ends it.

    `mood` is `well`, `silent` (takes connections and says nothing), `refusing` (500) or
    `dropping` (ends in the middle of each answer).  With `password` nobody else gets in.
    """

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.folder = folder
        self.mood = "well"
        self.password = password
        self.requests: list[str] = []
        self._ending = threading.Event()
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                forge._answer(self)

            do_POST = do_GET  # noqa: N815  # the library's name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, name: str, credentials: str = "") -> str:
        return f"http://{credentials}{self.address}/{name}"

    def close(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.path)
        if self.mood == "silent":
            self._ending.wait(120)
            return
        if self.mood == "refusing":
            request.send_error(500)
            return
        if self.password and not self._knows(request.headers.get("Authorization", "")):
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="forge"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        head, _, body = self._backend(request).partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        request.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.mood == "dropping":
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.wfile.write(body)

    def _knows(self, header: str) -> bool:
        kind, _, text = header.partition(" ")
        return kind == "Basic" and base64.b64decode(text).decode().endswith(f":{self.password}")

    def _backend(self, request: BaseHTTPRequestHandler) -> bytes:
        url = urlsplit(request.path)
        size = int(request.headers.get("Content-Length") or 0)
        environment: dict[str, Any] = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(size),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "somebody",
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=request.rfile.read(size),
            env=environment,
            capture_output=True,
            check=True,
        )
        return done.stdout
