"""What were the last words of a container?

Keeps the end of an output that may be endless, and cuts it into lines as it comes.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from worker import wire

LINE_LIMIT = 16_384  # a line without an end is passed on in pieces of this many characters


class LogTail:
    """The last `wire.LOG_TAIL_BYTES` of what was fed, as text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""
        self._tail = ""

    def feed(self, chunk: bytes, *, last: bool = False) -> Iterator[str]:
        """Take a piece of output; yield the lines that it completes, without their ends."""
        text = self._decoder.decode(chunk, last).replace("\r\n", "\n")
        self._tail = cut(self._tail + text)
        self._line += text
        *lines, self._line = self._line.split("\n")
        yield from lines
        while len(self._line) > LINE_LIMIT or (last and self._line):
            yield self._line[:LINE_LIMIT]
            self._line = self._line[LINE_LIMIT:]

    def note(self, line: str) -> None:
        """Add a line of the worker's own."""
        lead = "" if not self._tail or self._tail.endswith("\n") else "\n"
        self._tail = cut(f"{self._tail}{lead}{line}\n")

    @property
    def text(self) -> str:
        return self._tail


def cut(text: str) -> str:
    """The end of a text, at most `wire.LOG_TAIL_BYTES` in UTF-8."""
    if len(text) * 4 <= wire.LOG_TAIL_BYTES:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= wire.LOG_TAIL_BYTES:
        return text
    return encoded[-wire.LOG_TAIL_BYTES :].decode("utf-8", "ignore")
