"""What time is it, and how much time has passed?  Two questions, two hands of one clock.

`now` is what people read in events; NTP, an operator or a resumed machine may set it to
anything at any moment, so no duration ever comes from it.  `monotonic` only goes on, and
means nothing to another start of the machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from provisioner.model import ids
from provisioner.model.ids import WorkflowId


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment of this start of the machine."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def timestamp(seconds: float) -> str:
    """Write a time as events hold it: RFC 3339, UTC, microseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def seconds_of(stamp: str) -> float:
    """Read a time that `timestamp` wrote."""
    return datetime.fromisoformat(stamp).timestamp()


class WorkflowIds:
    """Mints ids that sort in the order of minting, also within one millisecond."""

    def __init__(self, clock: Clock, *, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()  # guards _last
        self._last = 0

    def __call__(self) -> WorkflowId:
        with self._lock:
            # 12 bits after the millisecond count within it; a full one borrows the next.
            self._last = max(int(self._clock.now() * 1000) << 12, self._last + 1)
            milliseconds, count = self._last >> 12, self._last & 0xFFF
        return ids.new_workflow_id(milliseconds, count.to_bytes(2, "big") + self._randomness(8))
