"""What somebody who only reaches the port may try: each a function that does it once.

All know a workflow that runs its first action.  None waits for an answer that it does not
need, and most keep their connections for two seconds; `OSError` means that the server sent
them away.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterator

HOLD_SECONDS = 2.0  # how long connections are kept that do nothing
_STRANGER = "02:99:00:00:00:01"
_BLOCK = 512


class Target:
    """A server, and the workflow and worker that a push is taken from."""

    def __init__(self, host: str, port: int, workflow: str, worker: str) -> None:
        self.address = (host, port)
        self.reports = f"/v1/workflows/{workflow}/reports"
        self.data = (
            f"/v1/workflows/{workflow}/data?worker={worker}&action_index=0&attempt=1&report_id="
        )

    @contextlib.contextmanager
    def connected(self, *, receive_buffer: int = 0) -> Iterator[socket.socket]:
        with socket.socket() as opened:
            if receive_buffer:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            opened.settimeout(0.5)
            opened.connect(self.address)
            yield opened


def head(method: str, path: str, *headers: str) -> bytes:
    lines = "".join(f"{each}\r\n" for each in (f"{method} {path} HTTP/1.1", "Host: x", *headers))
    return lines.encode() + b"\r\n"


def _sized(method: str, path: str, body: bytes) -> bytes:
    return head(method, path, f"Content-Length: {len(body)}") + body


def _chunked(method: str, path: str) -> bytes:
    return head(method, path, "Transfer-Encoding: chunked")


_POLL = head("GET", f"/v1/workers/{_STRANGER}/action?wait=60")
_LIST = head("GET", "/v1/workflows")


def endless_trailers(target: Target, chance: random.Random) -> None:
    begun = chance.choice([b"0\r\n", b"0\r\na: ", b"1;"])
    filler = chance.choice([b"a:\r\n", b"x"]) * 16_000
    with target.connected() as opened:
        opened.sendall(_chunked("POST", target.reports) + begun)
        for _ in range(50):
            opened.sendall(filler)


def endless_heads(target: Target, chance: random.Random) -> None:
    with target.connected() as opened:
        opened.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(50):
            opened.sendall(b"x" * 16_000)


def bodies_behind_a_poll(target: Target, chance: random.Random) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            with contextlib.suppress(OSError):
                opened = stack.enter_context(target.connected())
                opened.settimeout(0.05)
                opened.sendall(_POLL + _sized("POST", target.reports, b"x" * 400_000) * 17)
        time.sleep(HOLD_SECONDS)


def half_sent_bodies(target: Target, chance: random.Random) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            with contextlib.suppress(OSError):
                opened = stack.enter_context(target.connected())
                opened.sendall(_sized("POST", target.reports, b"x" * 200_000)[:-1])
        time.sleep(HOLD_SECONDS)


def stalled_pushes(target: Target, chance: random.Random) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            with contextlib.suppress(OSError):
                opened = stack.enter_context(target.connected())
                opened.sendall(_chunked("PUT", target.data + "s") + b"FFFFFF\r\n" + bytes(500_000))
        time.sleep(HOLD_SECONDS)


def pushes_behind_a_poll(target: Target, chance: random.Random) -> None:
    with target.connected() as opened:
        poll = head("GET", f"/v1/workers/{_STRANGER}/action?wait=0.2")
        opened.sendall(poll + _sized("PUT", target.data + "p", b"") * 2)
        opened.recv(65_536)


def lists_that_nobody_reads(target: Target, chance: random.Random) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            with contextlib.suppress(OSError):
                opened = stack.enter_context(target.connected(receive_buffer=4_096))
                opened.sendall(_LIST * 8)
        time.sleep(HOLD_SECONDS)


def lists_of_clients_that_go(target: Target, chance: random.Random) -> None:
    for _ in range(30):
        with contextlib.suppress(OSError), target.connected() as opened:
            opened.sendall(_LIST)


def hostile_archives(target: Target, chance: random.Random) -> None:
    digits = _pax(b"x", b"1" * 60_000)
    records = _pax(b"x", b"6 a=b\n" * 9_000)
    for_all = _pax(b"g", b"6 a=b\n" * 9_000)
    archive = chance.choice([digits, records * 300, for_all + _pax(b"x", b"6 a=b\n") * 3_000])
    with target.connected() as opened:
        opened.settimeout(20)
        name = f"{target.data}h{chance.randrange(10**9)}"
        opened.sendall(_sized("PUT", name, archive + bytes(2 * _BLOCK)))
        opened.recv(65_536)


def _pax(kind: bytes, content: bytes) -> bytes:
    block = bytearray(_BLOCK)
    block[0:1], block[100:108], block[124:136] = b"x", b"0000644\0", b"%011o\0" % len(content)
    block[156:157], block[257:265], block[148:156] = kind, b"ustar\x0000", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % _BLOCK)


def damaged_requests(target: Target, chance: random.Random) -> None:
    whole = bytearray(
        _sized("POST", target.reports, b'{"worker": "w"}')
        + _chunked("POST", target.reports)
        + b"2\r\n{}\r\n0\r\nt: v\r\n\r\n"
        + head("GET", "/metrics")
    )
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with contextlib.suppress(OSError), target.connected() as opened:
            opened.sendall(damaged[: chance.randrange(1, len(damaged))])
            opened.settimeout(0.02)
            opened.recv(65_536)


def slow_heads(target: Target, chance: random.Random) -> None:
    with contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(200):
            with contextlib.suppress(OSError):
                crowd.append(stack.enter_context(target.connected()))
        end = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < end:
            for opened in crowd:
                with contextlib.suppress(OSError):
                    opened.sendall(
                        b"GET / HTTP/1.1\r\nHost: x\r\n" if chance.random() < 0.5 else b"X"
                    )
            time.sleep(0.2)


KINDS: tuple[Callable[[Target, random.Random], None], ...] = (
    endless_trailers,
    endless_heads,
    bodies_behind_a_poll,
    half_sent_bodies,
    stalled_pushes,
    pushes_behind_a_poll,
    lists_that_nobody_reads,
    lists_of_clients_that_go,
    hostile_archives,
    damaged_requests,
    slow_heads,
)
