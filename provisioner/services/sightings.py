"""When was each machine seen last, and at what: kept in memory, never committed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

LIMIT = 20_000  # names; the one seen longest ago goes first


class Contact(Enum):
    """How a machine was heard of."""

    DHCP = "dhcp"
    BOOT = "boot"  # it asked for its boot script
    METADATA = "metadata"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """`at` is seconds since 1970; `detail` what was answered."""

    at: float
    detail: str = ""


class Sightings:
    """By MAC address or hardware id; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, dict[Contact, Sighting]] = OrderedDict()

    def note(self, name: str, contact: Contact, detail: str = "") -> None:
        sighting = Sighting(at=self._clock(), detail=detail)
        with self._lock:
            known = self._seen.setdefault(name, {})
            known[contact] = sighting
            self._seen.move_to_end(name)
            while len(self._seen) > LIMIT:
                self._seen.popitem(last=False)

    def of(self, *names: str) -> Mapping[Contact, Sighting]:
        """The newest sighting of each kind under any of the names."""
        found: dict[Contact, Sighting] = {}
        with self._lock:
            for name in names:
                for contact, sighting in self._seen.get(name, {}).items():
                    if contact not in found or found[contact].at < sighting.at:
                        found[contact] = sighting
        return found

    def names(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._seen)
