"""A disk that fails when told to: what faults.c does, as a test sets it while a process runs."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_FIELDS = struct.Struct("=6i")  # struct faults
_SOURCE = Path(__file__).with_name("faults.c")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS)
ALL = -1  # times: until it is taken back


class Call(IntEnum):
    """enum call; `EVERY_WRITE` is all that change something."""

    OPEN = 0
    READ = 1
    WRITE = 2
    APPEND = 3
    SYNC = 4
    SYNCFS = 5
    RENAME = 6
    EXCHANGE = 7
    UNLINK = 8
    STAT = 9
    MKDIR = 10
    CHMOD = 11
    CLOSE = 12
    EVERY_WRITE = 13


class How(IntEnum):
    """enum how"""

    NOT_DONE = 0
    DONE = 1  # but reported as failed
    HALF_DONE = 2  # and reported so
    KILLED_BEFORE = 3
    KILLED_AFTER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    call: Call
    how: How = How.NOT_DONE
    number: int = errno.EIO
    countdown: int = 1  # of such calls until the first that fails
    times: int = 1


class Faults:
    """`environment` is for the process whose calls shall fail."""

    def __init__(self, folder: Path, under: Path) -> None:
        assert shutil.which("gcc"), "apt-get install gcc libc6-dev"
        shim, table = folder / "faults.so", folder / "faults"
        words = ("gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(_SOURCE), "-ldl")
        subprocess.run(words, check=True)
        table.write_bytes(bytes(_FIELDS.size))
        with table.open("r+b") as file:
            self._table = mmap.mmap(file.fileno(), _FIELDS.size)
        self.environment = os.environ | {
            "LD_PRELOAD": str(shim),
            "TINK_FAULTS": str(table),
            "TINK_FAULTS_UNDER": f"{under}/",
        }

    def set(self, fault: Fault) -> None:
        self.take_back()
        # `times` last: from then on it counts.
        fields = (fault.call, fault.countdown, 0, fault.number, fault.how, 0)
        self._table[:] = _FIELDS.pack(*fields)
        self._table[8:12] = struct.pack("=i", fault.times)

    def take_back(self) -> None:
        self._table[8:12] = bytes(4)

    @property
    def fired(self) -> int:
        fired: int = _FIELDS.unpack(self._table[:])[5]
        return fired
