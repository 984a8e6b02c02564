"""How a group becomes one pack and one move of the ref, without any git process.

Durable by the journal (one sync, see journal.py) or, where that can't be had or has
failed, by the files themselves: pack and index, then their directory and the new ref,
then the ref's directory; three syncs long, in an order that no power cut can upset.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from provisioner.errors import NotFound, Unavailable
from provisioner.model.ids import CommitId
from provisioner.store import durable, pack
from provisioner.store.group import FileChange, Staged, commit_text
from provisioner.store.journal import SIZE_LIMIT_BYTES, JournalFailed, JournalFile, Record
from provisioner.store.pack import Pack, PackBuilder
from provisioner.store.pack_files import PackFiles
from provisioner.store.ref_lock import RefLock
from provisioner.store.repo import GitRepo
from provisioner.store.tree import EMPTY_TREE, FILE_MODE, TREE_MODE, TreeEditor

# Syncing a file system takes seconds where others write to it as well.  Journals that are
# full sooner grow, so that nobody waits for that.
_SHORT_TURN_SECONDS = 20.0


class PackSink:
    """Only for the holder of the writer's lock.  `sync` may be another thread's than the rest."""

    def __init__(self, repo: GitRepo, ref: str, *, journal: bool = True) -> None:
        """Repair what a power cut or a kill left behind, and go on from the ref."""
        self._repo = repo
        self._files = PackFiles(repo.objects_dir)
        self._files.remove_unfinished()
        self._ref = RefLock(repo.common_dir, ref, spares=repo.own_dir if journal else None)
        self._ref.clear_stale()
        self._is_unsynced = False
        self._is_begun = self._is_moved = False  # how far the group is that is published now
        self._journal: _Journal | None = None
        try:
            if journal:
                self._journal = _Journal(repo, ref, self._files, self._ref)
            self._files.let_go_all()
            self.reset(repo.resolve(ref))
        except BaseException:
            self.close()
            raise

    def reset(self, tip: CommitId | None) -> None:
        self._ref.release()
        if tip is not None:
            # Somebody else's commit: git left its directories unsynced.
            durable.sync_file_system(self._files.directory)
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
            and journal.has_room(content)
            and self._ref.try_take(expected=staged.parent, new=staged.commit)
        )
        if self._is_begun:
            with self._releasing(content):
                self._files.add(content)

    def sync(self, staged: Staged) -> None:
        content = _pack_of(staged)
        if not self._is_begun:
            self._ref.take(expected=staged.parent, new=staged.commit)
        with self._releasing(content):
            self._is_moved = not self._by_journal(staged, content)
            if self._is_moved:
                if self._is_unsynced:
                    durable.sync_file_system(self._files.directory)
                    self._is_unsynced = False
                self._files.add_durably(content, self._ref.path)
                self._ref.move()
                durable.sync(self._ref.directory)
                self._files.let_go(content)

    def end(self, staged: Staged) -> None:
        if not self._is_moved:
            content = _pack_of(staged)
            with self._releasing(content):
                self._ref.move()
            self._files.let_go(content)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
        self._files.close()

    def _by_journal(self, staged: Staged, content: Pack) -> bool:
        if self._journal is None:
            return False
        try:
            if not self._is_begun:
                if not self._journal.takes(content):
                    return False
                self._files.add(content)
            self._journal.append(staged.parent, staged.commit, content)
        except JournalFailed:
            # A file whose sync failed once can't be trusted again: go on without it.
            self._journal = None
            self._is_unsynced = True
            raise
        return True

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


class _Journal:
    """Two journal files that take turns: one is written, the other is made free again."""

    def __init__(self, repo: GitRepo, ref: str, files: PackFiles, lock: RefLock) -> None:
        self._own_dir = repo.own_dir
        self._journals = [JournalFile(self._own_dir / f"journal-{each}") for each in (0, 1)]
        try:
            newest = _recover(repo, ref, files, lock, self._journals)
            for each in self._journals:
                each.prepare()
        except BaseException:
            for each in self._journals:
                each.close()
            raise
        self._number = max(time.time_ns(), newest + 1)
        self._size_bytes = max(each.size_bytes for each in self._journals)
        self._turned_at = time.monotonic()
        self._freeing: threading.Thread | None = None
        self._failure: OSError | None = None

    def takes(self, content: Pack) -> bool:
        """Whether a pack fits; turns to the other journal when this one is full."""
        if not self.has_room(content):
            self._turn()
        return self.has_room(content)

    def has_room(self, content: Pack) -> bool:
        return self._journals[0].has_room(len(content.content))

    def append(self, old: CommitId | None, new: CommitId, content: Pack) -> None:
        self._number += 1
        record = Record(number=self._number, old=old, new=new, pack=content.content)
        self._journals[0].append(record)

    def close(self) -> None:
        """Leave nothing to recover."""
        self._wait()
        durable.sync_file_system(self._own_dir)
        for each in self._journals:
            each.prepare()
            each.close()

    def _turn(self) -> None:
        self._wait()
        self._journals.reverse()
        now = time.monotonic()
        if now - self._turned_at < _SHORT_TURN_SECONDS:
            self._size_bytes = min(self._size_bytes * 2, SIZE_LIMIT_BYTES)
        self._turned_at = now
        self._freeing = threading.Thread(target=self._free, name="store-journal")
        self._freeing.start()

    def _free(self) -> None:
        try:
            durable.sync_file_system(self._own_dir)
            self._journals[1].prepare(self._size_bytes)
        except OSError as failure:
            self._failure = failure

    def _wait(self) -> None:
        if self._freeing is not None:
            self._freeing.join()
            self._freeing = None
        if self._failure is not None:
            raise JournalFailed(*self._failure.args)


def _recover(
    repo: GitRepo,
    ref: str,
    files: PackFiles,
    lock: RefLock,
    journals: list[JournalFile],
) -> int:
    """Make again what the journal says was acknowledged; return the newest record's number."""
    records = sorted(
        (record for journal in journals for record in journal.records()), key=_number_of
    )
    if not records:
        return 0
    last = records[-1]
    try:
        found = repo.resolve(ref)
    except Unavailable:
        found = None  # the ref's file is empty: its name reached the disk before its content
        (repo.common_dir / ref).unlink()
    for record in records:
        wanted = pack.reindex(record.pack)
        # Where the ref does not lead to it, a gc under way may be about to delete what is there.
        if found != last.new or not files.has(wanted):
            files.add(wanted)
    ours = {each for record in records for each in (record.old, record.new)}
    if found != last.new and (found is None or _is_behind(repo, found, last.new, ours)):
        lock.take(expected=found, new=last.new)
        lock.move()
    durable.sync_file_system(files.directory)
    return last.number


def _number_of(record: Record) -> int:
    return record.number


def _is_behind(repo: GitRepo, found: CommitId, new: CommitId, ours: set[CommitId | None]) -> bool:
    """Whether the ref is where it was before, or nowhere, and not where somebody else put it.

    It may be far behind: at what the spare file held earlier that is the ref now.
    """
    return found in ours or not _is_commit(repo, found) or repo.is_ancestor(found, new)


def _is_commit(repo: GitRepo, commit: CommitId) -> bool:
    try:
        repo.commit(commit)
    except (NotFound, Unavailable):
        return False
    return True
