"""Serves files: which part of one was asked for, and how it is sent beside the event loop.

A connection that gets a part of a file is taken out of the loop: a thread sends it with
`sendfile`, at the client's speed, and closes it.  So 50 machines that load their operating
system at once cost the loop 50 hand-overs, and no memory.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

from provisioner.errors import NotFound, Unavailable
from provisioner.faces.http.answers import Answer, FilePart
from provisioner.faces.http.errors import answer_to, error_answer

SENDERS = 64  # connections that are sent parts of files at once
QUEUE_LIMIT = 256  # … and so many that wait; 503 beyond, and boot scripts try again
STEP_BYTES = 1_048_576
BYTES_PER_SECOND = 131_072  # 1 Mbit/s: who is slower is cut off
PATIENCE_SECONDS = 30.0  # … beside what the length takes
OCTETS = "application/octet-stream"

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)\Z", re.ASCII)
_LOG = logging.getLogger(__name__)


def answer(path: Path, headers: Mapping[str, str], *, etag: str = "") -> Answer:
    """Answer a GET or a HEAD for a file, as RFC 9110 says: one range, ETag, conditions.

    `etag` names the content; without it size and time of change do.  More than one range, or
    one that can't be read, gets the whole file, which the RFC allows.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return answer_to(NotFound("file", path.name))
    except OSError as error:
        return answer_to(Unavailable(f"{path.name}: {error.strerror}"))
    about = os.fstat(file.fileno())
    size, tag = about.st_size, f'"{etag or f"{about.st_mtime_ns:x}-{about.st_size:x}"}"'
    common = (("ETag", tag), ("Accept-Ranges", "bytes"))
    if tag in _tags(headers.get("if-none-match", "")):
        file.close()
        return Answer(status=304, content_type="", headers=common)
    found = None
    if headers.get("if-range", tag) == tag:
        found = _range_of(headers.get("range", ""), size)
    if found is None:
        part = FilePart(file=file, offset=0, length=size)
        return Answer(content_type=OCTETS, headers=common, part=part)
    offset, length = found
    if length <= 0:
        file.close()
        refused = error_answer(416, "range", f"the file has {size} bytes")
        unsatisfied = ("Content-Range", f"bytes */{size}")
        return Answer(status=416, body=refused.body, headers=(*common, unsatisfied))
    span = ("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}")
    part = FilePart(file=file, offset=offset, length=length)
    return Answer(status=206, content_type=OCTETS, headers=(*common, span), part=part)


def _tags(text: str) -> set[str]:
    return {each.strip().removeprefix("W/") for each in text.split(",")}


def _range_of(text: str, size: int) -> tuple[int, int] | None:
    """Offset and length; a length of 0 or less can't be satisfied.  None: the whole file."""
    found = _RANGE.match(text.strip())
    if found is None or found[1] == found[2] == "" or max(map(len, found.groups())) > 18:
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return size - length, length
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return first, last - first + 1


class FileSender:
    """Sends parts of files over sockets that were taken out of a loop; thread-safe."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="files")
        self._lock = Lock()
        self._under_way = 0
        self._is_closing = False

    @property
    def has_room(self) -> bool:
        return not self._is_closing and self._under_way < SENDERS + QUEUE_LIMIT

    def send(self, descriptor: int, head: bytes, part: FilePart) -> None:
        """Send head and part over a socket of ours; both are closed in any case."""
        with self._lock:
            self._under_way += 1
        self._threads.submit(self._send, descriptor, head, part)

    def close(self) -> None:
        """Break off what is under way: a machine asks again, with a range."""
        self._is_closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _send(self, descriptor: int, head: bytes, part: FilePart) -> None:
        try:
            with part.file as file, socket.socket(fileno=descriptor) as client:
                client.setblocking(False)
                end = time.monotonic() + PATIENCE_SECONDS + part.length / BYTES_PER_SECOND
                if self._send_all(client, head, end):
                    self._send_part(client, file.fileno(), part, end)
                with suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
        except OSError as error:
            _LOG.debug("a file was not sent to its end: %s", error.strerror)
        finally:
            with self._lock:
                self._under_way -= 1

    def _send_all(self, client: socket.socket, text: bytes, end: float) -> bool:
        while text:
            if not self._is_ready(client, end):
                return False
            text = text[client.send(text) :]
        return True

    def _send_part(self, client: socket.socket, file: int, part: FilePart, end: float) -> None:
        offset, last = part.offset, part.offset + part.length
        while offset < last and self._is_ready(client, end):
            with suppress(BlockingIOError):
                count = os.sendfile(client.fileno(), file, offset, min(last - offset, STEP_BYTES))
                if count == 0:
                    return  # the file is shorter by now; the client sees that it got too little
                offset += count

    def _is_ready(self, client: socket.socket, end: float) -> bool:
        """Wait until more can be sent; not when the server ends or the client is too slow."""
        poll = select.poll()
        poll.register(client, select.POLLOUT)
        while not self._is_closing and time.monotonic() < end:
            if poll.poll(500):
                return True
        return False
