"""The lock that lets one process at a time write the status branch of a repository.

The kernel drops a `flock` when its holder dies, so nothing stale is left by `kill -9`.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from provisioner.errors import Conflict

_LOOKS, _LOOK_SECONDS = 10, 0.02  # at one that is held for a moment: update_hook.sh looks at it


class WriterLock:
    """Held from its making to `release`, or to the end of the process."""

    def __init__(self, own_dir: Path) -> None:
        """Take the lock, or raise `Conflict` that names the process that has it."""
        self._path = own_dir / "writer.lock"
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _try(self._handle):
            holder = os.read(self._handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise Conflict(
                f"process {holder} writes the status branch of this repository already",
                hint="one `tink serve` for each repository; stop that one first",
            )
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the next process have it."""
        os.close(self._handle)


def _try(handle: int) -> bool:
    never = threading.Event()
    for _ in range(_LOOKS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            never.wait(_LOOK_SECONDS)
    return False
