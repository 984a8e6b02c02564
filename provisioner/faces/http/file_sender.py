"""Sends parts of files beside the event loop, at the speed of their clients.

A connection that gets a part of a file is taken out of the loop: one thread sends all of them
with `sendfile`, a step each in turn, and closes them.  So 50 machines that load their operating
system at once cost the loop 50 hand-overs and no memory, and never more than one core.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections import deque
from contextlib import suppress
from threading import Thread

from provisioner.faces.http.answers import FilePart

TRANSFERS = 1_024  # at once; 503 beyond, and boot scripts try again
STEP_BYTES = 262_144  # to one client, before the next has its turn
BYTES_PER_SECOND = 131_072  # 1 Mbit/s: who is slower is cut off
PATIENCE_SECONDS = 30.0  # … beside what the length takes
_LOOK_SECONDS = 1.0  # between two looks at who is past its time

_LOG = logging.getLogger(__name__)


class FileSender:
    """Takes over connections with `send`, which any thread may call."""

    def __init__(self) -> None:
        self._arrived: deque[_Transfer] = deque()  # filled by others, emptied by the thread
        self._under_way: dict[int, _Transfer] = {}  # the thread's own
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_closing = False
        self._thread = Thread(target=self._run, name="files", daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many parts are on their way."""
        return len(self._under_way) + len(self._arrived)

    @property
    def has_room(self) -> bool:
        return not self._is_closing and self.count < TRANSFERS

    def send(self, descriptor: int, head: bytes, part: FilePart) -> None:
        """Send head and part over a socket of ours; both are closed in any case."""
        self._arrived.append(_Transfer(socket.socket(fileno=descriptor), head, part))
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Break off what is under way: a machine asks again, with a range."""
        self._is_closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()

    def _run(self) -> None:
        with select.epoll() as poll:
            poll.register(self._wake, select.EPOLLIN)
            next_look = 0.0
            while not self._is_closing:
                for number, _ in poll.poll(_LOOK_SECONDS if self._under_way else -1):
                    if number == self._wake:
                        self._take_in(poll)
                    elif self._under_way[number].step():
                        self._drop(poll, number)
                now = time.monotonic()
                if now >= next_look:
                    next_look = now + _LOOK_SECONDS
                    for number in [n for n, each in self._under_way.items() if each.end < now]:
                        self._drop(poll, number)
            self._take_in(poll)
            for number in tuple(self._under_way):
                self._drop(poll, number)

    def _take_in(self, poll: select.epoll) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._arrived:
            transfer = self._arrived.popleft()
            number = transfer.client.fileno()
            self._under_way[number] = transfer
            poll.register(number, select.EPOLLOUT)

    def _drop(self, poll: select.epoll, number: int) -> None:
        poll.unregister(number)  # closing does not: the loop's descriptor may still be open
        self._under_way.pop(number).close()


class _Transfer:
    """One client's part of a file; `end` is when its patience is over, on the monotonic clock."""

    def __init__(self, client: socket.socket, head: bytes, part: FilePart) -> None:
        client.setblocking(False)
        self.client = client
        self.end = time.monotonic() + PATIENCE_SECONDS + part.length / BYTES_PER_SECOND
        self._head = head
        self._file = part.file
        self._offset, self._last = part.offset, part.offset + part.length

    def step(self) -> bool:
        """Send what the socket takes, a step at the most; return whether it is over."""
        try:
            if self._head:
                self._head = self._head[self.client.send(self._head) :]
            elif self._offset < self._last:
                length = min(self._last - self._offset, STEP_BYTES)
                count = os.sendfile(self.client.fileno(), self._file.fileno(), self._offset, length)
                if count == 0:
                    return True  # the file is shorter by now: the client sees too few bytes
                self._offset += count
        except BlockingIOError:
            return False
        except OSError as error:
            _LOG.debug("a file was not sent to its end: %s", error.strerror)
            return True
        return not self._head and self._offset >= self._last

    def close(self) -> None:
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)
        self.client.close()
        self._file.close()
