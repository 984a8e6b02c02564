"""Container image references, by docker's grammar.

`[host[:port]/]path[:tag][@digest]`; a path is in lower case.  Names that docker would
normalise (`hello-world`) are right; a bare 64-digit hex text is an image id, not a name.
"""

from __future__ import annotations

import re

_MAX_NAME = 255  # docker's own limit, of the name without tag and digest
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?:{_TAG}))?(?:@(?:{_DIGEST}))?\Z"
)
_IMAGE_ID = re.compile(r"[a-f0-9]{64}\Z")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_MAX_TEXT = 4096  # bounds the work of the expression above


def is_image_reference(text: str) -> bool:
    if len(text) > _MAX_TEXT or _IMAGE_ID.match(text):
        return False
    found = _REFERENCE.match(text)
    if found is None or len(found["name"]) > _MAX_NAME or not _host_is_host(found["name"]):
        return False
    algorithm, _, digits = text.partition("@")[2].partition(":")
    return len(digits) == _DIGEST_LENGTHS.get(algorithm, len(digits))


def _host_is_host(name: str) -> bool:
    """A first part with capitals is a host only when it has a dot or a port."""
    first, slash, _ = name.partition("/")
    return not slash or "." in first or ":" in first or first == first.lower()
