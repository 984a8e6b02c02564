"""One preallocated file of the journal: records are written over blocks that exist already.

So a sync flushes data only: 0.10 ms where a new file costs 0.19 ms.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from provisioner.git import disk
from provisioner.store.journal import record_format
from provisioner.store.journal.record_format import BLOCK, Record

SIZE_BYTES = 4 * 1024 * 1024
SIZE_LIMIT_BYTES = 64 * 1024 * 1024


class JournalFailed(OSError):
    """The disk refused the journal."""


class JournalFile:
    """Used by one thread at a time.  Raises OSError unless it says otherwise."""

    def __init__(self, path: Path) -> None:
        """Open a file, or make an empty one; what it holds stays until `prepare` or `clear`."""
        self.path = path
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._at = 0
        self.size_bytes = os.fstat(self.handle).st_size

    def prepare(self, size_bytes: int = 0) -> None:
        """Give the file all its blocks, empty and on the disk, and start at its beginning.

        It never shrinks, and grows as far as the disk lets it; OSError below `SIZE_BYTES`.
        """
        self._erase()
        wanted = max(size_bytes, SIZE_BYTES)
        try:
            while self.size_bytes < wanted:
                some = bytes(min(SIZE_BYTES, wanted - self.size_bytes))
                self.size_bytes += os.pwrite(self.handle, some, self.size_bytes)
        except OSError:
            if self.size_bytes < SIZE_BYTES:
                raise
        os.fsync(self.handle)
        disk.sync(self.path.parent)

    def clear(self) -> None:
        """Forget the records, durably: without the first the others are not read either."""
        self._erase()
        os.fsync(self.handle)

    def has_room(self, size_bytes: int) -> bool:
        """Whether so many bytes fit behind what was appended."""
        return self._at + size_bytes <= self.size_bytes

    def append(self, blocks: bytes) -> None:
        """Write whole blocks and wait until they are on the disk; raises `JournalFailed`."""
        try:
            # One call, as `pwrite` and `fdatasync` in turn: between two this thread would have
            # to wait for the interpreter.
            if os.pwritev(self.handle, [blocks], self._at, os.RWF_DSYNC) != len(blocks):
                raise JournalFailed("short write to the journal")
        except OSError as failure:
            raise JournalFailed(*failure.args) from failure
        self._at += len(blocks)

    def records(self) -> Iterator[Record]:
        """Yield the records that the file holds, oldest first."""
        return record_format.read(self.handle)

    def close(self) -> None:
        """Close the file as it is."""
        os.close(self.handle)

    def _erase(self) -> None:
        os.pwrite(self.handle, bytes(BLOCK), 0)
        self._at = 0
