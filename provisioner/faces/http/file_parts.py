"""Which part of a file was asked for, as RFC 9110 says; `file_sender` sends it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from provisioner.errors import NotFound, Unavailable
from provisioner.faces.http.answers import Answer, FilePart
from provisioner.faces.http.errors import answer_to, error_answer

OCTETS = "application/octet-stream"

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)\Z", re.ASCII)


def answer(path: Path, headers: Mapping[str, str], *, etag: str = "") -> Answer:
    """Answer a GET or a HEAD for a file, as RFC 9110 says: one range, ETag, conditions.

    `etag` names the content; without it size and time of change do.  More than one range, or
    one that can't be read, gets the whole file, which the RFC allows.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return answer_to(NotFound("file", path.name))
    except OSError as error:
        return answer_to(Unavailable(f"{path.name}: {error.strerror}"))
    about = os.fstat(file.fileno())
    size, tag = about.st_size, f'"{etag or f"{about.st_mtime_ns:x}-{about.st_size:x}"}"'
    common = (("ETag", tag), ("Accept-Ranges", "bytes"))
    if not {tag, "*"}.isdisjoint(_tags(headers.get("if-none-match", ""))):
        file.close()
        return Answer(status=304, content_type="", headers=common)
    found = None
    if headers.get("if-range", tag) == tag:
        found = _range_of(headers.get("range", ""), size)
    if found is None:
        part = FilePart(file=file, offset=0, length=size)
        return Answer(content_type=OCTETS, headers=common, part=part)
    offset, length = found
    if length <= 0:
        file.close()
        refused = error_answer(416, "range", f"the file has {size} bytes")
        unsatisfied = ("Content-Range", f"bytes */{size}")
        return Answer(status=416, body=refused.body, headers=(*common, unsatisfied))
    span = ("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}")
    part = FilePart(file=file, offset=offset, length=length)
    return Answer(status=206, content_type=OCTETS, headers=(*common, span), part=part)


def _tags(text: str) -> set[str]:
    return {each.strip().removeprefix("W/") for each in text.split(",")}


def _range_of(text: str, size: int) -> tuple[int, int] | None:
    """Offset and length; a length of 0 or less can't be satisfied.  None: the whole file."""
    found = _RANGE.match(text.strip())
    if found is None or found[1] == found[2] == "" or max(map(len, found.groups())) > 18:
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        return size - length, length
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    return first, last - first + 1
