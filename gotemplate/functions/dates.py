"""sprig's functions on times that read no clock.  A time without a zone is in UTC."""

from __future__ import annotations

from collections.abc import Callable

from gotemplate import layouts
from gotemplate.functions.durations import nanoseconds_of
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.layouts import BadTime, Moment, NoYear
from gotemplate.limits import Budget
from gotemplate.values import Time, plain_name

_STRING = "2006-01-02 15:04:05.999999999 -0700 MST"
_JSON = "2006-01-02T15:04:05.999999999Z07:00"


def time_of(moment: Moment) -> Time:
    """The value that a template holds: what a time's methods without arguments say."""
    hour, minute, second, nanosecond = moment.clock
    return Time(
        Year=moment.day.year,
        Month=layouts.MONTHS[moment.day.month - 1],
        Day=moment.day.day,
        Weekday=layouts.DAYS[moment.day.weekday()],
        YearDay=moment.day.timetuple().tm_yday,
        Hour=hour,
        Minute=minute,
        Second=second,
        Nanosecond=nanosecond,
        Unix=moment.unix_nanoseconds // layouts.SECOND,
        UnixMilli=moment.unix_nanoseconds // 1_000_000,
        UnixNano=moment.unix_nanoseconds,
        IsZero=moment.unix_nanoseconds == layouts.ZERO.unix_nanoseconds,
        String=layouts.written(moment, _STRING),
        JSON=layouts.written(moment, _JSON),
    ).holding(moment)


def _read(budget: Budget, layout: str, text: str) -> Time:
    """The time that a text says; raises `BadTime`."""
    budget.spend(len(layout) + len(text))
    budget.make_items(15)
    return time_of(layouts.read(layout, text))


def _to_date(budget: Budget, layout: str, text: str) -> Time:
    """The zero time for what is no time of that layout, as in sprig."""
    try:
        return _read(budget, layout, text)
    except NoYear as error:
        raise CallFault(str(error)) from None
    except BadTime:
        return time_of(layouts.ZERO)


def _must_to_date(budget: Budget, layout: str, text: str) -> Time:
    try:
        return _read(budget, layout, text)
    except BadTime as error:
        raise CallFault(str(error)) from None


def _moment(value: object) -> Moment:
    if not isinstance(value, Time):
        raise CallFault(f"{plain_name(value)} is no time", hint='(toDate "2006-01-02" .date)')
    return value.moment


def _modified(budget: Budget, span: str, value: object) -> Time:
    nanoseconds = nanoseconds_of(span)
    if nanoseconds is None:
        raise CallFault(f"{span!r} is no duration", hint="such as -1.5h or 2h45m")
    budget.make_items(15)
    try:
        return time_of(_moment(value).plus(nanoseconds))
    except BadTime as error:
        raise CallFault(str(error)) from None


def _unix_epoch(value: object) -> str:
    return str(_moment(value).unix_nanoseconds // layouts.SECOND)


def _format(one: Time, layout: object) -> str:
    if not isinstance(layout, str) or len(layout) > layouts.LONGEST:
        raise CallFault("Format takes a layout such as 2006-01-02")
    return layouts.written(one.moment, layout)


def _compared(compare: Callable[[int, int], bool]) -> Callable[[Time, object], bool]:
    return lambda one, other: compare(one.moment.unix_nanoseconds, _moment(other).unix_nanoseconds)


# What a template may ask a time, with one word.
METHODS: dict[str, Callable[[Time, object], object]] = {
    "After": _compared(lambda one, other: one > other),
    "Before": _compared(lambda one, other: one < other),
    "Equal": _compared(lambda one, other: one == other),
    "Format": _format,
}

DATES: dict[str, Function] = table(
    function("toDate", "string string", _to_date, bounded=True),
    function("mustToDate", "string string", _must_to_date, bounded=True),
    function("mustDateModify", "string any", _modified, bounded=True),
    function("must_date_modify", "string any", _modified, bounded=True),
    function("unixEpoch", "any", _unix_epoch),
)
