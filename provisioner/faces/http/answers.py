"""What does a view get, and what may it return?

Views are plain functions, so that Flask and the gate before it run the same ones.  A view
never blocks: it returns an `Answer`, or says what to wait for (`Later`, `Wait`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from provisioner.services.provisioner import Provisioner

JSON = "application/json"
JSON_LINES = "application/jsonl"
YAML = "application/yaml"


@dataclass(slots=True, kw_only=True)
class Call:
    """One request.  `path` holds the variable parts of the route by name."""

    path: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


NOTHING = Answer(status=204, content_type="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """`finish` makes the answer of the future's result; what the future raises is told."""

    future: Future[Any]
    finish: Callable[[Any], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Long poll: `ask` again after each wake-up, until it answers or the time is over.

    `subscribe` takes what to call from any thread and returns how to stop that.
    """

    seconds: float
    subscribe: Callable[[Callable[[], None]], Callable[[], None]]
    ask: Callable[[], Answer | None]
    is_closing: Callable[[], bool]


Outcome: TypeAlias = Answer | Later | Wait
View: TypeAlias = Callable[[Provisioner, Call], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`rule` in Flask's spelling."""

    method: str
    rule: str
    view: View
    body_limit: int = 0

    @property
    def name(self) -> str:
        return self.view.__name__


def json_answer(value: object, *, status: int = 200) -> Answer:
    return Answer(status=status, body=encoded(value) + b"\n")


def json_lines(values: Iterable[object]) -> Answer:
    """As classic tink lists: one JSON object a line."""
    return Answer(body=b"".join(encoded(each) + b"\n" for each in values), content_type=JSON_LINES)


def encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_plain).encode("utf-8", "replace")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):
        return list(value)
    return str(value)
