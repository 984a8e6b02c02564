"""How long to wait before the next try, when the last ones failed."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_SECONDS = 1.0
# No longer than the usual time between two looks at a remote: it is asked no more often when it is
# away than when it is well, and one that comes back is seen as soon.
LONGEST_SECONDS = 30.0


class BackOff:
    """For one thread."""

    def __init__(self, spread: Callable[[float, float], float] = random.uniform) -> None:
        self._spread = spread
        self._failures = 0

    def worked(self) -> bool:
        """Begin again with short pauses; returns whether the try before had failed."""
        had_failed, self._failures = self._failures > 0, 0
        return had_failed

    def pause(self) -> float:
        """Note a failure and return the seconds to wait: twice as long each time.

        Between half of it and all, so that many who lost the same remote don't return as one.
        """
        longest = min(FIRST_SECONDS * 2.0**self._failures, LONGEST_SECONDS)
        self._failures = min(self._failures + 1, 16)
        return longest * self._spread(0.5, 1.0)
