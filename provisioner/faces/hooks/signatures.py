"""Whether a delivery comes from who knows the secret: by the proof of each kind of forge.

Compared in constant time.  SHA-256 only: the older `X-Hub-Signature` (SHA-1) proves nothing here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

_TOLERANCE_SECONDS = 300.0  # of a signed time: what the Standard Webhooks' libraries allow
_KEY_PREFIX = "whsec_"  # before a secret of theirs, which is base64

Check = Callable[[bytes, str, Mapping[str, str], bytes, float], bool]


def _is_hex(secret: bytes, proof: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    return _same(proof, hmac.new(secret, body, hashlib.sha256).hexdigest())


def _is_prefixed_hex(
    secret: bytes, proof: str, headers: Mapping[str, str], body: bytes, now: float
) -> bool:
    kind, _, digest = proof.partition("=")
    return kind == "sha256" and _is_hex(secret, digest, headers, body, now)


def _is_token(
    secret: bytes, proof: str, headers: Mapping[str, str], body: bytes, now: float
) -> bool:
    return _same(proof, secret.decode("utf-8", "surrogateescape"))


def _is_standard(
    secret: bytes, proof: str, headers: Mapping[str, str], body: bytes, now: float
) -> bool:
    """`v1,BASE64` over `id.timestamp.body`; several may stand there while a secret changes."""
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (identity and stamp.isascii() and stamp.isdecimal() and len(stamp) < 16):
        return False
    if abs(now - int(stamp)) > _TOLERANCE_SECONDS:
        return False
    signed = b".".join((identity.encode("latin-1"), stamp.encode("ascii"), body))
    digest = hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode('ascii')}"
    return any(_same(each, expected) for each in proof.split(" "))


# The header that holds the proof; the first that a request has is the one that counts, so
# that a wrong one is not made good by another.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("x-hub-signature-256", _is_prefixed_hex),  # GitHub; Gitea and Forgejo send it too
    ("x-gitea-signature", _is_hex),
    ("x-forgejo-signature", _is_hex),
    ("webhook-signature", _is_standard),  # GitLab's newer form
    ("x-gitlab-token", _is_token),
    ("x-signature", _is_prefixed_hex),  # anybody with a HMAC
)


def is_named(headers: Mapping[str, str]) -> bool:
    """Whether there is a proof at all, right or wrong: known before the body is read."""
    return any(name in headers for name, _ in CHECKS)


def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether the sender knows the secret.  Names of headers in lower case."""
    for name, check in CHECKS:
        if name in headers:
            return check(secret, headers[name], headers, body, now)
    return False


def _standard_key(secret: bytes) -> bytes:
    text = secret.decode("utf-8", "surrogateescape")
    if not text.startswith(_KEY_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except ValueError:
        return secret


def _same(one: str, other: str) -> bool:
    """In a time that says nothing of how far they agree."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )
