"""How the loop signals a run that is in progress."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from worker.action import Cancelled, Leaving

LOOK_SECONDS = 1.0  # how soon a cancelled run or a worker's end is noticed


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`cancelled` is for one run, `leaving` for the whole worker."""

    leaving: threading.Event
    cancelled: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled
        if self.leaving.is_set():
            raise Leaving

    def pause(self, seconds: float) -> None:
        """Wait, and notice the loop's word on the way."""
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            self.check()
            self.leaving.wait(min(left, LOOK_SECONDS))
        self.check()
