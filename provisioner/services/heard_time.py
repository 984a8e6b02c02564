"""For how long this server has listened to its machines.

Silence only means something while somebody listens.  So time-outs count these seconds, and
not those in which the process was stopped, its virtual machine paused, or writing halted.
`tick` is called about once a second; what lies between two ticks counts for `LONGEST_GAP`
at most, whoever asks first after a gap.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from provisioner.services.clock import Clock

TICK_SECONDS = 1.0
LONGEST_GAP_SECONDS = 2.0  # a busy machine is late by less; a stopped one by more


class HeardTime:
    """Thread-safe; begins at zero."""

    def __init__(self, clock: Clock, is_listening: Callable[[], bool] = lambda: True) -> None:
        """While `is_listening` says no, no time passes."""
        self._monotonic = clock.monotonic
        self._is_listening = is_listening
        self._lock = threading.Lock()  # guards two ticks at once
        self._last = (clock.monotonic(), 0.0, True)  # when, heard until then, does it go on

    @property
    def is_listening(self) -> bool:
        """As of the last tick."""
        return self._last[2]

    def now(self) -> float:
        """Seconds listened since the server started; never more than what passed."""
        return self._heard_at(self._monotonic())

    def tick(self) -> None:
        with self._lock:
            moment = self._monotonic()
            self._last = (moment, self._heard_at(moment), self._is_listening())

    def _heard_at(self, moment: float) -> float:
        at, heard, goes_on = self._last
        if not goes_on:
            return heard
        passed = moment - at  # a little less than nothing, if a tick came between
        return heard + (passed if passed < LONGEST_GAP_SECONDS else LONGEST_GAP_SECONDS)
