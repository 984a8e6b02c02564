"""The first lines of requests and answers: what they have to say, and what must not be there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

from provisioner.faces.http import errors
from provisioner.faces.http.answers import Answer

Headers = list[tuple[bytes, bytes]]

HEAD_LIMIT_BYTES = 32_768  # the request line and all headers; a browser's cookies fit
HEADER_LIMIT = 100

# The characters of a host, an address or a port; a comma would be two hosts in one.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+;=%:\[\]-]*")

TOO_LARGE = errors.answer_to_status(431, "the head of the request is too large")
NO_REQUEST = errors.answer_to_status(400, "this is no HTTP/1.1 request")
_NO_HOST = errors.answer_to_status(400, "a request of HTTP/1.1 has one Host header")
_CODED = errors.answer_to_status(501, "the only transfer coding here is chunked")
_VERSION = errors.answer_to_status(505, "this server speaks HTTP/1.1 and 1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How a request's body comes.  `size_bytes` is 0 where it is chunked."""

    size_bytes: int
    is_chunked: bool
    expects: bool  # the client waits for a word before it sends


_BARE = Framing(size_bytes=0, is_chunked=False, expects=False)


def framing(version: str, headers: Headers, *, url_bytes: int) -> Framing | Answer:
    """Read the headers that say where a request ends, or answer what is wrong with them.

    HTTP/1.1 needs exactly one Host (RFC 9112, 3.2).  HTTP/1.0 may lack it, and then knows
    no chunks either; two are refused there as well: somebody before us may have applied the
    other one.
    """
    size, length, hosts, codings, expects = url_bytes, 0, 0, 0, False
    for name, value in headers:
        size += len(name) + len(value)
        low = name.lower()
        if low == b"host":
            hosts += 1
            if _HOST.fullmatch(value) is None:
                return _NO_HOST
        elif low == b"content-length":
            length = int(value)  # the parser lets only digits pass, and one of them
        elif low == b"transfer-encoding":
            codings += 1
            if value.strip().lower() != b"chunked":
                return _CODED
        elif low == b"expect":
            expects = value.lower() == b"100-continue"
    if version != "1.1":
        if version != "1.0":
            return _VERSION
        if codings:
            return NO_REQUEST
        expects = False
    elif hosts == 0:
        return _NO_HOST
    if hosts > 1:
        return _NO_HOST
    if codings > 1:
        return NO_REQUEST
    if size > HEAD_LIMIT_BYTES:
        return TOO_LARGE
    if not (length or codings):
        return _BARE
    return Framing(size_bytes=length, is_chunked=bool(codings), expects=expects)


def path_of(url: bytes) -> str:
    """The decoded path of a request's target, whose host (`http://host/path`) is ours anyway."""
    target = url.partition(b"?")[0]
    if not target.startswith(b"/") and b"://" in target:
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    path = target.decode("utf-8", "surrogateescape")
    return unquote(path, errors="surrogateescape") if "%" in path else path


def answer_head(answer: Answer, *, is_last: bool, seconds: int) -> bytes:
    """Write the head of an answer; `seconds` is the time of day."""
    head = _first_lines(answer.status, answer.content_type, is_last)
    if answer.headers:
        lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in answer.headers)
        head += lines.encode("latin-1", "replace")
    length = b"" if answer.status == 204 else b"content-length: %d\r\n" % answer.length
    return b"%s%s%s\r\n" % (head, length, _date(seconds))


@lru_cache(maxsize=256)
def _first_lines(status: int, content_type: str, is_last: bool) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {status} {reason}"]
    if content_type:
        lines.append(f"content-type: {content_type}")
    if is_last:
        lines.append("connection: close")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


@lru_cache(maxsize=2)
def _date(seconds: int) -> bytes:
    return f"date: {formatdate(seconds, usegmt=True)}\r\n".encode()
