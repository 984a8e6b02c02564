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

    `read` begins at the container's first byte each time; `skip_bytes` are known already.
    """

    def __init__(
        self, read: Callable[[], Iterator[bytes]], tail: LogTail, *, skip_bytes: int = 0
    ) -> None:
        self._read = read
        self._tail = tail
        self._skip_bytes = skip_bytes
        self._seen_bytes = 0
        self._thread = threading.Thread(target=self._pump, name="container output", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last lines of a container that has ended."""
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            log.warning("the end of the container's output is missing")
            return
        for line in self._tail.feed(b"", last=True):
            output.info(line)

    def resumed(self) -> LogPump:
        """Read on where this one was cut off."""
        self._thread.join(END_SECONDS)
        seen = max(self._seen_bytes, self._skip_bytes)
        return LogPump(self._read, self._tail, skip_bytes=seen)

    def _pump(self) -> None:
        for chunk in self._read():
            new = chunk[max(0, self._skip_bytes - self._seen_bytes) :]
            self._seen_bytes += len(chunk)
            for line in self._tail.feed(new):
                output.info(line)
