"""How bytes get onto the disk, files and directory entries, before somebody is told so.

git syncs its files and never their directories, and so loses acknowledged commits in a
power cut (measured on ext4, xfs and btrfs).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from provisioner.store.pack import Pack

# git ignores, and its gc removes, what starts with tmp_.  The writer's own can be told from
# those of a command line that works at the same time.
WRITER_TEMPORARY = "tmp_tink_"
EDITOR_TEMPORARY = "tmp_edit_"


@contextmanager
def opened(path: Path | str, flags: int = os.O_RDONLY) -> Iterator[int]:
    handle = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def sync(path: Path | str) -> None:
    """Wait until a file, or the entries of a directory, are on the disk."""
    with opened(path) as handle:
        os.fsync(handle)


def sync_all(pool: ThreadPoolExecutor, paths: Iterable[Path | str]) -> None:
    """Sync several paths at once: as long as the slowest, not as all."""
    first, *others = paths
    waiting = [pool.submit(sync, path) for path in others]
    sync(first)
    for each in waiting:
        each.result()


def sync_file_system(path: Path) -> None:
    """Sync everything on the file system that holds `path`, with one call."""
    libc = ctypes.CDLL(None, use_errno=True)
    with opened(path) as handle:
        if libc.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))


def write_file(path: Path | str, content: bytes) -> None:
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as handle:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]


_Pair = tuple[str, str]  # of a pack and its index


class PackFiles:
    """Puts packs where git finds them."""

    def __init__(self, objects_dir: Path, temporary: str = WRITER_TEMPORARY) -> None:
        self._temporary = temporary
        self.directory = objects_dir / "pack"
        self.directory.mkdir(exist_ok=True)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="store-sync")

    def close(self) -> None:
        self._pool.shutdown()

    def add(self, pack: Pack) -> None:
        """Put a pack in place; it is not on the disk before somebody syncs it."""
        temporary, final = self._paths(pack)
        try:
            write_file(temporary[0], pack.content)
            write_file(temporary[1], pack.index)
            self._rename(temporary, final)
        except OSError:
            self._remove(*temporary, *final)
            raise

    def add_durably(self, pack: Pack, *others: Path) -> None:
        """Put a pack in place and on the disk; sync `others` along with the directory.

        Two syncs long: the files together, then their directory and `others`.
        """
        temporary, final = self._paths(pack)
        try:
            write_file(temporary[0], pack.content)
            write_file(temporary[1], pack.index)
            sync_all(self._pool, temporary)
            self._rename(temporary, final)
            sync_all(self._pool, (self.directory, *others))
        except OSError:
            self._remove(*temporary, *final)
            raise

    def discard(self, pack: Pack) -> None:
        self._remove(*self._paths(pack)[1])

    def remove_temporary(self) -> int:
        """Remove what killed writers left; only for the one who may write.  Returns bytes."""
        size = 0
        for path in self.directory.glob(f"{self._temporary}*"):
            size += path.stat().st_size
            path.unlink()
        return size

    def _paths(self, pack: Pack) -> tuple[_Pair, _Pair]:
        # git takes whatever ends in .idx for an index, even with a temporary name.
        temporary = f"{self.directory}/{self._temporary}{pack.name}"
        final = f"{self.directory}/pack-{pack.name}"
        return (f"{temporary}_pack", f"{temporary}_idx"), (f"{final}.pack", f"{final}.idx")

    def _rename(self, temporary: _Pair, final: _Pair) -> None:
        # The index last: it is what git looks for.
        for old, new in zip(temporary, final, strict=True):
            os.rename(old, new)  # noqa: PTH104  # past pathlib, for each group

    def _remove(self, *paths: str) -> None:
        for path in reversed(paths):
            Path(path).unlink(missing_ok=True)
