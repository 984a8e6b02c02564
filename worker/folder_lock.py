"""A lock, so that only one worker at a time uses a workflow folder.

Each removes there what is not of its own workflow.  The kernel drops a `flock` when its holder
dies, so nothing stale is left by `kill -9`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

NAME = ".tink-worker.lock"


class FolderTaken(Exception):
    """Another worker uses the folder, or it can't be used; the message is for a person."""


class FolderLock:
    """Held until `release`, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644
            )
        except OSError as error:
            raise FolderTaken(f"the workflow folder {folder} can't be used: {error}") from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise FolderTaken(
                f"another worker (process {holder}) uses the workflow folder {folder};"
                " stop it, or give this one a --workflow-dir of its own"
            ) from None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        os.close(self._handle)
