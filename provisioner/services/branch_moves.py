"""Who hears that somebody else moved the status branch, and what was done about it?"""

from __future__ import annotations

from provisioner.services.conditions import Condition, Conditions
from provisioner.services.metrics import Metrics
from provisioner.store.branch_guard import Move


def report(move: Move, metrics: Metrics, conditions: Conditions) -> None:
    """Count it; where a person must decide, it is a condition until that is done."""
    metrics.branch_moves.labels(move.branch, move.kind).inc()
    name = f"{move.branch}-diverged"
    if move.error is not None:
        told = Condition(
            name=name, message=move.error.message, hint=move.error.hint, stops_writing=True
        )
        conditions.set(told)
    elif move.kind == "recovered":
        conditions.clear(name)
