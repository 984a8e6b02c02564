"""Keeps `git gc` away from a repository while a server writes it.

At its end git gc lists the pack folder and deletes each index that it saw without its pack.
It sees that of a pack that was put in place while it was listing: with a hundred new packs a
second, each gc lost some.  So we hold its own lock, `gc.pid`, which names a process and a
machine; git takes it for stale after twelve hours, or when that process is gone.  `git repack`
and `git prune` delete no such index, and may run at any moment.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

_NAME = "gc.pid"

_LOG = logging.getLogger(__name__)


class GcLock:
    """Call `refresh` now and then; it also takes a lock that a running gc has given back."""

    def __init__(self, git_dir: Path) -> None:
        self._path = git_dir / _NAME
        self._text = f"{os.getpid()} {socket.gethostname()}"
        self._is_waiting = False
        self.refresh()

    def refresh(self) -> None:
        """Take the lock, or keep git from taking it for stale."""
        try:
            if self._holder() is None:
                new = self._path.with_name(f"{_NAME}.tink")
                new.write_text(self._text)
                new.replace(self._path)
            elif self._is_ours():
                os.utime(self._path)
            elif not self._is_waiting:
                _LOG.warning("git gc runs in %s; its end may hide new packs", self._path.parent)
            self._is_waiting = not self._is_ours()
        except OSError as error:
            _LOG.warning("git gc can't be kept from %s: %s", self._path.parent, error)

    def release(self) -> None:
        if self._is_ours():
            self._path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        return self._read() == self._text

    def _holder(self) -> int | None:
        """The process that has the lock, if it may still be at work."""
        process, _, machine = self._read().partition(" ")
        if not process.isdecimal():
            return None
        if machine.strip() != socket.gethostname():
            return int(process)
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return int(process)

    def _read(self) -> str:
        try:
            return self._path.read_text(errors="replace").strip()
        except OSError:
            return ""
