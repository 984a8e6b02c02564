"""How long a container has been running, whatever any clock says.

By the machine's monotonic clock, which all its processes share and nobody can set.  A label of
the container holds when it began, and another the boot in which that means something; a
worker that starts later, with its clock wrong, goes on counting from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from worker import action
from worker.action import Run
from worker.runtime_engine import ContainerState

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class RunClock:
    """Seconds since this machine's boot."""

    def __init__(
        self, boot_id: str | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.boot_id = boot_id or BOOT_ID_FILE.read_text().strip()
        self.now = monotonic

    def labels(self) -> Mapping[str, str]:
        """What a container that begins now is given."""
        return {action.LABEL_BEGAN: f"{self.now():.3f}"}

    def began(self, state: ContainerState) -> float:
        """When a container began; now, where the worker that began it did not say."""
        now = self.now()
        try:
            is_ours = state.labels[action.LABEL_BOOT] == self.boot_id
            return min(float(state.labels[action.LABEL_BEGAN]), now) if is_ours else now
        except (KeyError, ValueError):
            return now

    def is_timed_out(self, run: Run, state: ContainerState) -> bool:
        """Whether a container that was killed was so because its time was over."""
        if state.name.endswith(action.TIMED_OUT_SUFFIX):
            return True
        if action.LABEL_BEGAN in state.labels or not (state.started_at and state.ended_at):
            return False
        ran = (state.ended_at - state.started_at).total_seconds()  # of an older worker
        return ran >= run.timeout_seconds
