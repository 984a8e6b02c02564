"""Many workers in one process: a small HTTP/1.1 client that costs next to nothing.

Each client keeps one connection and waits for each answer before its next request, as a
real worker does.  A script is a generator: it yields a request's bytes and is sent the
answer's (status, body).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import cast

import uvloop

Answer = tuple[int, bytes]
Script = Generator[bytes, Answer, None]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What all clients saw; latencies in milliseconds."""

    latencies_ms: list[float] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    finished: int = 0


def post(path: str, message: object) -> bytes:
    body = json.dumps(message).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


class _Client(asyncio.Protocol):
    def __init__(self, script: Script, tally: Tally, done: asyncio.Event) -> None:
        self._script, self._tally, self._done = script, tally, done
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        first = next(self._script, None)
        if first is None:
            transport.close()
        else:
            self._send(first)

    def _send(self, request: bytes) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if len(rest) < length:
            return
        self._received = rest[length:]
        status = int(head[9:12])
        self._tally.latencies_ms.append((time.perf_counter() - self._sent_at) * 1000)
        if status >= 400:
            self._tally.refused.append((status, rest[:length]))
        try:
            self._send(self._script.send((status, rest[:length])))
        except StopIteration:
            self._tally.finished += 1
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set()


def drive(
    host: str, port: int, scripts: list[Callable[[], Script]], *, seconds: float | None = None
) -> tuple[Tally, float]:
    """Run all scripts at once, to their ends or for a time; returns the tally and seconds."""

    async def run() -> tuple[Tally, float]:
        tally = Tally()
        loop = asyncio.get_running_loop()
        ends = [asyncio.Event() for _ in scripts]
        transports = []
        started = time.perf_counter()
        for script, end in zip(scripts, ends, strict=True):
            made = await loop.create_connection(
                lambda script=script, end=end: _Client(script(), tally, end),
                host,
                port,
            )
            transports.append(made[0])
        waiting = asyncio.gather(*(end.wait() for end in ends))
        try:
            await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            for transport in transports:
                transport.abort()
        return tally, time.perf_counter() - started

    return uvloop.run(run())
