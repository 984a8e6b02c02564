"""Machines that load a file again and again, in a process of their own.

    python -m benchmarks.downloads HOST PORT PATH CLIENTS

Answers each line of its standard input with the bytes that all have got so far, and ends with
its input.  `beside` runs it, behind a link of a given speed where one is wanted.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks import load_client

BUFFER_BYTES = 1_048_576
_SERVER, _CLIENTS = "198.18.0.1", "198.18.0.2"  # of the range for benchmarks, RFC 2544


@contextmanager
def beside(
    port: int, path: str, clients: int, link: str = ""
) -> Iterator[Callable[[], tuple[int, float]]]:
    """Run the machines; yields what tells the bytes so far, and when, in seconds.

    `link` is a speed as `tc` writes it, such as `1gbit`: a network of its own, which needs root
    and a server that listens on all addresses.  Without it they load over loopback.
    """
    with _behind(link) as (host, words):
        command = [*words, sys.executable, "-m", "benchmarks.downloads"]
        process = subprocess.Popen(
            [*command, host, str(port), path, str(clients)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        asks, answers = process.stdin, process.stdout

        def loaded() -> tuple[int, float]:
            asks.write("\n")
            asks.flush()
            return int(answers.readline()), time.monotonic()

        try:
            yield loaded
        finally:
            process.communicate()


@contextmanager
def _behind(link: str) -> Iterator[tuple[str, Sequence[str]]]:
    if not link:
        yield "127.0.0.1", ()
        return
    name = f"bench{os.getpid()}"
    outside, inside = f"{name}o"[-15:], f"{name}i"[-15:]
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outside, "type", "veth", "peer", inside, "netns", name)
        _run("ip", "address", "add", f"{_SERVER}/30", "dev", outside)
        _run("ip", "link", "set", outside, "up")
        _run("ip", "-n", name, "address", "add", f"{_CLIENTS}/30", "dev", inside)
        _run("ip", "-n", name, "link", "set", inside, "up")
        shape = ("tbf", "rate", link, "burst", "1mb", "latency", "50ms")
        _run("tc", "qdisc", "add", "dev", outside, "root", *shape)
        yield _SERVER, ("ip", "netns", "exec", name)
    finally:
        _run("ip", "netns", "delete", name)


def _run(*words: str) -> None:
    subprocess.run(words, check=True)


def _load(address: tuple[str, int], path: str, clients: int) -> None:
    asked, buffer, loaded = load_client.get(path), bytearray(BUFFER_BYTES), [0]
    with selectors.DefaultSelector() as waiting:
        for _ in range(clients):
            _ask(waiting, address, asked)
        threading.Thread(target=_tell, args=(loaded,), daemon=True).start()
        while True:
            for key, _ in waiting.select():
                opened = key.fileobj
                assert isinstance(opened, socket.socket)
                try:
                    size = opened.recv_into(buffer)
                except OSError:
                    size = 0
                loaded[0] += size
                if not size:
                    waiting.unregister(opened)
                    opened.close()
                    _ask(waiting, address, asked)


def _ask(waiting: selectors.BaseSelector, address: tuple[str, int], asked: bytes) -> None:
    opened = socket.create_connection(address, timeout=30)
    opened.sendall(asked)
    waiting.register(opened, selectors.EVENT_READ)


def _tell(loaded: list[int]) -> None:
    for _ in sys.stdin:
        print(loaded[0], flush=True)
    os._exit(0)


if __name__ == "__main__":
    _load((sys.argv[1], int(sys.argv[2])), sys.argv[3], int(sys.argv[4]))
