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
import time
from pathlib import Path

_NAME = "gc.pid"
_STALE_SECONDS = 12 * 3600  # as git has it

_LOG = logging.getLogger(__name__)


class GcLock:
    """Call `refresh` now and then; it also takes a lock that a running gc has given back."""

    def __init__(self, git_dir: Path) -> None:
        self._path = git_dir / _NAME
        self._text = f"{os.getpid()} {socket.gethostname()}"
        self._trouble = ""  # logged when it changes
        self.refresh()

    def refresh(self) -> None:
        """Take the lock, or keep git from taking it for stale."""
        trouble = ""
        try:
            found = self._read()
            if found == self._text:
                os.utime(self._path)
            elif self._may_be_at_work(found):
                trouble = f"git gc runs in {self._path.parent}; its end may hide new packs"
            else:
                new = self._path.with_name(f"{_NAME}.tink")
                new.write_text(self._text)
                new.replace(self._path)
        except OSError as error:
            trouble = f"git gc can't be kept from {self._path.parent}: {error}"
        if trouble and trouble != self._trouble:
            _LOG.warning("%s", trouble)
        self._trouble = trouble

    def release(self) -> None:
        if self._read() == self._text:
            self._path.unlink(missing_ok=True)

    def _may_be_at_work(self, found: str) -> bool:
        """Whether git, too, would believe that the process named in the lock is alive."""
        process, _, machine = found.partition(" ")
        if not process.isdecimal() or time.time() - self._path.stat().st_mtime > _STALE_SECONDS:
            return False
        if machine != socket.gethostname():
            return True
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def _read(self) -> str:
        try:
            return self._path.read_text(errors="replace").strip()
        except OSError:
            return ""
