"""How a benchmark sums up what it timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Operations a second, and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.per_second:9,.0f}/s  p50 {self.p50_ms:7.2f} ms  p99 {self.p99_ms:7.2f} ms"


def summarise(latencies_ms: Sequence[float], seconds: float) -> Figures:
    ordered = sorted(latencies_ms)
    if not ordered:
        return Figures(per_second=0.0, p50_ms=float("nan"), p99_ms=float("nan"))
    return Figures(
        per_second=len(ordered) / seconds,
        p50_ms=ordered[len(ordered) // 2],
        p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
    )


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
