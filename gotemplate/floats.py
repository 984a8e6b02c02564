"""How does Go write a float64?  As %e, %f or %g, with the shortest digits or a given precision."""

from __future__ import annotations

import math


def format_float(value: float, verb: str, precision: int) -> str:
    """`precision` -1 means: as many digits as it takes to read the same number back."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if precision < 0:
        return _shortest(value, verb)
    lower = verb.lower()
    if lower == "f":
        return f"{value:.{precision}f}"
    if lower == "e":
        return _case(f"{value:.{precision}e}", verb)
    return _case(_general(value, precision), verb)


def _case(text: str, verb: str) -> str:
    return text.upper() if verb.isupper() else text


def digits_of(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits, and the exponent of the first digit."""
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    if not stripped:
        return sign, "0", 0
    power -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0"), power


def _shortest(value: float, verb: str) -> str:
    sign, digits, power = digits_of(value)
    lower = verb.lower()
    # With the shortest digits, %g decides as if the precision were 6.
    if lower == "e" or (lower == "g" and (power < -4 or power >= 6)):
        return _case(sign + scientific(digits, power), verb)
    return sign + positional(digits, power)


def scientific(digits: str, power: int) -> str:
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def positional(digits: str, power: int) -> str:
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    whole = digits[: power + 1].ljust(power + 1, "0")
    fraction = digits[power + 1 :]
    return f"{whole}.{fraction}" if fraction else whole


def _general(value: float, precision: int) -> str:
    precision = precision or 1
    sign, rounded, power = digits_of(float(f"{value:.{precision - 1}e}"))
    if value == 0:
        return sign + "0"
    if power < -4 or power >= precision:
        return sign + scientific(rounded, power)
    return sign + positional(rounded, power)
