"""sprig's arithmetic: int64 that goes around, and decimals for the functions that end in f."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

from gotemplate.functions.convert import (
    read_decimal,
    text_of,
    to_float,
    to_int,
    wrapped,
)
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.values import Int64, IntList

# Enough for the sum of the largest and the smallest float.
_DECIMAL_DIGITS = 800
_STEPS_PER_DECIMAL = 25
_DIVISION_PLACES = Decimal(1).scaleb(-16)


def _add(*values: object) -> Int64:
    return wrapped(sum(map(to_int, values)))


def _mul(first: object, *values: object) -> Int64:
    product = wrapped(to_int(first))
    for value in values:
        product = wrapped(product * to_int(value))
    return product


def _divided(left: object, right: object) -> tuple[int, int]:
    """Quotient and remainder, cut towards zero."""
    dividend, divisor = to_int(left), to_int(right)
    if divisor == 0:
        raise CallFault("division by zero")
    quotient = abs(dividend) // abs(divisor)
    if (dividend < 0) != (divisor < 0):
        quotient = -quotient
    return quotient, dividend - quotient * divisor


def _decimal(value: object) -> Decimal:
    number = to_float(value)
    if math.isnan(number) or math.isinf(number):
        raise CallFault("the number is infinite or no number")
    return Decimal(repr(number))


def _fold(
    budget: Budget,
    first: object,
    values: Sequence[object],
    step: Callable[[Decimal, Decimal], Decimal],
) -> float:
    budget.spend(_STEPS_PER_DECIMAL * (1 + len(values)))
    with localcontext(Context(prec=_DECIMAL_DIGITS, Emin=-999999, Emax=999999)):
        try:
            total = _decimal(first)
            for value in values:
                total = step(total, _decimal(value))
            return float(total) or 0.0  # decimals know no negative zero
        except (InvalidOperation, ArithmeticError) as error:
            raise CallFault("the numbers are too large") from error


def _quotient(left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise CallFault("division by zero")
    return (left / right).quantize(_DIVISION_PLACES, rounding=ROUND_HALF_UP)


def _add1f(budget: Budget, value: object) -> float:
    return _fold(budget, value, (1,), operator.add)


def _addf(budget: Budget, *values: object) -> float:
    return _fold(budget, 0, values, operator.add)


def _subf(budget: Budget, first: object, *values: object) -> float:
    return _fold(budget, first, values, operator.sub)


def _mulf(budget: Budget, first: object, *values: object) -> float:
    return _fold(budget, first, values, operator.mul)


def _divf(budget: Budget, first: object, *values: object) -> float:
    return _fold(budget, first, values, _quotient)


def _largest(first: object, *values: object) -> Int64:
    return Int64(max(map(to_int, (first, *values))))


def _smallest(first: object, *values: object) -> Int64:
    return Int64(min(map(to_int, (first, *values))))


def _largest_float(first: object, *values: object) -> float:
    return max(map(to_float, (first, *values)))


def _smallest_float(first: object, *values: object) -> float:
    return min(map(to_float, (first, *values)))


def _whole(value: object, step: Callable[[float], int]) -> float:
    number = to_float(value)
    if math.isnan(number) or math.isinf(number):
        return number
    return math.copysign(float(step(number)), number)


def _round(value: object, places: int, threshold: float = 0.5, *_: float) -> float:
    try:
        power = math.pow(10, places)
    except OverflowError:
        power = math.inf
    shifted = power * to_float(value)
    if math.isnan(shifted) or math.isinf(shifted):
        return shifted / power if power else math.nan
    fraction = math.modf(shifted)[0]
    step = math.ceil if fraction >= threshold else math.floor
    rounded = math.copysign(float(step(shifted)), shifted)
    if power == 0:
        return math.nan if rounded == 0 else math.copysign(math.inf, rounded)
    return rounded / power


def _steps(budget: Budget, start: int, stop: int, step: int) -> IntList:
    wrong_way = step >= 0 if stop < start else step <= 0
    numbers = range(0) if wrong_way else range(start, stop, step)
    budget.make_items(len(numbers))
    return IntList(numbers)


def _until(budget: Budget, count: int) -> IntList:
    return _steps(budget, 0, count, -1 if count < 0 else 1)


def _seq(budget: Budget, *bounds: int) -> str:
    if not bounds or len(bounds) > 3:
        return ""
    start = bounds[0] if len(bounds) > 1 else 1
    stop = bounds[-1]
    direction = -1 if stop < start else 1
    step = bounds[1] if len(bounds) == 3 else direction
    if direction < 0 < step:
        return ""
    return " ".join(map(str, _steps(budget, start, stop + direction, step)))


def _to_decimal(budget: Budget, value: object) -> Int64:
    """A number in octal digits, as file modes are written."""
    text = text_of(value, budget)
    if not text.lstrip("+-") or len(text) > 64 or not text.isascii():
        return Int64(0)
    digits = text[1:] if text[0] in "+-" else text
    if digits.strip("01234567"):
        return Int64(0)
    number = -int(digits, 8) if text[0] == "-" else int(digits, 8)
    return Int64(number if -(2**63) <= number < 2**63 else 0)


NUMBERS: dict[str, Function] = table(
    function("add", "any*", _add),
    function("add1", "any", lambda value: wrapped(to_int(value) + 1)),
    function("add1f", "any", _add1f, bounded=True),
    function("addf", "any*", _addf, bounded=True),
    function("atoi", "string", read_decimal),
    function("biggest", "any any*", _largest),
    function("ceil", "any", lambda value: _whole(value, math.ceil)),
    function("div", "any any", lambda left, right: wrapped(_divided(left, right)[0])),
    function("divf", "any any*", _divf, bounded=True),
    function("float64", "any", to_float),
    function("floor", "any", lambda value: _whole(value, math.floor)),
    function("int", "any", to_int),
    function("int64", "any", lambda value: Int64(to_int(value))),
    function("max", "any any*", _largest),
    function("maxf", "any any*", _largest_float),
    function("min", "any any*", _smallest),
    function("minf", "any any*", _smallest_float),
    function("mod", "any any", lambda left, right: wrapped(_divided(left, right)[1])),
    function("mul", "any any*", _mul),
    function("mulf", "any any*", _mulf, bounded=True),
    function("round", "any int float*", _round),
    function("seq", "int*", _seq, bounded=True),
    function("sub", "any any", lambda left, right: wrapped(to_int(left) - to_int(right))),
    function("subf", "any any*", _subf, bounded=True),
    function("toDecimal", "any", _to_decimal, bounded=True, deep=True),
    function("until", "int", _until, bounded=True),
    function("untilStep", "int int int", _steps, bounded=True),
)
