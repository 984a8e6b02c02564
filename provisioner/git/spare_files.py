"""Replaces a file again and again without creating or deleting one.

Each new file that replaces one leaves a deleted inode behind, and ext4 looks at every
inode that was deleted in the last minutes before it creates a new one: after a thousand
moves of a ref in a minute, every move and every new pack took 0.3 ms longer.  So a few files
take turns.  One comes back only after all others did, so that nobody who has opened it,
and is about to read it, finds it rewritten.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from itertools import cycle
from pathlib import Path

COUNT = 8
_NO_REPLACE, _EXCHANGE = 1, 2  # flags of renameat2(2)
_HERE = -100  # AT_FDCWD


class SpareFiles:
    """Made by `prepare`; one thread at a time uses it."""

    def __init__(self, paths: tuple[Path, ...], mode: int) -> None:
        self._mode = mode
        self._paths = cycle(paths)
        self._current = next(self._paths)

    def put(self, content: bytes, path: Path) -> None:
        """Have a spare file, with this content, appear at `path`; FileExistsError if one is there.

        All contents have one length.
        """
        spare = self._current = next(self._paths)
        try:
            handle = os.open(spare, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # it became a ref, or a lock that was given up
            _make(spare, self._mode)
            handle = os.open(spare, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.write(handle, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(spare))
        finally:
            os.close(handle)
        _rename(spare, path, _NO_REPLACE)

    def exchange(self, path: Path, other: Path) -> bool:
        """Let what `put` put at `path` take the place of `other`, which becomes the spare.

        False, with nothing done, when there is no `other` or it is no file of ours.
        """
        try:
            if other.stat().st_mode & 0o7777 != self._mode:
                return False
        except FileNotFoundError:
            return False
        _rename(path, other, _EXCHANGE)
        path.rename(self._current)
        return True


def prepare(folder: Path, mode: int) -> SpareFiles | None:
    """Make the files in `folder`; None where the file system can't exchange two."""
    paths = tuple(folder / f"ref-{number}" for number in range(COUNT))
    try:
        for path in paths:
            _make(path, mode)
        _rename(paths[0], paths[1], _EXCHANGE)
    except OSError:
        return None
    return SpareFiles(paths, mode)


def _make(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)  # whatever the umask says


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _rename(old: Path, new: Path, flags: int) -> None:
    if _libc().renameat2(_HERE, os.fsencode(old), _HERE, os.fsencode(new), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(new))
