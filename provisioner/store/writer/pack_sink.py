"""Makes of each batch one pack and one move of the ref, without any git process.

By the journal, or by the plain files where the journal does not take it or can't be had.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from provisioner.git import disk
from provisioner.git.commit import FileChange, Staged, commit_text
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, FILE_MODE, TREE_MODE, TreeEditor
from provisioner.model.ids import CommitId
from provisioner.store.journal.journal import Keep, keep_nothing
from provisioner.store.writer import publish_by_files
from provisioner.store.writer.publish_by_journal import JournalPublisher
from provisioner.store.writer.recovering_journal import RecoveringJournal

_LOG = logging.getLogger(__name__)


class PackSink:
    """Only for the holder of the writer's lock.

    `sync` may be called by another thread than the rest, between `begin` and `end` of the same
    commit, while the first thread calls nothing but `stage`: so it needs no lock.
    """

    def __init__(
        self, repo: GitRepo, ref: str, *, journal: bool = True, keep: Keep = keep_nothing
    ) -> None:
        """Repair what a power cut or a kill left behind, and go on from the ref.

        `keep` remembers where the ref was before the journal, which remembers it, is cleared;
        while there is no journal it is called for each batch.
        """
        self._repo = repo
        self._files = PackFiles(repo.objects_dir)
        self._files.remove_unfinished()
        if restored := self._files.restore_indexes():
            _LOG.warning("restored the index of %d packs, which a git gc had deleted", restored)
        self._ref = RefLock(repo.common_dir, ref, spares=repo.own_dir if journal else None)
        self._ref.clear_stale()
        self._journal = RecoveringJournal(repo, ref, self._files, keep, is_wanted=journal)
        self._by_journal = JournalPublisher(self._journal, self._files, self._ref)
        self._is_ended = False  # whether `sync` has moved the ref of the commit that is published
        try:
            self._journal.start()
            self._files.let_go_all()
            self.reset(repo.resolve(ref))
        except BaseException:
            self.close()
            raise

    def reset(self, tip: CommitId | None) -> None:
        """Forget what was staged, and go on from `tip`, which may be somebody else's commit."""
        self._ref.release()
        if tip is not None:
            self._journal.note_adopted(tip)
        self._tip = tip
        root = self._repo.commit(tip).tree if tip else EMPTY_TREE
        self._trees = TreeEditor(root, lambda tree: self._repo.object(tree).content)

    def stage(self, changes: tuple[FileChange, ...], message: str, *, at_seconds: int) -> Staged:
        """Build a commit on top of the one staged last, with its pack."""
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
        """Start to publish a commit by the journal, if nobody has to be waited for."""
        with self._releasing(staged):
            self._by_journal.begin(staged)

    def sync(self, staged: Staged) -> None:
        """Make a commit durable: by the journal, or else by the files, with the ref moved."""
        if not self._by_journal.is_begun:
            self._journal.begin_again(staged.parent)
            self._ref.take(expected=staged.parent, new=staged.commit)
        with self._releasing(staged):
            self._is_ended = not self._by_journal.sync(staged)
            if self._is_ended:
                self._journal.sync_unsynced()
                publish_by_files.publish(staged.built, self._files, self._ref)
                self._journal.note_published(staged.commit)

    def end(self, staged: Staged) -> None:
        """Move the ref, if `sync` has not."""
        if not self._is_ended:
            with self._releasing(staged):
                self._by_journal.end(staged)

    def rehearse(self, size_bytes: int) -> None:
        """Write so many bytes, take and move the ref to where it is, and sync; raises OSError."""
        disk.rehearse(self._files.directory, size_bytes)
        if self._tip is None:
            return
        self._journal.begin_again(self._tip)
        self._ref.take(expected=self._tip, new=self._tip)
        try:
            self._ref.move()
        except BaseException:
            self._ref.release()
            raise
        disk.sync(self._ref.directory)
        self._journal.note(self._tip)

    def close(self) -> None:
        """Leave nothing to recover, if the disk lets us."""
        self._journal.close()
        self._files.close()

    @contextmanager
    def _releasing(self, staged: Staged) -> Iterator[None]:
        """Give up the ref, and the pack, when something fails."""
        try:
            yield
        except BaseException:
            self._ref.release()
            self._files.let_go(staged.built)
            raise


def _add_folder(builder: PackBuilder, files: Iterable[tuple[str, bytes]]) -> bytes:
    entries = [
        b"%o %s\0%s" % (FILE_MODE, name.encode(), builder.add("blob", content))
        for name, content in sorted(files)
    ]
    return builder.add("tree", b"".join(entries))
