"""How does sprig turn a value into a text or a number?"""

from __future__ import annotations

import math
import re

from gotemplate import literals, printing
from gotemplate.limits import Budget
from gotemplate.values import Int64

GO_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity)|nan", re.IGNORECASE)
_DIGITS = re.compile(r"[+-]?[0-9]+", re.ASCII)
_LONGEST_NUMBER = 400  # Python refuses to read numbers of thousands of digits


def wrapped(number: int) -> Int64:
    """As Go's int64 arithmetic goes around."""
    return Int64((number - _INT64_MIN) % 2**64 + _INT64_MIN)


def text_of(value: object, budget: Budget) -> str:
    return value if isinstance(value, str) else printing.plain(value, budget)


def texts_of(value: object, budget: Budget) -> list[str]:
    """A list's entries as texts, without nulls; anything else as the only entry."""
    if isinstance(value, list):
        return [text_of(one, budget) for one in value if one is not None]
    return [] if value is None else [text_of(value, budget)]


def to_int(value: object) -> int:
    """What can't be a number is 0, as with sprig."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value) or not _INT64_MIN <= value < _INT64_MAX:
            return _INT64_MIN
        return int(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        return _read_int(value)
    return 0


def _read_int(text: str) -> int:
    whole, point, zeros = text.rpartition(".")
    if point and zeros and not zeros.strip("0"):
        text = whole
    if not text:
        return 0
    try:
        number = literals.number(0, text).as_int
    except literals.BadConstant:
        return 0
    is_whole = number is not None and not re.search(r"[.eEpP]", re.sub("^[+-]?0[xX]", "", text))
    if re.match("[+-]?0[xX]", text):
        is_whole = number is not None and not re.search(r"[.pP]", text)
    return number if is_whole and number is not None else 0


def to_float(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        return _read_float(value)
    return 0.0


def _read_float(text: str) -> float:
    if _NOT_FINITE.fullmatch(text):
        return float(text)
    number = literals.real(text)
    return 0.0 if number is None or math.isinf(number) else number


def read_decimal(text: str) -> int:
    """As Go's Atoi with its error thrown away: too large is the largest."""
    if not _DIGITS.fullmatch(text) or len(text) > _LONGEST_NUMBER:
        return 0
    return max(_INT64_MIN, min(_INT64_MAX, int(text)))
