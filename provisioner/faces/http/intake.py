"""One request on its way in: what the parser says becomes a `Request`, within limits.

HTTP/1.1 is parsed by llhttp (httptools).  It keeps nothing of chunks and their extensions,
but httptools keeps a header until it is whole; so what comes without a body going on is
counted, and trailers, which nobody here reads, are not kept.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

import httptools

from provisioner.faces.http import errors, heads
from provisioner.faces.http.answers import Answer
from provisioner.faces.http.budget import LARGE_BODY_BYTES, Share
from provisioner.faces.http.flask_call import Request
from provisioner.faces.http.gate import FLASK_BODY_BYTES, Found, Gate
from provisioner.faces.http.heads import HEAD_LIMIT_BYTES, HEADER_LIMIT

# A request that waits keeps back those behind it, but what came in the same step is parsed:
# at most 160 of the shortest requests.
STEP_BYTES = 4_096
HEADER_COST_BYTES = 160  # what Python needs for a header beside its text
HEAD_SECONDS = 30.0  # for a head, and for a body of up to a megabyte with it
BYTES_PER_SECOND = 131_072  # 1 Mbit/s: slower clients are behind
PRESSED_SECONDS = 5.0  # how far behind a client may be while there is no room for others


class Owner(Protocol):
    """The connection that the request comes over."""

    deadline: float

    @property
    def is_busy(self) -> bool: ...
    def take(self, request: Request, found: Found | None, *, is_last: bool) -> None: ...
    def refuse(self, answer: Answer) -> None: ...
    def end_after_this(self) -> None: ...
    def go_on(self) -> None: ...


class Intake:
    """`feed` it steps; its owner is called when a request is whole, or can't be."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_found",
        "_framing",
        "_gate",
        "_headers",
        "_is_over",
        "_is_reading_body",
        "_limit",
        "_loop",
        "_marks",
        "_method",
        "_owner",
        "_parser",
        "_path",
        "_reserved_bytes",
        "_share",
        "_since",
        "_size",
        "_trailers",
        "_unseen",
        "_url",
        "_version",
        "is_held",
        "is_under_way",
        "owes_word",
        "wants_bytes",
    )

    def __init__(self, gate: Gate, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self._gate = gate
        self._loop = loop
        self._owner: Owner | None = owner
        self._parser = httptools.HttpRequestParser(self)
        self._is_over = False
        self._is_reading_body = False
        self._headers: heads.Headers = []
        self._marks = 0  # how often a request went on in a way that is counted elsewhere
        self._unseen = 0  # bytes since then: an unfinished head, trailers, a chunk's extensions
        self._since = 0.0
        self._share: Share | None = None
        self._reserved_bytes = 0
        self._body: bytes | bytearray = b""
        self._body_bytes = self._size = 0
        self.is_under_way = False
        self.is_held = False  # there is no room for its body yet
        self.owes_word = False  # its client waits for one before it sends the body
        self.wants_bytes = 0  # for its body, when its turn comes

    @property
    def step_bytes(self) -> int:
        """How much to feed at once: a body of known size as it comes, all else in small steps."""
        return max(STEP_BYTES, self._size - self._body_bytes) if self._size else STEP_BYTES

    @property
    def kept_bytes(self) -> int:
        """What is kept beside a body, whose room was reserved when its head was read."""
        if not self.is_under_way:
            return 0
        return self._unseen + HEADER_COST_BYTES * len(self._headers)

    def feed(self, data: bytes | memoryview) -> None:
        marks = self._marks
        owner = self._owner
        if owner is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as if it had not asked for another protocol; the rest is no HTTP any more.
            owner.end_after_this()
        except httptools.HttpParserCallbackError as error:
            owner.refuse(errors.answer_to(error.__context__ or error))
        except httptools.HttpParserError:
            owner.refuse(heads.NO_REQUEST)
        if not self.is_under_way:
            return
        if not self._since:  # only now: most requests come in one piece
            self._since = self._loop.time()
            if not owner.is_busy:
                owner.deadline = self._since + HEAD_SECONDS
        if self._marks == marks:
            self._unseen += len(data)
        else:
            self._unseen = 0 if self._is_reading_body else len(data)
        if self._unseen > HEAD_LIMIT_BYTES + STEP_BYTES:
            owner.refuse(heads.TOO_LARGE)

    def is_slow(self, now: float) -> bool:
        """Whether it takes longer than is borne while others find no room."""
        if not self.is_under_way or self.is_held:
            return False
        return now > self._since + PRESSED_SECONDS + self._body_bytes / BYTES_PER_SECOND

    def drop(self) -> None:
        """Read no further."""
        self._is_over = True
        self.is_under_way = self.owes_word = False
        self.wants_bytes = 0
        self._body, self._headers = b"", []
        if self._share is not None:
            share, self._share = self._share, None
            if self.is_held:
                self.is_held = False
                share.leave(self._room_came)
            else:
                share.give(self._reserved_bytes)

    def close(self) -> None:
        """The connection is lost."""
        self.drop()
        self._owner = None
        del self._parser  # it holds this object: a cycle

    # What the parser says.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._is_reading_body = False
        self._size = self._body_bytes = self._trailers = 0
        self._marks += 1
        self._since = 0.0
        self.is_under_way = not self._is_over

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_over:
            return
        if self._is_reading_body:
            self._trailers += 1
        else:
            self._headers.append((name, value))
        if self._trailers > HEADER_LIMIT or len(self._headers) > HEADER_LIMIT:
            self._refuse(heads.TOO_LARGE)

    def on_headers_complete(self) -> None:
        if self._is_over:
            return
        self._is_reading_body = True
        self._marks += 1
        parser = self._parser
        self._version = parser.get_http_version()
        framing = heads.framing(self._version, self._headers, url_bytes=len(self._url))
        if isinstance(framing, Answer):
            self._refuse(framing)
            return
        self._method = parser.get_method().decode("latin-1")
        self._path = heads.path_of(self._url)
        self._found = self._gate.find(self._method, self._path)
        self._limit = self._found.route.body_limit if self._found else FLASK_BODY_BYTES
        self._body = b""
        self._size = framing.size_bytes
        if not self._limit or not (framing.size_bytes or framing.is_chunked):
            self.owes_word = framing.expects
            return
        if framing.size_bytes > self._limit:
            self._refuse(errors.body_too_large(self._limit))
            return
        self.owes_word = framing.expects
        self.wants_bytes = self._limit if framing.is_chunked else framing.size_bytes
        if self._owner is not None and not self._owner.is_busy:
            self.reserve()

    def on_body(self, chunk: bytes) -> None:
        self._marks += 1
        self._body_bytes += len(chunk)
        if self._is_over or not self._limit:
            return
        self.owes_word = False
        if self._body_bytes > self._limit:
            self._refuse(errors.body_too_large(self._limit))
        elif not self._body:
            self._body = chunk
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += chunk
        if self._reserved_bytes > LARGE_BODY_BYTES and self._owner is not None:
            self._owner.deadline = self._since + HEAD_SECONDS + self._body_bytes / BYTES_PER_SECOND

    def on_message_complete(self) -> None:
        owner = self._owner
        if self._is_over or owner is None:
            return
        self.is_under_way = self.owes_word = False
        self._size = self.wants_bytes = 0
        request = Request(
            method=self._method,
            path=self._path,
            query=self._url.partition(b"?")[2].decode("latin-1"),
            version=self._version,
            headers=self._headers,
            body=self._body,
        )
        share, self._share = self._share, None
        if share is not None:
            if self.is_held:  # it came whole with its head: a step at most, which is kept anyway
                self.is_held = False
                share.leave(self._room_came)
            else:
                request.share = share
                request.kept_bytes = self._reserved_bytes
        self._body = b""
        owner.take(request, self._found, is_last=not self._parser.should_keep_alive())

    def _refuse(self, answer: Answer) -> None:
        if self._owner is not None:
            self._owner.refuse(answer)

    # Room for a body.

    def reserve(self) -> None:
        """Take room for the whole body, or be held until there is some."""
        size_bytes, self.wants_bytes = self.wants_bytes, 0
        self._share = self._gate.budget.share_for(size_bytes)
        self._reserved_bytes = size_bytes
        self._since = self._loop.time()
        if not self._share.take_or_wait(size_bytes, self._room_came):
            self.is_held = True
            if self._owner is not None:
                self._owner.deadline = math.inf

    def _room_came(self) -> None:
        self.is_held = False
        self._since = self._loop.time()
        if self._owner is not None:
            self._owner.deadline = self._since + HEAD_SECONDS
            # Not here and now: one that is whole may give its room to the next, and so on.
            self._loop.call_soon(self._owner.go_on)
