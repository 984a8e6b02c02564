"""How does a container's output get to our own, and its end into the report?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from worker.log_tail import LogTail

log = logging.getLogger(__name__)
output = logging.getLogger("worker.output")

END_SECONDS = 10  # for the last lines to arrive after a container's end


class LogPump:
    """Passes output on in a thread of its own, which ends with the container or its engine.

    `read(follow)` begins at the container's first byte each time; `skip_bytes` are known.
    """

    def __init__(
        self, read: Callable[[bool], Iterator[bytes]], tail: LogTail, *, skip_bytes: int = 0
    ) -> None:
        self._read = read
        self._tail = tail
        self._known_bytes = skip_bytes
        self._thread = threading.Thread(
            target=self._pump, args=(True,), name="container output", daemon=True
        )
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last lines of a container that has ended."""
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            log.warning("the end of the container's output is missing")
            return
        # A follower may be let go before the last lines, so what is written is read again.
        self._pump(False)
        for line in self._tail.feed(b"", last=True):
            output.info(line)

    def resumed(self) -> LogPump:
        """Read on where this one was cut off."""
        self._thread.join(END_SECONDS)
        return LogPump(self._read, self._tail, skip_bytes=self._known_bytes)

    def _pump(self, follow: bool) -> None:
        position = 0
        for chunk in self._read(follow):
            new = chunk[max(0, self._known_bytes - position) :]
            position += len(chunk)
            self._known_bytes = max(self._known_bytes, position)
            for line in self._tail.feed(new):
                output.info(line)
