"""How only one process at a time writes the status branch of a repository.

The kernel drops a `flock` when its holder dies, so nothing stale is left by `kill -9`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from provisioner.errors import Conflict


class WriterLock:
    def __init__(self, own_dir: Path) -> None:
        """Take the lock, or raise `Conflict` that names the process that has it."""
        self._path = own_dir / "writer.lock"
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise Conflict(
                f"process {holder} writes the status branch of this repository already",
                hint="one `tink serve` for each repository; stop that one first",
            ) from None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        os.close(self._handle)
