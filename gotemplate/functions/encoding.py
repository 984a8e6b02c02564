"""sprig's base64, base32 and checksums.

Decoding what is no base64 gives Go's error text instead of a result, because sprig's does.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib

from gotemplate.functions.signature import Function, function, table
from gotemplate.literals import from_bytes, to_bytes

_BASE32 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_PAD = ord("=")
_NEWLINES = re.compile(rb"[\r\n]*")
_STRAYS64 = re.compile(rb"[^A-Za-z0-9+/\r\n]")


def _b64dec(text: str) -> str:
    data = to_bytes(text)
    fault = _base64_fault(data)
    if fault is not None:
        return f"illegal base64 data at input byte {fault}"
    return from_bytes(base64.b64decode(data.replace(b"\r", b"").replace(b"\n", b"")))


def _base64_fault(data: bytes) -> int | None:
    """The offset that Go complains about."""
    stray = _STRAYS64.search(data)
    end = stray.start() if stray is not None else len(data)
    count = end - data.count(b"\r", 0, end) - data.count(b"\n", 0, end)
    held = count % 4  # characters of a group that is not full yet
    if stray is None:
        return None if held == 0 else end - held
    if data[end] != _PAD or held < 2:
        return end
    at = end + 1
    if held == 2:
        at = _after_newlines(data, at)
        if at == len(data):
            return at
        if data[at] != _PAD:
            return at - 1
        at += 1
    at = _after_newlines(data, at)
    return None if at == len(data) else at


def _after_newlines(data: bytes, at: int) -> int:
    match = _NEWLINES.match(data, at)
    return at if match is None else match.end()


def _b32dec(text: str) -> str:
    data = to_bytes(text).replace(b"\r", b"").replace(b"\n", b"")
    fault = _base32_fault(data)
    if fault is not None:
        return f"illegal base32 data at input byte {fault}"
    characters = data.partition(b"=")[0]  # what stands behind the padding does not count
    return from_bytes(base64.b32decode(characters + b"=" * (-len(characters) % 8)))


def _base32_fault(data: bytes) -> int | None:
    plain = next((at for at, byte in enumerate(data) if byte not in _BASE32), len(data))
    held = plain % 8
    if plain == len(data):
        return None if held == 0 else plain - held
    left = len(data) - plain - 1
    if data[plain] != _PAD or held < 2 or left >= 8:
        return plain
    if left + held < 7:
        return len(data)
    for offset in range(7 - held):
        if left > offset and data[plain + 1 + offset] != _PAD:
            return plain + offset
    if held in (3, 6):
        return plain
    return None


def _b64enc(text: str) -> str:
    return base64.b64encode(to_bytes(text)).decode()


def _b32enc(text: str) -> str:
    return base64.b32encode(to_bytes(text)).decode()


ENCODING: dict[str, Function] = table(
    function("adler32sum", "string", lambda text: str(zlib.adler32(to_bytes(text)))),
    function("b32dec", "string", _b32dec),
    function("b32enc", "string", _b32enc),
    function("b64dec", "string", _b64dec),
    function("b64enc", "string", _b64enc),
    function("sha1sum", "string", lambda text: hashlib.sha1(to_bytes(text)).hexdigest()),
    function("sha256sum", "string", lambda text: hashlib.sha256(to_bytes(text)).hexdigest()),
    function("sha512sum", "string", lambda text: hashlib.sha512(to_bytes(text)).hexdigest()),
)
