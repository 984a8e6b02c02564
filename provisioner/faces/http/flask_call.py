"""How a request is put to Flask without a WSGI server: in a thread, and never waiting there."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask

from provisioner.faces.http import app as flask_app
from provisioner.faces.http.answers import Answer, Outcome, Route
from provisioner.faces.http.budget import Share


@dataclass(slots=True, kw_only=True)
class Request:
    """A whole request as it came over a connection; `path` is decoded, header names are not.

    `kept_bytes` are taken from `share` for its body, until `give_back`.
    """

    method: str
    path: str
    query: str
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | bytearray
    client: str = ""
    server: tuple[str, int] = ("localhost", 80)
    share: Share | None = None
    kept_bytes: int = 0

    def give_back(self) -> None:
        """Its body is needed no longer, and gone: who waits for the answer may hold this."""
        self.body = b""
        if self.share is not None:
            share, self.share = self.share, None
            share.give(self.kept_bytes)


def call(app: Flask, request: Request) -> tuple[Route | None, Outcome]:
    """What Flask answers; with the route when the view said what to wait for."""
    handed_over: list[tuple[Route, Outcome]] = []
    status = 500
    headers: list[tuple[str, str]] = []

    def start_response(
        line: str, fields: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        nonlocal status, headers
        status, headers = int(line.split(" ", 1)[0]), fields
        return lambda _: None

    answered: Iterable[bytes] = app.wsgi_app(_environ(request, handed_over), start_response)
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


def _environ(request: Request, handed_over: list[tuple[Route, Outcome]]) -> dict[str, Any]:
    host, port = request.server
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        flask_app.HANDED_OVER: handed_over,
    }
    for name, value in request.headers:
        if b"_" in name:
            continue  # X_Forwarded_For would stand for the X-Forwarded-For of a trusted proxy
        key = name.decode("latin-1").upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value.decode("latin-1")
        elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[f"HTTP_{key}"] = value.decode("latin-1")
    return environ
