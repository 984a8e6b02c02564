"""The journal as it was before its records chained (`TINKJRN1`), for what a killed server left.

Its records don't name their ref, and their numbers began at the time of day: after a clock
that was ahead, records of an older round may be read behind the new ones.  Whoever takes
them from here has to check that against the history.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.model.ids import CommitId
from provisioner.store.journal.record_format import BLOCK

_HEAD = struct.Struct(">8sQQ40s40sL")  # magic, number, length, old, new, crc of the rest
_MAGIC = b"TINKJRN1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRecord:
    """Some ref, which it does not name, moved from `old` to `new`."""

    number: int
    old: CommitId | None
    new: CommitId
    pack: bytes


def read_all(handles: Iterable[int]) -> list[OldRecord]:
    """Return the records of all files, by their number."""
    found = [record for handle in handles for record in _read(handle)]
    return sorted(found, key=lambda record: record.number)


def _read(handle: int) -> list[OldRecord]:
    found: list[OldRecord] = []
    at = 0
    size = os.fstat(handle).st_size
    while len(head := os.pread(handle, _HEAD.size, at)) == _HEAD.size:
        magic, number, length, old, new, crc = _HEAD.unpack(head)
        if magic != _MAGIC or length > size or (found and number <= found[-1].number):
            break
        pack = os.pread(handle, length, at + _HEAD.size)
        if len(pack) != length or crc != zlib.crc32(pack, zlib.crc32(head[:-4])):
            break
        old_id = CommitId(old.decode()) if old.strip(b"0") else None
        found.append(OldRecord(number=number, old=old_id, new=CommitId(new.decode()), pack=pack))
        end = _HEAD.size + length
        at += end + -end % BLOCK
    return found
