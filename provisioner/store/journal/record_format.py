"""The format of a record of the journal, and which record follows which.

A record names the ref, the random epoch of its round (one start of the writer) and the
checksum of the record before it.  So a record that an older round left behind is never
taken for a newer one, whatever any clock says, and two files of one round can be put in
order.  Commits don't chain: after a lost swap a batch rightly stands on somebody else's.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha1

from provisioner.model.ids import CommitId

BLOCK = 4096  # records never share a block: writing one can't tear another
# magic, epoch, checksum of the record before, lengths of ref and pack, old and new commit;
# then the checksum, the ref and the pack.
_HEAD = struct.Struct(">8s16s16sHL20s20s")
_MAGIC = b"TINKJRN2"
_CHECKSUM_BYTES = 16
_PACK_CHECKSUM_BYTES = 20  # with which every pack ends
_NOTHING = bytes(20)
FIRST = bytes(_CHECKSUM_BYTES)  # what comes before the first record of a round


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`ref` moved from `old` (None: it did not exist) to `new`, whose objects are in `pack`.

    Without a pack it only says where the ref is: the objects of `new` are on the disk.  `epoch`,
    `before` and `checksum` are 16 bytes each.
    """

    epoch: bytes
    before: bytes
    ref: str
    old: CommitId | None
    new: CommitId
    pack: bytes = b""
    checksum: bytes = b""  # of a record that was read

    def follows(self, other: Record) -> bool:
        """Whether it was written right after the other, in the same round."""
        return self.epoch == other.epoch and self.before == other.checksum


def size_of(ref: str, pack_bytes: int) -> int:
    """Return the size of a record in its file: whole blocks."""
    size = _HEAD.size + _CHECKSUM_BYTES + len(ref.encode()) + pack_bytes
    return size + -size % BLOCK


def encode(record: Record) -> tuple[bytes, bytes]:
    """Return whole blocks, and the checksum that the next record has to name.

    The pack counts in by its own checksum, which is checked when it is read: the cost does
    not grow with the pack.
    """
    ref = record.ref.encode()
    head = _HEAD.pack(
        _MAGIC,
        record.epoch,
        record.before,
        len(ref),
        len(record.pack),
        bytes.fromhex(record.old) if record.old else _NOTHING,
        bytes.fromhex(record.new),
    )
    checksum = _checksum(head, ref, record.pack)
    body = b"".join((head, checksum, ref, record.pack))
    return body + bytes(-len(body) % BLOCK), checksum


def read(handle: int) -> Iterator[Record]:
    """Yield the records of a file, oldest first; stops at the first that does not chain."""
    at, last = 0, None
    while (record := _read_at(handle, at)) is not None:
        if last is not None and not record.follows(last):
            return
        yield record
        last = record
        at += size_of(record.ref, len(record.pack))


def _read_at(handle: int, at: int) -> Record | None:
    head = os.pread(handle, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    magic, epoch, before, ref_bytes, pack_bytes, old, new = _HEAD.unpack(head)
    rest_bytes = _CHECKSUM_BYTES + ref_bytes + pack_bytes
    if magic != _MAGIC or at + len(head) + rest_bytes > os.fstat(handle).st_size:
        return None
    rest = os.pread(handle, rest_bytes, at + len(head))
    checksum = rest[:_CHECKSUM_BYTES]
    ref = rest[_CHECKSUM_BYTES : _CHECKSUM_BYTES + ref_bytes]
    pack = rest[_CHECKSUM_BYTES + ref_bytes :]
    if len(rest) != rest_bytes or checksum != _checksum(head, ref, pack) or not _is_whole(pack):
        return None
    return Record(
        epoch=epoch,
        before=before,
        ref=ref.decode(),
        old=None if old == _NOTHING else CommitId(old.hex()),
        new=CommitId(new.hex()),
        pack=pack,
        checksum=checksum,
    )


def _checksum(head: bytes, ref: bytes, pack: bytes) -> bytes:
    summed = head + ref + pack[-_PACK_CHECKSUM_BYTES:]
    return blake2b(summed, digest_size=_CHECKSUM_BYTES).digest()


def _is_whole(pack: bytes) -> bool:
    if not pack:
        return True
    body, checksum = pack[:-_PACK_CHECKSUM_BYTES], pack[-_PACK_CHECKSUM_BYTES:]
    return sha1(body).digest() == checksum
