"""Times by Go's layouts: `2006-01-02 15:04:05` says where year, month and the rest stand."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LONGEST = 200  # characters of a layout or of a time
SECOND = 1_000_000_000  # nanoseconds

# The chunks of a layout, in the order in which Go looks for them at a place.
_CHUNKS = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|_2(?=006)|__2|_2|2|3|4|5"
    r"|PM|pm|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|[.,](?:0+|9+)(?![0-9])"
)
_ZONE = re.compile(r"[A-Z]{3}[+-][0-9]{1,2}|[A-Z]{3,5}|[+-][0-9]{2}(?:[0-9]{2})?")


class BadTime(Exception):
    """The text is no time of that layout; the message is for a person."""


class NoYear(BadTime):
    """Go takes the year 0 where none is named, before which our calendar does not reach."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of the proleptic Gregorian calendar; `offset` in seconds east of UTC."""

    day: date
    nanoseconds: int  # since midnight
    offset: int = 0
    zone: str = "UTC"

    @property
    def unix_nanoseconds(self) -> int:
        days = self.day.toordinal() - date(1970, 1, 1).toordinal()
        return days * 86_400 * SECOND + self.nanoseconds - self.offset * SECOND

    def plus(self, nanoseconds: int) -> Moment:
        """Raises `BadTime` outside of the years 1 to 9999."""
        days, rest = divmod(self.nanoseconds + nanoseconds, 86_400 * SECOND)
        try:
            day = self.day + timedelta(days=days)
        except OverflowError:
            raise BadTime("the time is outside of the years 1 to 9999") from None
        return Moment(day, rest, self.offset, self.zone)

    @property
    def clock(self) -> tuple[int, int, int, int]:
        """Hour, minute, second, nanosecond."""
        seconds, nanoseconds = divmod(self.nanoseconds, SECOND)
        return seconds // 3_600, seconds // 60 % 60, seconds % 60, nanoseconds


ZERO = Moment(date(1, 1, 1), 0)


def _chunks(layout: str) -> Iterator[tuple[bool, str]]:
    """What stands in a layout: words of its own, and plain text."""
    at = 0
    for found in _CHUNKS.finditer(layout):
        if found[0] == "_2" and layout.startswith("006", found.end()):
            continue  # the year follows an underscore
        if found.start() > at:
            yield False, layout[at : found.start()]
        yield True, found[0]
        at = found.end()
    if at < len(layout):
        yield False, layout[at:]


def written(moment: Moment, layout: str) -> str:
    """The time as the layout has it."""
    return "".join(_part(moment, text) if is_word else text for is_word, text in _chunks(layout))


def _part(moment: Moment, word: str) -> str:
    day = moment.day
    hour, minute, second, nanosecond = moment.clock
    half = hour % 12 or 12
    plain = {
        "January": MONTHS[day.month - 1],
        "Jan": MONTHS[day.month - 1][:3],
        "1": str(day.month),
        "01": f"{day.month:02}",
        "Monday": DAYS[day.weekday()],
        "Mon": DAYS[day.weekday()][:3],
        "2": str(day.day),
        "_2": f"{day.day:2}",
        "02": f"{day.day:02}",
        "__2": f"{day.timetuple().tm_yday:3}",
        "002": f"{day.timetuple().tm_yday:03}",
        "15": f"{hour:02}",
        "3": str(half),
        "03": f"{half:02}",
        "4": str(minute),
        "04": f"{minute:02}",
        "5": str(second),
        "05": f"{second:02}",
        "2006": f"{day.year:04}",
        "06": f"{day.year % 100:02}",
        "PM": "PM" if hour >= 12 else "AM",
        "pm": "pm" if hour >= 12 else "am",
        "MST": moment.zone or _offset(moment.offset, "-0700"),
    }
    if word in plain:
        return plain[word]
    if word[0] in ".,":
        digits = f"{nanosecond:09}"[: len(word) - 1]
        if word[1] == "9":
            digits = digits.rstrip("0")
        return word[0] + digits if digits else ""
    if word[0] == "Z" and not moment.offset:
        return "Z"
    return _offset(moment.offset, word)


def _offset(seconds: int, word: str) -> str:
    sign, rest = "-" if seconds < 0 else "+", abs(seconds)
    parts = (rest // 3_600, rest // 60 % 60, rest % 60)
    count = len(re.findall("[0-9]{2}", word))
    return sign + (":" if ":" in word else "").join(f"{part:02}" for part in parts[:count])


def read(layout: str, text: str) -> Moment:
    """The time that a text says by a layout; in UTC where it names no zone."""
    if max(len(layout), len(text)) > LONGEST:
        raise BadTime("the layout or the time is too long")
    reading = _Reading(text)
    chunks = list(_chunks(layout))
    for index, (is_word, chunk) in enumerate(chunks):
        if is_word:
            follows = chunks[index + 1][1] if index + 1 < len(chunks) else ""
            reading.take(chunk, fraction_follows=follows[:1] in (".", ",") and follows[1:2] in "09")
        else:
            reading.skip(chunk)
    return reading.moment()


class _Reading:
    """A text under way, and what it said so far."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._year, self._month, self._day, self._yearday = 0, -1, -1, -1
        self._hour = self._minute = self._second = self._nanosecond = 0
        self._half = ""
        self._offset: int | None = None
        self._zone = ""

    def skip(self, plain: str) -> None:
        """A run of spaces in the layout stands for any number of them."""
        for part in re.findall(r" +|[^ ]+", plain):
            if part[0] == " ":
                rest = self._text[self._at :]
                if rest and rest[0] != " ":
                    raise self._fault(plain)
                self._at += len(rest) - len(rest.lstrip(" "))
            elif self._text.startswith(part, self._at):
                self._at += len(part)
            else:
                raise self._fault(plain)

    def _fault(self, word: str) -> BadTime:
        return BadTime(f"cannot parse {self._text[self._at :]!r} of {self._text!r} as {word!r}")

    def _number(self, word: str, pattern: str, low: int, high: int) -> int:
        found = re.compile(pattern).match(self._text, self._at)
        if found is None:
            raise self._fault(word)
        number = int(found[0])
        self._at = found.end()
        if not low <= number <= high:
            raise BadTime(f"{self._text!r}: {word!r} is out of range")
        return number

    def _name(self, word: str, names: tuple[str, ...]) -> int:
        for index, name in enumerate(names):
            if self._text[self._at : self._at + len(name)].lower() == name.lower():
                self._at += len(name)
                return index
        raise self._fault(word)

    def take(self, word: str, *, fraction_follows: bool) -> None:
        match word:
            case "2006":
                self._year = self._number(word, "[0-9]{4}", 0, 9999)
            case "06":
                short = self._number(word, "[0-9]{2}", 0, 99)
                self._year = short + (1900 if short >= 69 else 2000)
            case "January":
                self._month = self._name(word, MONTHS) + 1
            case "Jan":
                self._month = self._name(word, tuple(name[:3] for name in MONTHS)) + 1
            case "1" | "01":
                self._month = self._number(word, _digits(word), 1, 12)
            case "Monday":
                self._name(word, DAYS)
            case "Mon":
                self._name(word, tuple(name[:3] for name in DAYS))
            case "2" | "_2" | "02":
                if word == "_2" and self._text.startswith(" ", self._at):
                    self._at += 1
                self._day = self._number(word, _digits(word), 0, 99)
            case "002" | "__2":
                if word == "__2":
                    self._at += len(re.compile(" {0,2}").match(self._text, self._at)[0])  # type: ignore[index]  # always matches
                self._yearday = self._number(word, "[0-9]{1,3}", 0, 999)
            case "15":
                self._hour = self._number(word, "[0-9]{2}", 0, 23)
            case "3" | "03":
                self._hour = self._number(word, _digits(word), 0, 12)
            case "4" | "04":
                self._minute = self._number(word, _digits(word), 0, 59)
            case "5" | "05":
                self._second = self._number(word, _digits(word), 0, 59)
                fraction = re.compile(r"[.,]([0-9]+)").match(self._text, self._at)
                if fraction and not fraction_follows:
                    self._nanosecond = int(f"{fraction[1]:0<9}"[:9])
                    self._at = fraction.end()
            case "PM" | "pm":
                found = self._text[self._at : self._at + 2]
                if found not in (("AM", "PM") if word == "PM" else ("am", "pm")):
                    raise self._fault(word)
                self._half, self._at = found.upper(), self._at + 2
            case "MST":
                self._take_zone(word)
            case _ if word[0] in ".,":
                self._take_fraction(word)
            case _:
                self._take_offset(word)

    def _take_fraction(self, word: str) -> None:
        size = f"{{{len(word) - 1}}}" if word[1] == "0" else "+"
        found = re.compile(rf"[.,]([0-9]{size})").match(self._text, self._at)
        if found is not None:
            self._nanosecond = int(f"{found[1]:0<9}"[:9])
            self._at = found.end()
        elif word[1] == "0":
            raise self._fault(word)

    def _take_zone(self, word: str) -> None:
        found = _ZONE.match(self._text, self._at)
        if found is None:
            raise self._fault(word)
        self._zone = found[0]
        self._at = found.end()
        if self._zone == "UTC":
            self._offset = 0

    def _take_offset(self, word: str) -> None:
        if word[0] == "Z" and self._text.startswith("Z", self._at):
            self._offset, self._zone, self._at = 0, "UTC", self._at + 1
            return
        separator = ":" if ":" in word else ""
        count = len(re.findall("[0-9]{2}", word))
        found = re.compile(f"([+-])([0-9]{{2}}){f'{separator}([0-9]{{2}})' * (count - 1)}").match(
            self._text, self._at
        )
        if found is None:
            raise self._fault(word)
        hours, *smaller = (int(part) for part in found.groups()[1:])
        if hours > 24 or any(part >= 60 for part in smaller):
            raise BadTime(f"{self._text!r}: the time zone is out of range")
        units = (3_600, 60, 1)[:count]
        seconds = sum(part * unit for part, unit in zip((hours, *smaller), units, strict=True))
        self._offset = -seconds if found[1] == "-" else seconds
        self._at = found.end()

    def moment(self) -> Moment:
        if self._at < len(self._text):
            raise BadTime(f"{self._text!r}: extra text: {self._text[self._at :]!r}")
        hour = self._hour
        if self._half == "PM" and hour < 12:
            hour += 12
        elif self._half == "AM" and hour == 12:
            hour = 0
        seconds = hour * 3_600 + self._minute * 60 + self._second
        offset = self._offset or 0
        zone = self._zone if self._offset is None or self._zone else ""
        if not self._zone and offset == 0:
            zone = "UTC"
        return Moment(self._date(), seconds * SECOND + self._nanosecond, offset, zone)

    def _date(self) -> date:
        month, day = max(self._month, 1), self._day
        if self._year == 0:
            raise NoYear(f"{self._text!r} names no year from 1 on")
        if self._yearday >= 0:
            found = date(self._year, 1, 1) + timedelta(days=self._yearday - 1)
            if not self._yearday or found.year != self._year:
                raise BadTime(f"{self._text!r}: day-of-year out of range")
            if (self._month >= 0 and found.month != month) or (day >= 0 and found.day != day):
                raise BadTime(f"{self._text!r}: day-of-year does not match the date")
            return found
        day = 1 if day < 0 else day
        if not 1 <= day <= monthrange(self._year, month)[1]:
            raise BadTime(f"{self._text!r}: day out of range")
        return date(self._year, month, day)


def _digits(word: str) -> str:
    """One digit or two, where the layout has one; two where it has two."""
    return "[0-9]{2}" if len(word) == 2 and word[0] == "0" else "[0-9]{1,2}"
