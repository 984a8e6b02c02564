"""JSON as the status branch spells it: one top-level key a line, the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provisioner.model.problem import InvalidInput, Problem


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in a status file")


quote = json.encoder.encode_basestring  # raises TypeError for what is no text
encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
encode_sorted = json.JSONEncoder(ensure_ascii=False, default=_plain, sort_keys=True).encode
encode_ascii = json.JSONEncoder(default=_plain).encode
_encode_sorted_ascii = json.JSONEncoder(default=_plain, sort_keys=True).encode


def lines(raw: Mapping[str, object]) -> bytes:
    """A JSON object with one top-level key a line, so that diffs and `line_of` are easy."""
    body = ",\n".join(f"{encode(key)}: {encode_sorted(value)}" for key, value in raw.items())
    try:
        return f"{{\n{body}\n}}\n".encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON allows and UTF-8 doesn't
        body = ",\n".join(f"{encode(key)}: {_encode_sorted_ascii(raw[key])}" for key in raw)
        return f"{{\n{body}\n}}\n".encode()


def find_line(content: bytes, name: str) -> Any:
    """Read one top-level value of a file of ours without parsing the rest; None without it."""
    mark = b'\n"%s": ' % name.encode()
    start = content.find(mark)
    if start < 0:
        return None
    start += len(mark)
    return json.loads(content[start : content.index(b"\n", start)].rstrip(b","))


def line_of(content: bytes, name: str) -> Any:
    """As `find_line`, of a value that must be there."""
    found = find_line(content, name)
    if found is None:
        raise broken(name, "is missing from a file of the status branch")
    return found


def broken(path: str, message: str, *, code: str = "status.format", hint: str = "") -> InvalidInput:
    return InvalidInput([Problem(path=path, code=code, message=message, hint=hint)])
