"""How a group becomes one pack and one move of the ref, without any git process.

Durable by the journal (one sync, see journal.py) or, where that can't be had or has
failed, by the files themselves: pack and index, then their directory and the new ref,
then the ref's directory; three syncs long, in an order that no power cut can upset.
A journal that failed is begun anew, on new files, as soon as the disk lets us.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from provisioner.errors import TinkError
from provisioner.git import disk
from provisioner.git.commit import FileChange, Staged, commit_text
from provisioner.git.pack import Pack, PackBuilder
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, FILE_MODE, TREE_MODE, TreeEditor
from provisioner.model.ids import CommitId
from provisioner.store.journal import journal, replay
from provisioner.store.journal.file import JournalFailed
from provisioner.store.journal.journal import Journal, Keep, keep_nothing

# Between two tries to have a journal again; each writes 8 MB.
_AGAIN_SECONDS = 1.0
_AGAIN_LIMIT_SECONDS = 60.0

_LOG = logging.getLogger(__name__)


class PackSink:
    """Only for the holder of the writer's lock.  `sync` may be another thread's than the rest."""

    def __init__(
        self, repo: GitRepo, ref: str, *, journal: bool = True, keep: Keep = keep_nothing
    ) -> None:
        """Repair what a power cut or a kill left behind, and go on from the ref.

        `keep` remembers where the ref was before the journal, which remembers it, is cleared;
        while there is no journal it is called for each group.
        """
        self._repo = repo
        self._files = PackFiles(repo.objects_dir)
        self._files.remove_unfinished()
        if restored := self._files.restore_indexes():
            _LOG.warning("restored the index of %d packs, which a git gc had deleted", restored)
        self._ref = RefLock(repo.common_dir, ref, spares=repo.own_dir if journal else None)
        self._ref.clear_stale()
        self._keep = keep
        self._is_unsynced = False  # whether groups rest on a journal that failed
        self._is_begun = self._is_moved = False  # how far the group is that is published now
        self._journal: Journal | None = None
        self._has_journal = journal  # or had one, and wants it again
        self._again_at = 0.0
        self._again_seconds = _AGAIN_SECONDS
        try:
            if journal:
                replay.recover(repo, ref, keep)
                self._begin_journal()
            self._files.let_go_all()
            self.reset(repo.resolve(ref))
        except BaseException:
            self.close()
            raise

    def reset(self, tip: CommitId | None) -> None:
        self._ref.release()
        if tip is not None:
            # Somebody else's commit: git left its directories unsynced.
            self._sync_file_system()
            if self._journal is not None and self._journal.tip not in (None, tip):
                self._note(tip)
        self._tip = tip
        root = self._repo.commit(tip).tree if tip else EMPTY_TREE
        self._trees = TreeEditor(root, lambda each: self._repo.object(each).content)

    def stage(self, changes: tuple[FileChange, ...], message: str, *, at_seconds: int) -> Staged:
        builder = PackBuilder()
        for change in changes:
            if change.content is not None:
                self._trees.put(change.path, FILE_MODE, builder.add("blob", change.content))
            elif change.files:
                self._trees.put(change.path, TREE_MODE, _add_folder(builder, change.files))
            elif change.tree is not None and change.tree != EMPTY_TREE:
                self._trees.put(change.path, TREE_MODE, bytes.fromhex(change.tree))
            else:
                self._trees.remove(change.path)
        root = self._trees.write(lambda content: builder.add("tree", content))
        text = commit_text(root.hex(), self._tip, message, at_seconds=at_seconds)
        commit = CommitId(builder.add("commit", text).hex())
        staged = Staged(parent=self._tip, commit=commit, pack=builder.build())
        self._tip = commit
        return staged

    def begin(self, staged: Staged) -> None:
        """Take the ref and put the files in place, if nobody has to be waited for."""
        content = _pack_of(staged)
        journal = self._journal
        self._is_begun = (
            journal is not None
            and journal.has_room(content.content)
            and self._ref.try_take(expected=staged.parent, new=staged.commit)
        )
        if self._is_begun:
            with self._releasing(content):
                self._files.add(content)

    def sync(self, staged: Staged) -> None:
        content = _pack_of(staged)
        if not self._is_begun:
            if self._journal is None:
                self._begin_journal_again(staged.parent)
            self._ref.take(expected=staged.parent, new=staged.commit)
        with self._releasing(content):
            self._is_moved = not self._by_journal(staged, content)
            if self._is_moved:
                self._by_files(staged, content)

    def end(self, staged: Staged) -> None:
        if not self._is_moved:
            content = _pack_of(staged)
            with self._releasing(content):
                self._ref.move()
            self._files.let_go(content)

    def rehearse(self, size_bytes: int) -> None:
        disk.rehearse(self._files.directory, size_bytes)
        if self._tip is None:
            return
        if self._journal is None:
            self._begin_journal_again(self._tip)
        self._ref.take(expected=self._tip, new=self._tip)
        try:
            self._ref.move()  # to where it is
        except BaseException:
            self._ref.release()
            raise
        disk.sync(self._ref.directory)
        if self._journal is not None:
            self._note(self._tip)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
        self._files.close()

    def _by_journal(self, staged: Staged, content: Pack) -> bool:
        """Whether the journal took the group; what it does not take is left to the files."""
        if self._journal is None:
            return False
        try:
            if not self._journal.takes(content.content):
                return False
            if not self._is_begun:
                self._files.add(content)
            self._journal.append(staged.parent, staged.commit, content.content)
        except JournalFailed as failure:
            self._give_up_journal(failure)
            return False
        return True

    def _by_files(self, staged: Staged, content: Pack) -> None:
        if self._is_unsynced:
            self._sync_file_system()
        self._files.add_durably(content, self._ref.path)
        self._ref.move()
        disk.sync(self._ref.directory)
        self._files.let_go(content)
        if self._journal is not None:
            self._note(staged.commit)
        if self._journal is None and self._has_journal:
            self._keep(self._ref.ref, staged.commit)

    def _note(self, tip: CommitId) -> None:
        """Have the journal say where the ref is: its newest record is what is remembered."""
        assert self._journal is not None
        try:
            self._journal.note(tip)
        except JournalFailed as failure:
            self._give_up_journal(failure)

    def _sync_file_system(self) -> None:
        disk.sync_file_system(self._files.directory)
        self._is_unsynced = False

    def _give_up_journal(self, failure: JournalFailed) -> None:
        """Go on without: a file whose sync failed once can't be trusted again."""
        _LOG.warning("the journal failed; each group takes three syncs now: %s", failure)
        assert self._journal is not None
        self._journal.abandon()
        self._journal = None
        self._is_unsynced = True
        self._again_at = time.monotonic() + self._again_seconds

    def _begin_journal_again(self, tip: CommitId | None) -> None:
        """Have a journal of new files, now and then; what the old ones hold is written first."""
        if not self._has_journal or time.monotonic() < self._again_at:
            return
        try:
            replay.write_again(self._repo, self._files)
            self._is_unsynced = False
            if tip is not None:
                self._keep(self._ref.ref, tip)
            for path in journal.paths(self._repo.own_dir):
                path.unlink(missing_ok=True)
        except (OSError, TinkError) as failure:
            self._put_journal_off(failure)
        else:
            self._begin_journal()

    def _begin_journal(self) -> None:
        try:
            self._journal = Journal(self._repo.own_dir, self._ref.ref, self._keep)
            self._again_seconds = _AGAIN_SECONDS
        except OSError as failure:
            self._put_journal_off(failure)

    def _put_journal_off(self, failure: Exception) -> None:
        self._again_seconds = min(2 * self._again_seconds, _AGAIN_LIMIT_SECONDS)
        self._again_at = time.monotonic() + self._again_seconds
        _LOG.warning("there is no journal; each group takes three syncs now: %s", failure)

    @contextmanager
    def _releasing(self, content: Pack) -> Iterator[None]:
        """Give up the ref, and the pack, when something fails."""
        try:
            yield
        except BaseException:
            self._ref.release()
            self._files.let_go(content)
            raise


def _pack_of(staged: Staged) -> Pack:
    assert staged.pack is not None
    return staged.pack


def _add_folder(builder: PackBuilder, files: Iterable[tuple[str, bytes]]) -> bytes:
    entries = [
        b"%o %s\0%s" % (FILE_MODE, name.encode(), builder.add("blob", content))
        for name, content in sorted(files)
    ]
    return builder.add("tree", b"".join(entries))
