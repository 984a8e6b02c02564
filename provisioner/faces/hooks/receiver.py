"""Who may wake the server: the answer to one request of a forge.

Nothing is read of a body before its signature is right.  A right delivery is answered well even
where it wakes nobody, so that a forge does not switch the hook off.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping

from provisioner.errors import UserError
from provisioner.faces.hooks import delivery, signatures
from provisioner.faces.http import errors
from provisioner.faces.http.answers import Answer, json_answer

PATH = "/hooks/push"
BODY_LIMIT_BYTES = 1_048_576  # a push of Gitea has 9 KB, one of GitHub with 2,048 commits more
REMEMBERED = 1_024  # deliveries: 36 hours of pushes at one in two minutes
FAILURES = 10  # unproven requests of an address …
FAILURE_SECONDS = 60.0  # … in such a time, before its next are not looked at
ADDRESSES = 1_024  # that are counted; the one heard longest ago is forgotten

_UNPROVEN = errors.error_answer(401, "unauthorized", "the signature is missing or wrong")


class Receiver:
    """Belongs to the listener's thread; `moved` must not wait."""

    def __init__(
        self,
        secret: bytes,
        branch: str,
        *,
        moved: Callable[[], None],
        count: Callable[[str], None],
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """`clock` is the time of day, for signed times; `steady` never goes back."""
        self._secret, self._branch = secret, branch
        self._moved, self._count = moved, count
        self._clock, self._steady = clock, steady
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def refusal(
        self, method: str, path: str, headers: Mapping[str, str], client: str
    ) -> Answer | None:
        """What is wrong with a request, as far as its head says it."""
        if path != PATH:
            return errors.error_answer(404, "not-found", "there is nothing here")
        if method != "POST":
            answer = errors.error_answer(405, "method-not-allowed", "a hook is a POST")
            return Answer(status=405, body=answer.body, headers=(("Allow", "POST"),))
        wait = self._wait_seconds(client)
        if wait:
            answer = errors.error_answer(429, "too-many", "too many requests without a proof")
            return Answer(status=429, body=answer.body, headers=(("Retry-After", str(wait)),))
        if not signatures.is_named(headers):
            return self._unproven(client)
        return None

    def receive(self, headers: Mapping[str, str], body: bytes, client: str) -> Answer:
        if not signatures.is_genuine(self._secret, headers, body, now=self._clock()):
            return self._unproven(client)
        try:
            branch = delivery.moved_branch(headers, body)
        except UserError as error:
            self._count("malformed")
            return errors.answer_to(error)
        if self._is_replay(headers, body):
            return self._ignored("replayed", "this delivery was received before")
        if branch != self._branch:
            return self._ignored("ignored", f"only a move of {self._branch} is of interest")
        self._moved()
        self._count("accepted")
        return json_answer({"outcome": "accepted"}, status=202)

    def _is_replay(self, headers: Mapping[str, str], body: bytes) -> bool:
        """By what is signed, and by the id, which most forges send unsigned."""
        keys = [b"body" + hashlib.sha256(body).digest()]
        name = delivery.identity(headers)
        if name:
            keys.append(b"id" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
        is_known = any(each in self._seen for each in keys)
        for each in keys:
            self._seen[each] = None
            self._seen.move_to_end(each)
        while len(self._seen) > 2 * REMEMBERED:
            self._seen.popitem(last=False)
        return is_known

    def _ignored(self, outcome: str, why: str) -> Answer:
        self._count(outcome)
        return json_answer({"outcome": outcome, "why": why})

    def _unproven(self, client: str) -> Answer:
        self._count("refused")
        since, count = self._failures.pop(client, (self._steady(), 0))
        self._failures[client] = (since, count + 1)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        return _UNPROVEN

    def _wait_seconds(self, client: str) -> int:
        """How long an address that guesses has to wait; 0 for all others."""
        since, count = self._failures.get(client, (0.0, 0))
        left = since + FAILURE_SECONDS - self._steady()
        if count and left <= 0:
            del self._failures[client]
        elif count >= FAILURES:
            self._count("limited")
            return int(left) + 1
        return 0
