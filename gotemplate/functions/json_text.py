"""JSON as Go's encoding/json writes and reads it."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from gotemplate import floats
from gotemplate.errors import LimitExceeded
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.values import NO_VALUE, Fields, as_json, copy_value

_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_LINES = {"\u2028": "\\u2028", "\u2029": "\\u2029"}
_HTML_OR_LINES = re.compile("[<>&\u2028\u2029\udc80-\udcff]")
_ONLY_LINES = re.compile("[\u2028\u2029\udc80-\udcff]")


def write(value: object, *, escapes_html: bool = True, indent: str = "") -> str:
    """The JSON text of a value; raises CallFault for infinite numbers."""
    return _Writer(escapes_html, indent).text(value, "\n" if indent else "")


class _Writer:
    def __init__(self, escapes_html: bool, indent: str) -> None:
        self._special = _HTML_OR_LINES if escapes_html else _ONLY_LINES
        self._indent = indent

    def text(self, value: object, line: str) -> str:
        if isinstance(value, str):
            return self._string(value)
        if value is None or value is NO_VALUE:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return int.__repr__(value)
        if isinstance(value, float):
            return number(value)
        deeper = line + self._indent
        if isinstance(value, list):
            items = [self.text(item, deeper) for item in value]
            return self._bracketed("[", items, "]", line)
        assert isinstance(value, dict)
        colon = ": " if self._indent else ":"
        keys = value if isinstance(value, Fields) else sorted(value)
        pairs = [f"{self._string(key)}{colon}{self.text(value[key], deeper)}" for key in keys]
        return self._bracketed("{", pairs, "}", line)

    def _bracketed(self, opening: str, parts: list[str], closing: str, line: str) -> str:
        if not parts:
            return opening + closing
        deeper = line + self._indent if line else ""
        return opening + deeper + f",{deeper}".join(parts) + line + closing

    def _string(self, text: str) -> str:
        return self._special.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return _HTML.get(character) or _LINES.get(character) or "\\ufffd"


def number(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        raise CallFault("JSON has no infinite numbers")
    sign, digits, power = floats.digits_of(value)
    if -7 < power < 21 or digits == "0":
        return sign + floats.positional(digits, power)
    exponent = f"e{'-' if power < 0 else '+'}{abs(power)}"
    return sign + floats.scientific(digits, power).partition("e")[0] + exponent


def read(text: str, budget: Budget) -> object:
    """The value of a JSON text, or CallFault."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        return copy_value(value, budget.limits)
    except LimitExceeded as error:
        raise CallFault(error.message) from error
    except RecursionError as error:
        raise CallFault("the JSON text is nested too deep") from error
    except ValueError as error:
        raise CallFault(f"this is no JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text} is too large")
    return value


def _to_json(budget: Budget, value: object) -> str:
    """Silently nothing for what can't be written, as with sprig."""
    try:
        return _must_to_json(budget, value)
    except CallFault:
        return ""


def _must_to_json(budget: Budget, value: object) -> str:
    return _made(budget, write(as_json(value)))


def _to_pretty_json(budget: Budget, value: object) -> str:
    try:
        return _must_to_pretty_json(budget, value)
    except CallFault:
        return ""


def _must_to_pretty_json(budget: Budget, value: object) -> str:
    return _made(budget, write(as_json(value), indent="  "))


def _to_raw_json(budget: Budget, value: object) -> str:
    return _made(budget, write(as_json(value), escapes_html=False))


def _made(budget: Budget, text: str) -> str:
    budget.make_text(len(text))
    return text


def _from_json(budget: Budget, text: str) -> object:
    """Silently nothing for what is no JSON, as with sprig; mustFromJson says what is wrong."""
    try:
        return read(text, budget)
    except CallFault:
        return None


JSON: dict[str, Function] = table(
    function("fromJson", "string", _from_json, bounded=True),
    function("mustFromJson", "string", lambda budget, text: read(text, budget), bounded=True),
    function("mustToJson", "any", _must_to_json, bounded=True, deep=True),
    function("mustToPrettyJson", "any", _must_to_pretty_json, bounded=True, deep=True),
    function("mustToRawJson", "any", _to_raw_json, bounded=True, deep=True),
    function("toJson", "any", _to_json, bounded=True, deep=True),
    function("toPrettyJson", "any", _to_pretty_json, bounded=True, deep=True),
    function("toRawJson", "any", _to_raw_json, bounded=True, deep=True),
)
