"""The time of day, and the time that has passed: two clocks.

`now` is what people read in events; NTP, an operator or a resumed machine may set it to
anything at any moment, so no duration ever comes from it.  `monotonic` only goes on, and
means nothing to another start of the machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from provisioner.model import ids
from provisioner.model.ids import WorkflowId

_STEP_SECONDS = 60.0  # more than a clock is slewed by between two looks
_BELIEVED_AFTER_SECONDS = 86_400.0


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


class CautiousClock:
    """Tells the time to what must rather happen late than early, such as throwing away.

    A clock that is set forward is believed when it has gone on steadily for a day.  To be
    asked every hour or so, by one thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._believed = self._seen = clock.now() - clock.monotonic()
        self._steady_since = clock.monotonic()

    def now(self) -> float:
        """Seconds since 1970, or fewer."""
        monotonic, wall = self._clock.monotonic(), self._clock.now()
        if abs(wall - monotonic - self._seen) > _STEP_SECONDS:
            self._seen, self._steady_since = wall - monotonic, monotonic
        elif monotonic - self._steady_since > _BELIEVED_AFTER_SECONDS:
            self._believed = self._seen = wall - monotonic
        return min(wall, self._believed + monotonic)


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
