"""Where a forge knocks: an event loop in a thread of its own, with limits of its own.

A forge may be on the open network, so this serves one route and shares neither a port nor a
budget with the machines.  One request a connection: nothing is kept open for anybody.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

import httptools

from provisioner.faces.hooks.receiver import BODY_LIMIT_BYTES, Receiver
from provisioner.faces.http import errors, heads
from provisioner.faces.http.answers import Answer
from provisioner.faces.http.server import address, listening

CONNECTIONS = 64  # 64 MB of bodies at most
REQUEST_SECONDS = 10.0  # a forge gives its receiver no more
STEP_BYTES = 16_384
LINGER_SECONDS = 1.0  # a client that was refused may have to finish sending before it listens
_SEND_SECONDS = 5.0


class HookListener:
    """Serves from the moment it is made until `close`."""

    def __init__(self, receiver: Receiver, *, host: str, port: int) -> None:
        self._receiver = receiver
        self._socket = listening(host, port, option="--hook-listen")
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._open = 0  # connections
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="hooks")
        self._thread.start()

    @property
    def address(self) -> str:
        return address(self.host, self.port)

    def close(self) -> None:
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=STEP_BYTES)
        await self._closing.wait()
        server.close()  # what is under way is cancelled with the loop

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                client = (writer.get_extra_info("peername") or ("",))[0]
                answer, is_whole = await self._answered(reader, client)
                await self._send(reader, writer, answer, is_whole=is_whole)
        except OSError:
            pass  # the client has gone, or is as slow as no forge is
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader, client: str) -> tuple[Answer, bool]:
        """The answer, and whether all of the request was read."""
        request = _Request(self._receiver, client)
        async with asyncio.timeout(REQUEST_SECONDS):
            while request.answer is None:
                data = await reader.read(STEP_BYTES)
                if not data:
                    raise ConnectionResetError
                request.feed(data)
        return request.answer, request.is_whole

    async def _send(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Answer,
        *,
        is_whole: bool,
    ) -> None:
        head = heads.answer_head(answer, is_last=True, seconds=int(time.time()))
        writer.write(head + answer.body)
        async with asyncio.timeout(_SEND_SECONDS):
            await writer.drain()
            writer.write_eof()
        if not is_whole:
            async with asyncio.timeout(LINGER_SECONDS):
                while await reader.read(STEP_BYTES):
                    pass
        writer.close()
        async with asyncio.timeout(_SEND_SECONDS):
            await writer.wait_closed()


class _Request:
    """What the parser says of one request; `answer` when it is known."""

    def __init__(self, receiver: Receiver, client: str) -> None:
        self._receiver, self._client = receiver, client
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._raw: heads.Headers = []
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._is_head = True
        self._body = bytearray()
        self.answer: Answer | None = None
        self.is_whole = False

    def feed(self, data: bytes) -> None:
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.answer = self.answer or heads.NO_REQUEST
        except httptools.HttpParserError:
            self.answer = self.answer or heads.NO_REQUEST
        if self._is_head and self._head_bytes > heads.HEAD_LIMIT_BYTES:
            self.answer = self.answer or heads.TOO_LARGE
        # Chunks and their extensions may be many times as long as what they hold.
        elif self._head_bytes > 2 * BODY_LIMIT_BYTES:
            self.answer = self.answer or errors.body_too_large(BODY_LIMIT_BYTES)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:
            self._raw.append((name, value))
            if len(self._raw) > heads.HEADER_LIMIT:
                self.answer = self.answer or heads.TOO_LARGE

    def on_headers_complete(self) -> None:
        if self.answer is not None or not self._is_head:
            return
        self._is_head = False
        for name, value in self._raw:
            key = name.decode("latin-1").lower()
            if key in self._headers:  # which one a proxy looked at is not known here
                self._headers[key] += "," + value.decode("latin-1")
            else:
                self._headers[key] = value.decode("latin-1")
        framing = heads.framing(
            self._parser.get_http_version(), self._raw, url_bytes=len(self._url)
        )
        if isinstance(framing, Answer):
            self.answer = framing
            return
        method = self._parser.get_method().decode("latin-1")
        path = heads.path_of(self._url)
        self.answer = self._receiver.refusal(method, path, self._headers, self._client)
        if self.answer is None and framing.size_bytes > BODY_LIMIT_BYTES:
            self.answer = errors.body_too_large(BODY_LIMIT_BYTES)

    def on_body(self, chunk: bytes) -> None:
        if self.answer is not None:
            return
        self._body += chunk
        if len(self._body) > BODY_LIMIT_BYTES:
            self.answer = errors.body_too_large(BODY_LIMIT_BYTES)

    def on_message_complete(self) -> None:
        if self.answer is None:
            self.is_whole = True
            self.answer = self._receiver.receive(self._headers, bytes(self._body), self._client)
