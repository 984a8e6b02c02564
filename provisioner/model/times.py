"""How times are written: RFC 3339 in UTC, as the status branch, the API and tables have them."""

from __future__ import annotations

from datetime import UTC, datetime


def of_event(seconds: float) -> str:
    """Seconds since 1970 as events hold them: with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def to_the_second(seconds: float) -> str:
    """Seconds since 1970 as people read them."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def in_utc(text: str) -> str:
    """A time of any zone, as git prints it, to the second."""
    return to_the_second(datetime.fromisoformat(text).timestamp())
