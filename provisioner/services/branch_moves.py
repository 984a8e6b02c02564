"""Reports moves of the status branch by somebody else, and what was done about them.

The metrics count it and `/readyz` lists the last ones; where a person must decide, it is a
condition as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.model import times
from provisioner.services.clock import Clock
from provisioner.services.conditions import Condition, Conditions
from provisioner.services.metrics import Metrics
from provisioner.store.guard.branch_guard import Move

_RECENT = 10  # moves that are listed; the log has all


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentMove:
    """`kind`, `branch` and `found` as store.branch_guard.Move has them; `at` is RFC 3339 UTC."""

    at: str
    branch: str
    kind: str
    found: str = ""


class BranchMoves:
    """`report` is called by whoever looks after the branches, `recent` read by any thread."""

    def __init__(self, *, clock: Clock, metrics: Metrics, conditions: Conditions) -> None:
        self._clock = clock
        self._metrics = metrics
        self._conditions = conditions
        self.recent: tuple[RecentMove, ...] = ()  # newest last; swapped, never changed

    def report(self, move: Move) -> None:
        """Count and list it; where a person must decide, it is a condition until that is done."""
        self._metrics.branch_moves.labels(move.branch, move.kind).inc()
        at = times.of_event(self._clock.now())
        listed = RecentMove(at=at, branch=move.branch, kind=move.kind, found=move.found or "")
        self.recent = (*self.recent, listed)[-_RECENT:]
        name = f"{move.branch}-diverged"
        if move.error is not None:
            error = move.error
            self._conditions.set(
                Condition(name=name, message=error.message, hint=error.hint, stops_writing=True)
            )
        elif move.kind == "recovered":
            self._conditions.clear(name)
