"""What a delivery says: which branch of which repository moved.

A hint only: nothing of it is believed but that it is worth while to look at the remote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from provisioner.errors import UserError

_IDENTITIES = (
    "x-github-delivery",
    "x-gitea-delivery",
    "x-forgejo-delivery",
    "webhook-id",
    "idempotency-key",
    "x-gitlab-event-uuid",
)
_HEADS = "refs/heads/"
_FORM = "application/x-www-form-urlencoded"  # what GitHub's page offers first


def identity(headers: Mapping[str, str]) -> str:
    """The id that the forge gave to the delivery, or ""."""
    return next((headers[each] for each in _IDENTITIES if headers.get(each)), "")


def moved_branch(headers: Mapping[str, str], body: bytes) -> str | None:
    """The branch that a push or a merge moved; None for another event."""
    payload = _payload(headers, body)
    request = payload.get("pull_request")
    if isinstance(request, dict):
        is_merged = payload.get("action") == "closed" and request.get("merged") is True
        return _text(_part(request, "base").get("ref")) if is_merged else None
    if payload.get("object_kind") == "merge_request":
        attributes = _part(payload, "object_attributes")
        is_merged = attributes.get("action") == "merge"
        return _text(attributes.get("target_branch")) if is_merged else None
    ref = _text(payload.get("ref"))
    if ref is None or not ref.startswith(_HEADS):
        return None
    return ref.removeprefix(_HEADS)


def _payload(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    try:
        text = body.decode("utf-8")
        if headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
            [text] = parse_qs(text, strict_parsing=True, max_num_fields=8)["payload"]
        found = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError("the body is no JSON") from error
    if not isinstance(found, dict):
        raise UserError("the body is no JSON object")
    return found


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
