"""What does a view get, and what may it return?

Views are plain functions, so that Flask and the gate before it run the same ones.  A view
never blocks: it returns an `Answer`, or says what to wait for (`Later`, `Wait`) or to do
(`Work`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, BinaryIO, TypeAlias

from provisioner.errors import Unavailable
from provisioner.services.provisioner import Provisioner

JSON = "application/json"
JSON_LINES = "application/jsonl"
YAML = "application/yaml"


@dataclass(slots=True, kw_only=True)
class Call:
    """One request.  `path` holds the variable parts of the route by name.

    `headers` (names in lower case), `client` (its address) and `server` (the address and port
    that it reached) are known of what Flask dispatches, which are all but workers' routes.
    """

    path: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    server: tuple[str, int] = ("localhost", 80)
    method: str = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A part of a file, in bytes.  Whoever sends it closes `file`."""

    file: BinaryIO
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """With `part` the body is a part of a file, which is never held in memory."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    part: FilePart | None = None

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.part.length if self.part is not None else len(self.body)


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


class Kind(Enum):
    """Of work: of each kind so much is done at once, and none waits behind another."""

    PROBE = "probe"
    LIST = "list"
    DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An answer that takes long, or much memory, to make: in a thread.

    `run` may give up, with any exception, once what it is given says no: nobody wants the
    answer any more.
    """

    kind: Kind
    run: Callable[[Callable[[], bool]], Answer]


Unanswered: TypeAlias = Later | Wait | Work
Outcome: TypeAlias = Answer | Unanswered
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


def json_lines(values: Iterable[object], is_wanted: Callable[[], bool]) -> Answer:
    """As classic tink lists: one JSON object a line."""
    lines = []
    for each in values:
        if not is_wanted():
            raise Unavailable("nobody waits for this list any more")
        lines.append(encoded(each) + b"\n")
    return Answer(body=b"".join(lines), content_type=JSON_LINES)


def encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_plain).encode("utf-8", "replace")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):
        return list(value)
    return str(value)
