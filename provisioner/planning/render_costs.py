"""How much may bad templates cost a pass over the desired branch?

One that hits its limits takes a quarter of a second for each of its requests, and a hundred
of them kept a good push waiting for 24 seconds.  So its requests go last, after some that
fail the others fail unseen, and a pass that took long leaves the rest to the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning.desired import file_of

TRIES = 3  # failures in a row that cost much, before the other requests of a template fail unseen
SLOW_SECONDS = 0.05  # for one request; a usual one takes a hundredth of that
PASS_SECONDS = 0.5  # for all slow ones of one pass: so long the next push waits at most
_LIMIT = "template.limit"

_Key = tuple[str, str]


class RenderCosts:
    """Of one pass."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is the processor time that was used, or always 0 where time is no matter."""
        self._seconds = seconds
        self._used = 0.0
        self._failures: dict[_Key, list[Problem]] = {}  # the first of each in a row

    @property
    def is_spent(self) -> bool:
        """Whether the rest should be left to the next pass."""
        return self._used > PASS_SECONDS

    def goes_last(self, template: Template) -> bool:
        return bool(self._failures.get(_key(template)))

    def check(self, template: Template, request: WorkflowRequest) -> None:
        """Raise what is wrong with a template that has failed often enough."""
        failures = self._failures.get(_key(template), [])
        if len(failures) >= TRIES:
            count = f"{TRIES} other requests in a row"
            path = file_of(request.source.path)
            message = f"{failures[-1].message}; so it did for {count}: not tried for {path}"
            raise InvalidInput([replace(failures[-1], message=message)])

    def begin(self) -> float:
        return self._seconds()

    def end(self, template: Template, begun: float, invalid: InvalidInput | None) -> None:
        """Note what it cost to render a request since `begin`, and how it ended."""
        seconds = self._seconds() - begun
        is_slow = seconds > SLOW_SECONDS
        if is_slow:
            self._used += seconds
        if invalid is None:
            self._failures.pop(_key(template), None)
        elif is_slow or any(each.code == _LIMIT for each in invalid.problems):
            self._failures.setdefault(_key(template), []).append(_plain(invalid, template))


def _key(template: Template) -> _Key:
    return template.source.path, template.source.blob_id


def _plain(invalid: InvalidInput, template: Template) -> Problem:
    """The first problem, without the request that it was found for."""
    found = invalid.problems[0]
    return replace(found, message=found.message.partition(" (for ")[0])
