"""What a person hands over: a pipe or a file, and the documents in it."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

from provisioner.cli import printing
from provisioner.documents import decode as decoding
from provisioner.documents.decode import Decoded
from provisioner.documents.layout import FOLDER_OF, Kind
from provisioner.errors import LimitExceeded, UserError
from provisioner.model.problem import InvalidInput, Problem

LIMIT_BYTES = 16 * 1024 * 1024  # far above what the documents' own limit lets pass


def piped_or_file(path: Path | None, *, nothing_given: str) -> tuple[bytes, str]:
    """Read the file that is named, else what is piped; return it with its name.

    Where a file is named standard input is left alone: it may be the list of a shell's loop, or
    a pipe that nobody closes.  A pipe is a standard input that is no character device.
    """
    if path is not None and path != Path("-"):
        with path.open("rb") as file:
            return _bounded(file.read(LIMIT_BYTES + 1), str(path)), str(path)
    piped = sys.stdin.buffer.read(LIMIT_BYTES + 1) if path is not None or _is_piped() else b""
    if not piped.strip():
        raise UserError(nothing_given)
    return _bounded(piped, "standard input"), "standard input"


def decode(kind: Kind, content: bytes, name: str) -> Decoded:
    """Decode a document as if it stood in the repository; problems name what was given."""
    is_json = content.lstrip()[:1] in (b"{", b"[")
    path = f"{FOLDER_OF[kind]}/given.{'json' if is_json and kind is not Kind.TEMPLATE else 'yaml'}"
    decoded = decoding.decode_file(path=path, blob_id="", content=content)
    if decoded.has_errors:
        raise InvalidInput(_renamed(problem, name) for problem in decoded.problems)
    for problem in decoded.problems:
        printing.note(f"Warning: {_renamed(problem, name)}")
    return decoded


def _renamed(problem: Problem, name: str) -> Problem:
    return replace(problem, path=name)


def _is_piped() -> bool:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISCHR(mode)


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > LIMIT_BYTES:
        raise LimitExceeded(f"{name} is larger than {LIMIT_BYTES} bytes")
    return content
