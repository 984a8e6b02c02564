"""What happens on one connection: requests are read, and answered in their order.

HTTP/1.1 is parsed by llhttp (httptools).  Written here because a server that knows all of
ASGI spends three times as long on a report as parsing and answering it takes (docs/adr/0004).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools

from provisioner.faces.http import errors
from provisioner.faces.http.answers import Answer
from provisioner.faces.http.flask_call import Request
from provisioner.faces.http.gate import (
    FLASK_BODY_BYTES,
    LARGE_BODY_BYTES,
    Found,
    Gate,
    Stop,
)

HEAD_LIMIT_BYTES = 32_768  # the request line and all headers
HEADER_LIMIT = 100
KEEP_ALIVE_SECONDS = 75.0
HEAD_SECONDS = 30.0
BODY_SECONDS = 120.0  # for a large body: 1 Mbit/s is enough
WRITE_SECONDS = 120.0  # the same for an answer that its client takes slowly
LINGER_SECONDS = 5.0  # a client that was refused may have to finish sending before it listens
_PIPELINE_LIMIT = 16  # requests of one connection that wait for their turn
_ONE_WRITE_BYTES = 65_536

_HEAD_TOO_LARGE = errors.answer_to_status(431, "the head of the request is too large")


class Connection(asyncio.Protocol):
    """`deadline` is when the client's patience, or ours, is over, in the loop's time."""

    __slots__ = (
        "_all_open",
        "_body",
        "_body_bytes",
        "_body_limit",
        "_found",
        "_gate",
        "_has_large",
        "_head_bytes",
        "_headers",
        "_is_asking",
        "_is_deaf",
        "_is_held",
        "_is_in_turn",
        "_is_last",
        "_is_reading_body",
        "_is_write_paused",
        "_loop",
        "_method",
        "_parser",
        "_pipeline",
        "_stop",
        "_transport",
        "_url",
        "deadline",
    )

    def __init__(
        self,
        gate: Gate,
        loop: asyncio.AbstractEventLoop,
        all_open: set[Connection],
    ) -> None:
        """`all_open` holds it while it is open."""
        self._gate = gate
        self._loop = loop
        self._all_open = all_open
        self.deadline = math.inf
        self._parser = httptools.HttpRequestParser(self)
        self._pipeline: deque[tuple[Request, Found | None]] = deque()
        self._stop: Stop | None = None
        self._is_asking = False  # a request is with the gate
        self._is_in_turn = False  # in `_ask_next`, which answers may come back to
        self._is_last = False  # no request is taken after the one under way
        self._is_deaf = False  # what still comes is thrown away
        self._is_write_paused = False
        self._has_large = False  # a place for a large body, or waits for one …
        self._is_held = False  # … and is not read meanwhile
        self._is_reading_body = False
        self._head_bytes = 0

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._all_open.add(self)
        self.deadline = self._loop.time() + KEEP_ALIVE_SECONDS

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as if it had not asked for another protocol; the rest is no HTTP any more.
            self._is_deaf = True
            self.close_when_done()
        except httptools.HttpParserCallbackError as error:
            self._refuse(errors.answer_to(error.__context__ or error))
        except httptools.HttpParserError:
            self._refuse(errors.answer_to_status(400, "this is no HTTP/1.1 request"))
        if self._head_bytes and not self._is_reading_body:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._refuse(_HEAD_TOO_LARGE)

    def eof_received(self) -> bool:
        return False  # whoever stops sending does not wait for an answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = True
        self._pipeline.clear()
        if self._stop is not None:
            self._stop()
            self._stop = None
        self._give_large()
        self._all_open.discard(self)

    def pause_writing(self) -> None:
        self._is_write_paused = True
        self.deadline = self._loop.time() + WRITE_SECONDS

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self.deadline = math.inf if self._is_asking else self._loop.time() + KEEP_ALIVE_SECONDS
        self._ask_next()

    # What the parser says.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 1
        self._is_reading_body = False
        if not self._is_asking:
            self.deadline = self._loop.time() + HEAD_SECONDS

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_reading_body = True
        self._method = self._parser.get_method().decode("latin-1")
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._found = self._gate.find(self._method, _path_of(self._url))
        limit = self._found.route.body_limit if self._found else FLASK_BODY_BYTES
        self._body_limit = limit
        length, expects, size = 0, False, len(self._url)
        for name, value in self._headers:
            size += len(name) + len(value)
            low = name.lower()
            if low == b"content-length":
                length = int(value)  # llhttp lets only digits pass
            elif low == b"expect":
                expects = value.lower() == b"100-continue"
        if size > HEAD_LIMIT_BYTES or len(self._headers) > HEADER_LIMIT:
            self._refuse(_HEAD_TOO_LARGE)
            return
        if limit and length > limit:
            self._refuse(errors.body_too_large(limit))
            return
        if limit > LARGE_BODY_BYTES:
            self.deadline = self._loop.time() + BODY_SECONDS
            self._has_large = True
            if not self._gate.take_large(self._may_send):
                self._is_held = True
                self.deadline = math.inf
                self._transport.pause_reading()
                return
        if expects:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        if self._is_deaf or not self._body_limit:
            return
        self._body_bytes += len(chunk)
        if self._body_bytes > self._body_limit:
            self._refuse(errors.body_too_large(self._body_limit))
            return
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        if self._is_deaf:
            return
        if self._is_last or not self._parser.should_keep_alive():
            self._is_last = self._is_deaf = True
        path, _, query = self._url.partition(b"?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(
            method=self._method,
            path=_path_of(path),
            query=query.decode("latin-1"),
            version=self._parser.get_http_version(),
            headers=self._headers,
            body=body,
        )
        self._body = []
        self._pipeline.append((request, self._found))
        if len(self._pipeline) > _PIPELINE_LIMIT:
            self._transport.pause_reading()
        self._ask_next()

    # Questions and answers.

    @property
    def is_idle(self) -> bool:
        return not (self._is_asking or self._pipeline or self._head_bytes)

    def close_when_done(self) -> None:
        """Take no request any more; what is under way is answered."""
        self._is_last = True
        if self.is_idle:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _ask_next(self) -> None:
        """Ask what waits, one request after the other; `_tell` goes on where one has to wait."""
        if self._is_in_turn:
            return
        self._is_in_turn = True
        while self._pipeline and not (self._is_asking or self._is_write_paused):
            request, found = self._pipeline.popleft()
            if len(self._pipeline) == _PIPELINE_LIMIT:
                self._transport.resume_reading()
            if found is None:
                request.client = (self._transport.get_extra_info("peername") or ("",))[0]
                request.server = self._transport.get_extra_info("sockname")[:2]
            self._is_asking = True
            self.deadline = math.inf
            stop = self._gate.answer(
                request, found, self._tell_head if request.method == "HEAD" else self._tell
            )
            if self._is_asking:
                self._stop = stop
        self._is_in_turn = False

    def _tell_head(self, answer: Answer) -> None:
        self._tell(answer, is_head=True)

    def _tell(self, answer: Answer, *, is_head: bool = False) -> None:
        self._is_asking = False
        self._stop = None
        self._give_large()
        if self._transport.is_closing():
            return
        self.deadline = self._loop.time() + KEEP_ALIVE_SECONDS
        self._write(answer, is_head=is_head)
        if self._pipeline:
            self._ask_next()
        elif self._is_last and self._head_bytes == 0:
            self._transport.close()

    def _write(self, answer: Answer, *, is_head: bool = False) -> None:
        is_last = self._is_last and not self._pipeline
        head = _head(answer.status, answer.content_type, is_last)
        if answer.headers:
            lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in answer.headers)
            head += lines.encode("latin-1", "replace")
        length = b"" if answer.status == 204 else b"content-length: %d\r\n" % len(answer.body)
        start = b"%s%s%s\r\n" % (head, length, _date(int(time.time())))
        if is_head:
            self._transport.write(start)
        elif len(answer.body) <= _ONE_WRITE_BYTES:
            self._transport.write(start + answer.body)
        else:
            self._transport.writelines((start, answer.body))

    def _refuse(self, answer: Answer) -> None:
        """Answer what can't be read to its end, and listen no more."""
        if self._is_deaf:
            return
        self._is_deaf = self._is_last = True
        self._give_large()
        self._head_bytes = 0
        if self._is_asking or self._pipeline:
            return  # those before it are answered; then the connection ends
        self._write(answer)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.deadline = self._loop.time() + LINGER_SECONDS

    def _may_send(self) -> None:
        """A place for the large body has become free."""
        self._is_held = False
        self.deadline = self._loop.time() + BODY_SECONDS
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n" if self._expects() else b"")
        self._transport.resume_reading()

    def _expects(self) -> bool:
        return any(name.lower() == b"expect" for name, _ in self._headers)

    def _give_large(self) -> None:
        if self._has_large:
            self._has_large = False
            self._gate.give_large(self._may_send)
            if self._is_held:  # its body came with its head, so that it needed none
                self._is_held = False
                self._transport.resume_reading()


def _path_of(url: bytes) -> str:
    """The decoded path of a request's target, whose host (`http://host/path`) is ours anyway."""
    target = url.partition(b"?")[0]
    if not target.startswith(b"/") and b"://" in target:
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    path = target.decode("utf-8", "surrogateescape")
    return unquote(path, errors="surrogateescape") if "%" in path else path


@lru_cache(maxsize=256)
def _head(status: int, content_type: str, is_last: bool) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {status} {reason}"]
    if content_type:
        lines.append(f"content-type: {content_type}")
    if is_last:
        lines.append("connection: close")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


@lru_cache(maxsize=2)
def _date(seconds: int) -> bytes:
    return f"date: {formatdate(seconds, usegmt=True)}\r\n".encode()
