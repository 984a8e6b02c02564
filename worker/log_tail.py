"""The last lines of a container's output.

Buffers the end of an output that may be endless, and splits it into lines as it comes.  The end
is held as bytes and cut rarely, because output may come as a million short lines.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from worker import wire

LINE_LIMIT = 16_384  # a line without an end is passed on in pieces of this many characters


class LogTail:
    """The last `wire.LOG_TAIL_BYTES` of what was fed, as text."""

    KEPT_BYTES = 2 * wire.LOG_TAIL_BYTES  # a terminal's line ends are shorter in a report

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""
        self._end = bytearray()

    def feed(self, chunk: bytes, *, last: bool = False) -> Iterator[str]:
        """Take a piece of output; yield the lines that it completes, without their ends."""
        self._keep(chunk)
        self._line += self._decoder.decode(chunk, last)
        *lines, self._line = self._line.split("\n")
        for line in lines:
            yield line.removesuffix("\r")  # a terminal's
        while len(self._line) > LINE_LIMIT or (last and self._line):
            yield self._line[:LINE_LIMIT]
            self._line = self._line[LINE_LIMIT:]

    def note(self, line: str) -> None:
        """Add a line of the worker's own."""
        lead = "" if not self._end or self._end.endswith(b"\n") else "\n"
        self._keep(f"{lead}{line}\n".encode())

    @property
    def content(self) -> bytes:
        """The last bytes of all that was fed."""
        return bytes(self._end[-self.KEPT_BYTES :])

    def keep(self, before: bytes, end: bytes) -> None:
        """Have these be the last bytes, whatever was fed."""
        self._end = bytearray((before + end)[-self.KEPT_BYTES :])

    @property
    def text(self) -> str:
        text = self._end.decode("utf-8", "replace").replace("\r\n", "\n")
        # What is not text has grown by its replacement, so cut after it.
        return text.encode()[-wire.LOG_TAIL_BYTES :].decode("utf-8", "ignore")

    def _keep(self, chunk: bytes) -> None:
        self._end += chunk
        if len(self._end) > 2 * self.KEPT_BYTES:
            del self._end[: -self.KEPT_BYTES]
