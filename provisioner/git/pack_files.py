"""Puts packs where git finds them, protected from its gc until a ref leads to them.

`git gc` and `git repack` first list the packs that they will delete, without those that
have a `.keep` file beside them, and then walk the refs for what they copy.  So a pack has
its `.keep` before it has its name, and loses it after a ref leads to its objects: whatever
a repack deletes, its walk has seen.  (git's own `receive-pack` and `fetch` do the same.)

The keep file of a pack that needs it no more becomes that of the next one, by a rename:
14 µs for each batch.  Making and deleting one took 31 µs, and leaves deleted inodes
behind (see spare_files.py); the name that the pack has from its beginning saves as much.

A pack that others could see is never deleted here, needed or not: a repack under way may
rely on it for objects that are elsewhere too, and delete those.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from provisioner.git import disk
from provisioner.git.pack import INDEX_HEAD, Pack, name_of, reindex

_INDEX_BYTES = 8 + 4 * 256 + 2 * 20  # of an index, and of a pack, of no object
_PACK_BYTES = 12 + 20
_RESTORED_BYTES = 64 * 1024 * 1024  # larger ones are no batches of ours
_IDLE_LIMIT = 1  # keep files that wait for the next pack


class Owner(StrEnum):
    """Whose unfinished files they are: each removes its own, never those of one at work."""

    WRITER = "tink-writer"  # only one at a time, the holder of the writer's lock
    COMMAND = "tink-command"  # any number, for a moment each


class PackFiles:
    """Thread-safe, but for `add` by two threads at once."""

    def __init__(self, objects_dir: Path, owner: Owner = Owner.WRITER) -> None:
        self._owner = owner
        self.directory = objects_dir / "pack"
        self.directory.mkdir(exist_ok=True)
        self._base = str(self.directory)
        self._keeps: dict[str, str] = {}  # of the packs that are not let go
        self._idle: list[str] = []
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="store-sync")

    def close(self) -> None:
        """Remove all keep files: what they protect is on a branch, or was given up."""
        for keep in (*self._keeps.values(), *self._idle):
            Path(keep).unlink(missing_ok=True)
        self._pool.shutdown()

    def add(self, pack: Pack) -> None:
        """Put a pack in place until `let_go`; it is not on the disk before somebody syncs it."""
        path = self._write(pack)
        self._show(path, pack)

    def add_durably(self, pack: Pack, *others: Path) -> None:
        """Put a pack in place and on the disk; sync `others` along with the directory.

        Two syncs long: the files together, then their directory and `others`.
        """
        path = self._write(pack)
        try:
            disk.sync_all(self._pool, (f"{path}.pack", self._new_index(path)))
        except OSError:
            self._undo(path, pack)
            raise
        self._show(path, pack)
        try:
            disk.sync_all(self._pool, (self.directory, *others))
        except OSError:
            self.let_go(pack)
            raise

    def let_go(self, pack: Pack) -> None:
        """A ref leads to its objects, or nothing ever will: gc may do with them what it does."""
        keep = self._keeps.pop(pack.name, None)
        if keep is None:
            return
        if len(self._idle) < _IDLE_LIMIT:
            self._idle.append(keep)
        else:
            Path(keep).unlink(missing_ok=True)

    def is_whole(self, content: bytes) -> bool:
        """Whether a pack is there to the byte, or was replaced by another one."""
        path = self.directory / f"pack-{name_of(content)}.pack"
        try:
            index = path.with_suffix(".idx").read_bytes()
        except FileNotFoundError:
            return not path.exists()
        try:
            return path.read_bytes() == content and index == reindex(content).index
        except FileNotFoundError:
            return False

    def remove_unfinished(self) -> None:
        """Remove what killed processes left that nobody sees; only for the one who may write."""
        for path in self.directory.glob(f"{self._owner}-*"):
            path.unlink(missing_ok=True)
        for keep in kept_by(self.directory, self._owner):
            if not keep.with_suffix(".idx").exists():
                keep.with_suffix(".pack").unlink(missing_ok=True)

    def remove_torn(self) -> None:
        """Remove packs whose names a power cut left without their contents: no use to anybody.

        Only for the one who may write, before anything is recovered.
        """
        for index in self.directory.glob("pack-*.idx"):
            if not _is_begun(index, INDEX_HEAD[:4], _INDEX_BYTES):
                index.unlink(missing_ok=True)
        for path in self.directory.glob("pack-*.pack"):
            if not _is_begun(path, b"PACK", _PACK_BYTES):
                self._remove(path)

    def restore_indexes(self) -> int:
        """Give packs of ours their index back; return how many had lost it.

        Only for the one who may write, before anything is recovered.  A `git gc --force` deletes
        some (see gc_lock.py).  One that git made is left alone: git may be deleting it.
        """
        restored = 0
        for path in self.directory.glob("pack-*.pack"):
            index = path.with_suffix(".idx")
            with suppress(FileNotFoundError, ValueError, KeyError, IndexError, zlib.error):
                if index.exists() or path.stat().st_size > _RESTORED_BYTES:
                    continue
                new = Path(self._new_index(str(path.with_suffix(""))))
                disk.write_file(new, reindex(path.read_bytes()).index)
                new.rename(index)
                restored += 1
        return restored

    def remove(self, pack: Pack) -> None:
        """Remove one that is there and is not what its name says."""
        self._remove(self.directory / f"pack-{pack.name}.pack")

    def let_go_all(self) -> None:
        """Let go of what killed processes protected, after refs were put where they belong."""
        for keep in kept_by(self.directory, self._owner):
            if str(keep) not in self._keeps.values():
                keep.unlink(missing_ok=True)

    def _remove(self, path: Path) -> None:
        for each in (path.with_suffix(".idx"), path):
            each.unlink(missing_ok=True)

    def _write(self, pack: Pack) -> str:
        """Write a pack and its index, which nobody sees yet; return their path."""
        try:
            path = self._create(pack)
        except OSError:
            self.let_go(pack)
            raise
        try:
            disk.write_file(self._new_index(path), pack.index)
        except OSError:
            self._undo(path, pack)
            raise
        return path

    def _create(self, pack: Pack) -> str:
        # An attempt that failed may have left a pack of that name.  It may be listed for
        # deletion already, and then no keep file saves it: so this one gets another.
        for name in (pack.name, new_name()):
            path = f"{self._base}/pack-{name}"
            self._keep(path, pack)
            with suppress(FileExistsError):
                disk.create_file(f"{path}.pack", pack.content)
                return path
        raise FileExistsError(17, "Two packs have that name", f"{path}.pack")

    def _keep(self, path: str, pack: Pack) -> None:
        keep = f"{path}.keep"
        if pack.name not in self._keeps and self._idle:
            self._keeps[pack.name] = self._idle.pop()
        old = self._keeps.get(pack.name)
        try:
            if old is not None:
                os.rename(old, keep)  # noqa: PTH104  # past pathlib, for each batch
        except FileNotFoundError:  # somebody cleared up
            old = None
        if old is None:
            disk.write_file(keep, _text_of(self._owner))
        self._keeps[pack.name] = keep

    def _show(self, path: str, pack: Pack) -> None:
        # The index last: it is what git looks for.
        try:
            os.rename(self._new_index(path), f"{path}.idx")  # noqa: PTH104
        except OSError:
            self._undo(path, pack)
            raise

    def _undo(self, path: str, pack: Pack) -> None:
        """Remove what nobody has seen."""
        for each in (self._new_index(path), f"{path}.pack"):
            Path(each).unlink(missing_ok=True)
        self.let_go(pack)

    def _new_index(self, path: str) -> str:
        # git takes whatever ends in .idx for an index, and its gc deletes what starts with tmp_.
        return f"{self._base}/{self._owner}-{path[-40:]}"


def _is_begun(path: Path, head: bytes, least_bytes: int) -> bool:
    """Whether a file is as long as the shortest of its kind, and begins as they do."""
    with path.open("rb") as file:
        return file.read(len(head)) == head and path.stat().st_size >= least_bytes


def new_name() -> str:
    """A name for a pack whose content may be written twice at the same time."""
    return os.urandom(20).hex()


def kept_by(directory: Path, owner: Owner) -> Iterator[Path]:
    """The keep files that an owner wrote."""
    for keep in directory.glob("pack-*.keep"):
        with suppress(FileNotFoundError):
            if keep.read_bytes() == _text_of(owner):
                yield keep


def _text_of(owner: Owner) -> bytes:
    return f"{owner}: not on a branch yet\n".encode()
