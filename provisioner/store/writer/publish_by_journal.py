"""The journal's way to publish a commit: one sync, of a record that holds its pack.

Pack, index and ref are put in place unsynced; after a power cut the record restores them
(see journal.py).
"""

from __future__ import annotations

from provisioner.git.commit import Staged
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock
from provisioner.store.journal.file import JournalFailed
from provisioner.store.writer.recovering_journal import RecoveringJournal


class JournalPublisher:
    """Used as PackSink is.  Raises as the steps of `Sink` do; then the caller gives up the ref."""

    def __init__(self, journal: RecoveringJournal, files: PackFiles, ref: RefLock) -> None:
        self._journal = journal
        self._files = files
        self._ref = ref
        self._is_begun = False

    def begin(self, staged: Staged) -> None:
        """Take the ref and put the files in place, if nobody has to be waited for."""
        journal = self._journal.current
        self._is_begun = (
            journal is not None
            and journal.has_room(staged.built.content)
            and self._ref.try_take(expected=staged.parent, new=staged.commit)
        )
        if self._is_begun:
            self._files.add(staged.built)

    @property
    def is_begun(self) -> bool:
        """Whether `begin` took the ref of the commit that is published now."""
        return self._is_begun

    def sync(self, staged: Staged) -> bool:
        """Append the record, durably; False where the journal does not take it, or there is none.

        The ref is taken.
        """
        journal = self._journal.current
        if journal is None:
            return False
        try:
            if not journal.takes(staged.built.content):
                return False
            if not self._is_begun:
                self._files.add(staged.built)
            journal.append(staged.parent, staged.commit, staged.built.content)
        except JournalFailed as failure:
            self._journal.give_up(failure)
            return False
        return True

    def end(self, staged: Staged) -> None:
        """Move the ref."""
        self._ref.move()
        self._files.let_go(staged.built)
