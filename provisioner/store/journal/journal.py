"""A journal, which makes one sync enough for an acknowledgement.

A record holds a batch's pack and the ref's old and new value.  One sync of blocks that the
file has already takes 0.10 ms, the whole sequence pack, directory, ref, directory 0.8 ms.
The repository's files are written unsynced; when a journal file is full the file system is
synced behind the writer's back and the other file goes on.  After a power cut
`replay` restores the files from the records.

The newest record always names the commit where the writer left the ref.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from provisioner.errors import TinkError
from provisioner.git import disk
from provisioner.model.ids import CommitId
from provisioner.store.journal import record_format
from provisioner.store.journal.file import SIZE_LIMIT_BYTES, JournalFailed, JournalFile
from provisioner.store.journal.record_format import Record

# Syncing a file system takes seconds where others write to it as well.  Files that are full
# sooner grow, so that nobody waits for that.
_QUICKLY_FULL_SECONDS = 20.0
_EPOCH_BYTES = 16
_NAMES = ("journal-0", "journal-1")

_LOG = logging.getLogger(__name__)

# Called with a ref and the commit that the journal remembers it at, before the records that
# say so are cleared; by any thread.  On return it must be remembered durably elsewhere, or
# something newer; raises OSError or TinkError when it can't be.
Keep = Callable[[str, CommitId], None]


def keep_nothing(_ref: str, _tip: CommitId) -> None:
    """Do nothing, where nobody remembers tips."""


def paths(own_dir: Path) -> list[Path]:
    """Return the two files of the journal, whether they exist or not."""
    return [own_dir / name for name in _NAMES]


class Journal:
    """Two files, written alternately: while one is written, the other is freed by a thread.

    Used by one thread at a time.  Only `_failure` is written by the freeing thread, which is
    joined before it is read: so there is no lock.
    """

    def __init__(self, own_dir: Path, ref: str, keep: Keep = keep_nothing) -> None:
        """Start a round: what the files hold must have been recovered before.  Raises OSError."""
        self._own_dir = own_dir
        self._ref = ref
        self._keep = keep
        self._epoch = os.urandom(_EPOCH_BYTES)
        self._checksum = record_format.FIRST
        self._tip: CommitId | None = None  # of the newest record
        with ExitStack() as exits:
            self._files = [JournalFile(path) for path in paths(own_dir)]
            for file in self._files:
                exits.callback(file.close)
            for file in self._files:
                file.prepare()
            exits.pop_all()
        self._size_bytes = max(file.size_bytes for file in self._files)
        self._switched_at = time.monotonic()
        self._freeing: threading.Thread | None = None
        self._failure: Exception | None = None

    @property
    def tip(self) -> CommitId | None:
        """What the newest record of this round says; None when there is none yet."""
        return self._tip

    def has_room(self, pack: bytes) -> bool:
        """Whether a pack fits into the file that is being written."""
        return self._files[0].has_room(record_format.size_of(self._ref, len(pack)))

    def takes(self, pack: bytes) -> bool:
        """Whether a pack fits, in the other file if this one is full.

        Raises `JournalFailed` when the other one could not be freed.
        """
        if not self.has_room(pack):
            self._switch()
        return self.has_room(pack)

    def append(self, old: CommitId | None, new: CommitId, pack: bytes = b"") -> None:
        """Write a record, durably; after `JournalFailed` the journal must not be used any more."""
        record = Record(
            epoch=self._epoch, before=self._checksum, ref=self._ref, old=old, new=new, pack=pack
        )
        blocks, checksum = record_format.encode(record)
        self._files[0].append(blocks)
        self._checksum, self._tip = checksum, new

    def note(self, tip: CommitId) -> None:
        """Record where the ref is, when no record moved it there; its objects must be durable."""
        if self.takes(b""):
            self.append(None, tip)

    def close(self) -> None:
        """Leave nothing to recover, if the disk lets us; else the next start recovers it."""
        try:
            self._wait()
            disk.sync_file_system(self._own_dir)
            self._remember(self._tip)
            for file in reversed(self._files):  # the older one first, so that what is left is new
                file.clear()
        except (OSError, TinkError) as failure:
            _LOG.warning("leaving the journal for the next start: %s", failure)
        self.abandon()

    def abandon(self) -> None:
        """Close the files as they are, for the next start to recover."""
        if self._freeing is not None:
            self._freeing.join()
            self._freeing = None
        for file in self._files:
            file.close()

    def _switch(self) -> None:
        self._wait()
        self._files.reverse()
        now = time.monotonic()
        if now - self._switched_at < _QUICKLY_FULL_SECONDS:
            self._size_bytes = min(self._size_bytes * 2, SIZE_LIMIT_BYTES)
        self._switched_at = now
        self._freeing = threading.Thread(target=self._free, args=(self._tip,), name="store-journal")
        self._freeing.start()

    def _free(self, tip: CommitId | None) -> None:
        try:
            disk.sync_file_system(self._own_dir)
            self._remember(tip)
            self._files[1].prepare(self._size_bytes)
        except (OSError, TinkError) as failure:
            self._failure = failure

    def _remember(self, tip: CommitId | None) -> None:
        if tip is not None:
            self._keep(self._ref, tip)

    def _wait(self) -> None:
        if self._freeing is not None:
            self._freeing.join()
            self._freeing = None
        if self._failure is not None:
            raise JournalFailed(*self._failure.args)
