"""The one archive format that ephemeral data travels in, read and written.

Read is what tar programs write for plain files and folders: ustar, pax and GNU headers.
Every step costs in proportion to the bytes it passes over, and none is taken back, whatever
the archive says.  The standard library's reader is not used for strangers' bytes: 150 KB of
digits, or a few thousand pax headers after a long global one, keep it busy for minutes.
Written is always the same: GNU headers without times and owners, so that equal files give
equal bytes with any version of Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

BLOCK = 512
_RECORD = 20 * BLOCK  # an archive is padded to whole ones
# A path is 1 KiB at most; the rest of a pax header is times, owners and attributes.
EXTENSION_LIMIT_BYTES = 65_536
RECORDS_LIMIT = 131_072  # of pax, in all: GNU tar writes up to ten for a file

_NAME, _MODE, _SIZE, _SUM, _TYPE, _MAGIC, _PREFIX = (
    slice(0, 100), slice(100, 108), slice(124, 136), slice(148, 156), slice(156, 157),
    slice(257, 263), slice(345, 500),
)  # fmt: skip
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_RECORD_START = re.compile(rb"([1-9][0-9]{0,5}) ([^=\0\n]{1,256})=")
_EMPTY = bytes(BLOCK)

_FILE, _OLD_FILE, _FOLDER = b"0", b"\0", b"5"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL = b"L", b"K", b"x", b"g"
_EXTENSIONS = frozenset({_LONG_NAME, _LONG_LINK, _PAX, _PAX_OF_ALL})
_KINDS: Mapping[bytes, str] = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a fifo",
    b"S": "a sparse file",
}


class NotTar(ValueError):
    """The message says what is wrong, and at which byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A plain file: its content is `archive[start:start + size]`."""

    path: str
    start: int
    size: int
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    name: bytes
    kind: bytes
    size: int
    mode: int


def entries(archive: bytes | bytearray, *, header_limit: int) -> Iterator[Entry]:
    """Read the plain files of an archive; folders are passed over, all else is refused.

    The caller may stop at an entry before its content is looked at.
    """
    at = headers = records = 0
    long_name: bytes | None = None
    pax: Mapping[bytes, bytes] = {}
    is_announced = False  # an extension describes the header that follows
    while True:
        block = bytes(archive[at : at + BLOCK])
        if block == _EMPTY and not is_announced:
            return
        headers += 1
        if headers > header_limit:
            raise NotTar(f"more than {header_limit} headers")
        header = _header(block, at)
        start = at + BLOCK
        if header.kind in _EXTENSIONS:
            if header.size > EXTENSION_LIMIT_BYTES:
                raise NotTar(f"an extended header of {header.size} bytes at byte {at}")
            content = _content(archive, start, header.size)
            if header.kind == _LONG_NAME:
                long_name = content.partition(b"\0")[0]
            elif header.kind != _LONG_LINK:
                found, records = _records(content, start, records)
                if header.kind == _PAX:
                    pax = found
                elif found:
                    raise NotTar(f"a pax header at byte {at} gives all files one name or size")
            is_announced = True
            size = header.size
        else:
            size = _decimal(pax[b"size"], at) if b"size" in pax else header.size
            name = pax.get(b"path", header.name if long_name is None else long_name)
            if _is_file(header, name):
                yield Entry(
                    path=name.decode("utf-8", "surrogateescape"),
                    start=start,
                    size=size,
                    executable=bool(header.mode & 0o100),
                )
            elif size:
                raise NotTar(f"a folder with content at byte {at}")
            _check_whole(archive, start, size)
            long_name, pax, is_announced = None, {}, False
        at = start + size + -size % BLOCK


def write(files: Iterable[tuple[str, bytes, bool]]) -> Iterator[bytes]:
    """Write an archive of path, content and whether it is executable, part by part."""
    size = 2 * BLOCK
    for path, content, executable in files:
        name = path.encode("utf-8", "surrogateescape")
        if len(name) > 100:
            yield _written(b"././@LongLink", kind=_LONG_NAME, size=len(name) + 1, mode=0)
            yield name + bytes(BLOCK - len(name) % BLOCK)
            size += BLOCK + len(name) + BLOCK - len(name) % BLOCK
        mode = 0o755 if executable else 0o644
        yield _written(name[:100], kind=_FILE, size=len(content), mode=mode)
        yield content
        yield bytes(-len(content) % BLOCK)
        size += BLOCK + len(content) + -len(content) % BLOCK
    yield bytes(2 * BLOCK + -size % _RECORD)


def _written(name: bytes, *, kind: bytes, size: int, mode: int) -> bytes:
    before = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, 0, 0, size, 0)
    after = (kind + bytes(100) + b"ustar  \0").ljust(BLOCK - len(before) - 8, b"\0")
    return b"%s%06o\0 %s" % (before, sum(before) + 8 * 32 + sum(after), after)


def _header(block: bytes, at: int) -> _Header:
    if len(block) < BLOCK:
        raise NotTar(f"it ends at byte {at + len(block)} without an end mark")
    given = _number(block[_SUM], at)
    plain = sum(block) - sum(block[_SUM]) + 8 * 32
    # Some old programs summed the bytes as signed numbers.
    if given != plain and given != plain - 256 * sum(each > 127 for each in block):
        raise NotTar(f"no header at byte {at}: its checksum is wrong")
    name = block[_NAME].partition(b"\0")[0]
    if block[_MAGIC] == b"ustar\0" and (prefix := block[_PREFIX].partition(b"\0")[0]):
        name = prefix + b"/" + name
    return _Header(
        name=name,
        kind=block[_TYPE],
        size=_number(block[_SIZE], at),
        mode=_number(block[_MODE], at),
    )


def _number(field: bytes, at: int) -> int:
    """A number as headers spell it: octal, or base 256 after a set bit."""
    if field[:1] >= b"\x80":
        if field[0] & 0x40:
            raise NotTar(f"a negative size or mode at byte {at}")
        return int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise NotTar(f"no number in the header at byte {at}")
    return int(found[1] or b"0", 8)


def _decimal(text: bytes, at: int) -> int:
    if not text.isdigit() or len(text) > 12:
        raise NotTar(f"no size in the pax header before byte {at}")
    return int(text)


def _content(archive: bytes | bytearray, start: int, size: int) -> bytes:
    _check_whole(archive, start, size)
    return bytes(archive[start : start + size])


def _check_whole(archive: bytes | bytearray, start: int, size: int) -> None:
    if start + size > len(archive):
        raise NotTar(f"it ends at byte {len(archive)}, in the middle of a file")


def _records(content: bytes, start: int, count: int) -> tuple[Mapping[bytes, bytes], int]:
    """The records of a pax header that say what a file is; times and owners do not.

    `count` is of all records so far, before and after.
    """
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(content):
        record = _RECORD_START.match(content, at)
        count += 1
        if count > RECORDS_LIMIT:
            raise NotTar(f"more than {RECORDS_LIMIT} pax records")
        if record is None:
            raise NotTar(f"no pax record at byte {start + at}")
        end = at + int(record[1])
        if end > len(content) or end <= record.end() or content[end - 1] != ord("\n"):
            raise NotTar(f"no pax record at byte {start + at}")
        key = record[2]
        if key.startswith(b"GNU.sparse"):
            raise NotTar(f"a sparse file at byte {start + at}")
        if key in (b"path", b"size"):
            found[key] = content[record.end() : end - 1]
        at = end
    return found, count


def _is_file(header: _Header, name: bytes) -> bool:
    if header.kind == _FOLDER or (header.kind == _OLD_FILE and name.endswith(b"/")):
        return False
    if header.kind in (_FILE, _OLD_FILE):
        return True
    kind = _KINDS.get(header.kind, f"something of type {header.kind.decode('latin-1')!r}")
    raise NotTar(f"{name.decode('utf-8', 'replace')!r} is {kind}; only plain files are shared")
