"""Writes an initramfs: a cpio archive of the "newc" format, the same bytes for the same files.

The format is that of the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an initramfs; `mode` with its type, `content` of a file or a symbolic link."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(content: bytes, *, executable: bool = False) -> Entry:
    return Entry(mode=stat.S_IFREG | (0o755 if executable else 0o644), content=content)


def console() -> Entry:
    """/dev/console, which the kernel opens for the first process."""
    return Entry(mode=stat.S_IFCHR | 0o600, device=(5, 1))


def archive(entries: Mapping[str, Entry]) -> bytes:
    """Return the compressed archive; folders that are not named are added."""
    whole = dict(entries)
    for path in entries:
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            whole.setdefault(folder, Entry(mode=stat.S_IFDIR | 0o755))
    chunks = [_record(number, path, whole[path]) for number, path in enumerate(sorted(whole), 1)]
    chunks.append(_record(0, "TRAILER!!!", Entry(mode=0)))
    return gzip.compress(b"".join(chunks), compresslevel=9, mtime=0)


def _record(number: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    major, minor = entry.device
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (
        number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, major, minor, len(name), 0,
    )  # fmt: skip
    head = b"070701" + b"".join(b"%08X" % value for value in fields)
    return _padded(head + name) + _padded(entry.content)


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)
