"""Which status and body does an error have?  The only place that knows.

{"error": {"code": "refused", "message": "action 0 is due, the report is of action 1", "hint": ""}}
"""

from __future__ import annotations

import logging

from provisioner.errors import (
    Conflict,
    LimitExceeded,
    NotFound,
    Refused,
    TinkError,
    Unavailable,
    UserError,
)
from provisioner.faces.http.answers import Answer, json_answer
from provisioner.model.problem import InvalidInput
from worker import wire

_LOG = logging.getLogger(__name__)

# The first that fits counts.
STATUS_OF: tuple[tuple[type[Exception], int, str], ...] = (
    (NotFound, 404, "not-found"),
    (InvalidInput, 422, "invalid"),
    (Refused, 409, "refused"),
    (Conflict, 409, "conflict"),
    (LimitExceeded, 413, "too-large"),
    (Unavailable, 503, "unavailable"),
    (UserError, 400, "bad-request"),
    (wire.DataTooLarge, 413, "too-large"),
    (wire.WireError, 400, "bad-request"),
)
RETRY_AFTER_SECONDS = 2

_CODES = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "bad-request"}


def answer_to(error: BaseException) -> Answer:
    for kind, status, code in STATUS_OF:
        if isinstance(error, kind):
            hint = error.hint if isinstance(error, TinkError) else ""
            return error_answer(status, code, str(error), hint)
    _LOG.error("a request failed", exc_info=error)
    return error_answer(500, "internal", "the server has a fault; its log says more")


def answer_to_status(status: int, message: str) -> Answer:
    """For what the framework itself refuses."""
    return error_answer(status, _CODES.get(status, "bad-request"), message)


def body_too_large(limit: int) -> Answer:
    return error_answer(413, "too-large", f"the body is larger than {limit} bytes")


def error_answer(status: int, code: str, message: str, hint: str = "") -> Answer:
    answer = json_answer({"error": {"code": code, "message": message, "hint": hint}}, status=status)
    if status != 503:
        return answer
    headers = (("Retry-After", str(RETRY_AFTER_SECONDS)),)
    return Answer(status=status, body=answer.body, headers=headers)
