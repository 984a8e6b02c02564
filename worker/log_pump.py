"""Copies a container's output to ours, and its last lines into the report.

A follower passes it on as it comes.  Output that comes faster than that is rotated away by the
engine before it is read, so the end is always read from what the engine has when the
container has ended: the last lines, which say why, are never missing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from worker.log_tail import LogTail

log = logging.getLogger(__name__)
output = logging.getLogger("worker.output")

# For a follower that is behind, after its container's end: at most, and without a word of it.
END_SECONDS = 60
STALLED_SECONDS = 10
_MATCH_BYTES = 1_024  # of what was heard last, to find where that is in what the engine has


class CutOff(Exception):
    """The engine went away while it was read from."""


class LogPump:
    """Passes output on in a thread of its own, which ends with the container or its engine.

    `read(follow)` begins at the first byte that the engine still has; it may raise `CutOff`.
    """

    def __init__(
        self,
        read: Callable[[bool], Iterator[bytes]],
        tail: LogTail,
        *,
        skip_bytes: int = 0,
        before: bytes | None = None,
    ) -> None:
        """`before` is what other containers of the run said."""
        self._read = read
        self._tail = tail
        self._before = tail.content if before is None else before
        self._heard_bytes = skip_bytes
        self._lock = threading.Lock()  # guards the tail, and who passes on
        self._is_followed = True
        self._thread = threading.Thread(target=self._follow, name="container output", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Take in the end of the output of a container that has ended."""
        self._await_follower()
        try:
            size, end = self._read_end()
        except CutOff:
            log.warning("the end of the container's output is missing")
        else:
            if size - self._heard_bytes > len(end) and self._heard_bytes:
                self._pass_on_unheard()
            else:
                self._pass_on(self._missing(size, end))
            if size:
                self._tail.keep(self._before, end)
        self._pass_on(b"", last=True)

    def resumed(self) -> LogPump:
        """Read on where this one was cut off."""
        self._await_follower()
        return LogPump(self._read, self._tail, skip_bytes=self._heard_bytes, before=self._before)

    def _await_follower(self) -> None:
        """Let it come to its end while it gets on, then let it pass on no more."""
        give_up = time.monotonic() + END_SECONDS
        heard_bytes = -1
        while self._thread.is_alive() and self._heard_bytes != heard_bytes:
            heard_bytes = self._heard_bytes
            left = give_up - time.monotonic()
            if left <= 0:
                break
            self._thread.join(min(STALLED_SECONDS, left))
        with self._lock:
            self._is_followed = False

    def _follow(self) -> None:
        position = 0
        try:
            for chunk in self._read(True):
                with self._lock:
                    if not self._is_followed:
                        return
                    new = chunk[max(0, self._heard_bytes - position) :]
                    position += len(chunk)
                    self._heard_bytes = max(self._heard_bytes, position)
                    self._pass_on(new)
        except CutOff:
            return

    def _read_end(self) -> tuple[int, bytes]:
        """How much the engine has, and the end of that; costs a reading of 16 MB at most."""
        size, end = 0, bytearray()
        for chunk in self._read(False):
            size += len(chunk)
            end += chunk
            if len(end) > 2 * LogTail.KEPT_BYTES:
                del end[: -LogTail.KEPT_BYTES]
        return size, bytes(end[-LogTail.KEPT_BYTES :])

    def _pass_on_unheard(self) -> None:
        """Read again what the follower left out: docker may end it with its container."""
        position = 0
        try:
            for chunk in self._read(False):
                self._pass_on(chunk[max(0, self._heard_bytes - position) :])
                position += len(chunk)
        except CutOff:
            log.warning("the end of the container's output is missing")

    def _missing(self, size: int, end: bytes) -> bytes:
        """What of the end was not passed on yet."""
        heard = self._tail.content[-_MATCH_BYTES:]
        if not self._heard_bytes or not heard:
            return end
        if size >= self._heard_bytes:  # all is there from the first byte, or much more has come
            missing = size - self._heard_bytes
        else:
            at = end.rfind(heard)
            missing = len(end) - at - len(heard) if at >= 0 else len(end) + 1
        if missing > len(end):
            log.warning(
                "the container prints faster than it can be read: part of its output is skipped"
            )
        return end[-missing:] if missing else b""

    def _pass_on(self, chunk: bytes, *, last: bool = False) -> None:
        for line in self._tail.feed(chunk, last=last):
            output.info(line)
