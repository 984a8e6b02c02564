"""The name of a file of ephemeral data in a git tree.

A worker may name files as it likes, git may not: it refuses `.git` in any disguise,
`..`, and names that are that on some file system.  Such names, and bytes that are no
printable UTF-8, are written with `%xx`; every other name stays as it is.
"""

from __future__ import annotations

import re

# `%` so that reading back is exact; `\` separates folders on Windows; `~` makes `git~1` there.
_ALWAYS = frozenset('%\\~:*?"<>|')


def escape(name: str) -> str:
    """Return the git name of one path component (odd bytes by surrogateescape)."""
    escaped = "".join(char if _is_plain(char) else _percent(char) for char in name)
    if name.lower().startswith(".git") or name in {".", ".."}:
        escaped = "%2e" + escaped[1:]
    return escaped


def unescape(name: str) -> str:
    raw = name.encode("utf-8", "surrogateescape")
    whole = re.sub(rb"%([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), raw)
    return whole.decode("utf-8", "surrogateescape")


def _is_plain(char: str) -> bool:
    return char.isprintable() and char not in _ALWAYS


def _percent(char: str) -> str:
    return "".join(f"%{octet:02x}" for octet in char.encode("utf-8", "surrogateescape"))
