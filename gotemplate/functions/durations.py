"""sprig's functions on spans of time that read no clock."""

from __future__ import annotations

import re
from decimal import Decimal

from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.values import Int64, Time

_SECOND = 1_000_000_000  # nanoseconds, in which Go counts
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3_600 * _SECOND,
}
_SPAN = re.compile(r"([-+]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_PART = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(r"[-+]?[0-9]+")
_LAST = (1 << 63) - 1
_ROUNDED = (
    (365 * 24 * 3_600 * _SECOND, "y"),
    (30 * 24 * 3_600 * _SECOND, "mo"),
    (24 * 3_600 * _SECOND, "d"),
    (3_600 * _SECOND, "h"),
    (60 * _SECOND, "m"),
    (_SECOND, "s"),
)


def _wrapped(number: int) -> int:
    """As a signed number of 64 bits."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _duration(seconds: object) -> str:
    """Seconds, as a text or an int64, in the manner of 1h2m3s; all else is 0s, as in sprig."""
    count = 0
    if isinstance(seconds, Int64):
        count = int(seconds)
    elif isinstance(seconds, str) and _WHOLE.fullmatch(seconds):
        count = max(-_LAST - 1, min(_LAST, int(seconds[:30])))
    return _written(_wrapped(count * _SECOND))


def _written(span: int) -> str:
    """Go's Duration.String, of whole seconds or of what an overflow left."""
    if span == 0:
        return "0s"
    sign, rest = "-" if span < 0 else "", abs(span)
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if rest < min(size * 1_000, _SECOND):
            return f"{sign}{_fraction(rest, size)}{unit}"
    minutes, nanoseconds = divmod(rest, 60 * _SECOND)
    text = f"{_fraction(nanoseconds, _SECOND)}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        text = f"{hours}h{minutes}m{text}"
    elif minutes:
        text = f"{minutes}m{text}"
    return sign + text


def _fraction(number: int, size: int) -> str:
    text = f"{Decimal(number) / size:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _duration_round(span: object) -> str:
    """The largest unit of a span, which is a text such as 2h5m, or an int64 of nanoseconds."""
    if isinstance(span, Time):
        raise CallFault("it reads the clock", hint="put the duration into the workflow request")
    nanoseconds = 0
    if isinstance(span, Int64):
        nanoseconds = int(span)
    elif isinstance(span, str):
        nanoseconds = nanoseconds_of(span) or 0
    size = abs(nanoseconds)
    return next((f"{size // unit}{name}" for unit, name in _ROUNDED if size > unit), "0s")


def nanoseconds_of(text: str) -> int | None:
    """What Go's ParseDuration makes of a text such as -1h30m; None for what it refuses."""
    if text in ("0", "+0", "-0"):
        return 0
    found = _SPAN.fullmatch(text)
    if found is None or len(text) > 200:
        return None
    parts = _PART.findall(found[2])
    total = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in parts)
    if total > _LAST:
        return None
    return -total if found[1] == "-" else total


DURATIONS: dict[str, Function] = table(
    function("duration", "any", _duration),
    function("durationRound", "any", _duration_round),
    function("hello", "", lambda: "Hello!"),
)
