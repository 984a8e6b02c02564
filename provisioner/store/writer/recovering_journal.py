"""Recovery: of what a kill left behind at the start, and of a journal that fails while it works.

A file whose sync failed can't be trusted again.  So a journal that failed is given up, and begun
anew on new files as soon as the disk lets us; what the old ones hold is written again first.
"""

from __future__ import annotations

import logging
import time

from provisioner.errors import TinkError
from provisioner.git import disk
from provisioner.git.pack_files import PackFiles
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.journal import journal, replay
from provisioner.store.journal.file import JournalFailed
from provisioner.store.journal.journal import Journal, Keep

# Between two tries to have a journal again; each writes 8 MB.
AGAIN_SECONDS = 1.0
_AGAIN_LIMIT_SECONDS = 60.0

_LOG = logging.getLogger(__name__)


class RecoveringJournal:
    """The journal in `current`, which is None while there is none; used as PackSink is."""

    def __init__(
        self, repo: GitRepo, ref: str, files: PackFiles, keep: Keep, *, is_wanted: bool
    ) -> None:
        """`keep` remembers where the ref is, where no journal does; see `Keep`."""
        self._repo = repo
        self._ref = ref
        self._files = files
        self._keep = keep
        self._is_wanted = is_wanted  # or every batch goes by the files
        self._is_unsynced = False  # whether batches rest on a journal that failed
        self._again_at = 0.0
        self._again_seconds = AGAIN_SECONDS
        self.current: Journal | None = None

    def start(self) -> None:
        """Restore what was acknowledged before a kill or a power cut, and begin a journal."""
        if self._is_wanted:
            replay.recover(self._repo, self._ref, self._keep)
            self._begin()

    def begin_again(self, tip: CommitId | None) -> None:
        """Begin a journal where there is none and one is due; the ref is at `tip`."""
        if self.current is not None or not self._is_wanted or time.monotonic() < self._again_at:
            return
        try:
            replay.write_again(self._repo, self._files)
            self._is_unsynced = False
            if tip is not None:
                self._keep(self._ref, tip)
            for path in journal.paths(self._repo.own_dir):
                path.unlink(missing_ok=True)
        except (OSError, TinkError) as failure:
            self._put_off(failure)
        else:
            self._begin()

    def give_up(self, failure: JournalFailed) -> None:
        """Go on without: each batch goes by the files until `begin_again` succeeds."""
        _LOG.warning("the journal failed; each batch takes three syncs now: %s", failure)
        assert self.current is not None
        self.current.abandon()
        self.current = None
        self._is_unsynced = True
        self._again_at = time.monotonic() + self._again_seconds

    def note(self, tip: CommitId) -> None:
        """Have the journal, if there is one, say where the ref is; its objects are durable."""
        if self.current is None:
            return
        try:
            self.current.note(tip)
        except JournalFailed as failure:
            self.give_up(failure)

    def note_published(self, tip: CommitId) -> None:
        """Remember where a batch that went by the files left the ref: here, or by `keep`."""
        self.note(tip)
        if self.current is None and self._is_wanted:
            self._keep(self._ref, tip)

    def note_adopted(self, tip: CommitId) -> None:
        """Make somebody else's commit durable, which git does not, and remember the ref there."""
        self._sync_file_system()
        if self.current is not None and self.current.tip not in (None, tip):
            self.note(tip)

    def sync_unsynced(self) -> None:
        """Make durable what rests on a journal that failed; what follows is built on it."""
        if self._is_unsynced:
            self._sync_file_system()

    def close(self) -> None:
        """Leave nothing to recover, if the disk lets us; else the next start recovers it."""
        if self.current is not None:
            self.current.close()

    def _sync_file_system(self) -> None:
        disk.sync_file_system(self._files.directory)
        self._is_unsynced = False

    def _begin(self) -> None:
        try:
            self.current = Journal(self._repo.own_dir, self._ref, self._keep)
            self._again_seconds = AGAIN_SECONDS
        except OSError as failure:
            self._put_off(failure)

    def _put_off(self, failure: Exception) -> None:
        self._again_seconds = min(2 * self._again_seconds, _AGAIN_LIMIT_SECONDS)
        self._again_at = time.monotonic() + self._again_seconds
        _LOG.warning("there is no journal; each batch takes three syncs now: %s", failure)
