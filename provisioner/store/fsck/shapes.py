"""Is a record spelt like one that was found to be as we write it?

Records of one template differ in ids, addresses and times, which are plain texts between
quotes, and in a line that counts their arrival.  Where all else is the same to the byte,
parsing it again says nothing new: 15 µs in place of 150.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

_SHAPES_LIMIT = 1_000  # some 10 KB each; a site has a few for each of its templates
# What JSON spells as it is, between the quotes and around them: no backslash, no control.
_PLAIN = bytes(each for each in range(0x20, 0x7F) if each != 0x5C) + b"\n"
# No line begins inside of quotes.  The number is cut out, the key stays.
_ARRIVAL = re.compile(rb'\n"arrival": ([1-9][0-9]{0,17})(?=,\n)')
_STEP = (b"task_name", b"name", b"worker_id")

Parts = list[bytes]  # what is outside and inside of quotes, in turn
Pick = Callable[[Parts], tuple[bytes, ...]]


class Likeness(NamedTuple):
    """What a record holds in the places where records like it differ."""

    id: bytes
    arrival: int  # 0 where there is none
    names: tuple[tuple[bytes, bytes], ...]  # of the task and of the action
    workers: tuple[bytes, ...]


class _Shape(NamedTuple):
    keys: tuple[bytes, ...]
    pick_keys: Pick
    pick_steps: tuple[Pick, ...]


class Shapes:
    """The records that were found to be as we write them, without what is theirs alone."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Shape] = {}

    def find(self, content: bytes) -> Likeness | None:
        """Return what is a record's own, when all else is as it was in one that was right."""
        taken = _take_apart(content)
        shape = self._known.get(taken[0]) if taken else None
        if taken is None or shape is None or shape.pick_keys(taken[1]) != shape.keys:
            return None
        _, parts, arrival = taken
        tasks, names, workers = (pick(parts) for pick in shape.pick_steps)
        return Likeness(parts[3], arrival, tuple(zip(tasks, names, strict=True)), workers)

    def learn(self, content: bytes, actions: int) -> None:
        """Remember a record that is as we write it and has so many actions."""
        taken = _take_apart(content)
        if taken is None or not content.startswith(b'{\n"id": "') or not actions:
            return
        structure, parts, _ = taken
        keys = [at for at in range(1, len(parts), 2) if parts[at + 1].startswith(b":")]
        steps = [[at + 2 for at in keys if parts[at] == name] for name in _STEP]
        # A record has a name, too, before its actions; and any document has what it likes.
        first, last = _bounds(parts, keys)
        steps = [[at for at in each if first < at < last] for each in steps]
        if any(len(each) != actions for each in steps):
            return
        if len(self._known) >= _SHAPES_LIMIT:
            self._known.clear()
        pick = _picker(keys)
        self._known[structure] = _Shape(pick(parts), pick, tuple(map(_picker, steps)))


def _take_apart(content: bytes) -> tuple[bytes, Parts, int] | None:
    """Return what is outside of quotes, all parts, and the count, of a record of plain texts."""
    if content.translate(None, _PLAIN):
        return None
    arrival = 0
    counted = _ARRIVAL.search(content)
    if counted is not None:
        arrival = int(counted[1])
        content = content[: counted.start(1)] + content[counted.end() :]
    parts = content.split(b'"')
    structure = b'"'.join(parts[::2])
    if structure.count(b"\n") != content.count(b"\n"):
        return None
    return structure, parts, arrival


def _picker(places: list[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    place = places[0]
    return lambda parts: (parts[place],)


def _bounds(parts: Parts, keys: list[int]) -> tuple[int, int]:
    """Between which places the actions stand: top-level keys begin a line."""
    lines = [at for at in keys if parts[at - 1].endswith(b"\n")]
    first = next((at for at in lines if parts[at] == b"actions"), len(parts))
    return first, next((at for at in lines if at > first), len(parts))
