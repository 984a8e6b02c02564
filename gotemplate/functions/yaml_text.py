"""YAML as Tinkerbell's `toYaml` writes it: block style, sorted keys, quotes where they are needed.

Reading YAML is not the renderer's business: `with_yaml_reader` makes `fromYaml` of a reader that
the caller has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cmp_to_key

from gotemplate import floats
from gotemplate.errors import LimitExceeded, UnreadableText
from gotemplate.functions import json_text
from gotemplate.functions.signature import (
    CallFault,
    Function,
    FunctionTable,
    function,
    table,
)
from gotemplate.limits import Budget
from gotemplate.values import NO_VALUE, as_json, copy_value

# What YAML 1.1 takes for true, false, null, infinity, no number, a merge or a default; Go forgets
# the last two, and does not read them back.
_WORDS = re.compile(
    r"y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
    r"|<<|=|~|null|Null|NULL|\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF)"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*|0[0-7]+|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2}))"
    r"|(?: ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?))?"
)
_UNPRINTABLE = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_FIRST_INDICATORS = frozenset("#,[]{}&*!|>'\"%@`")
_DOUBLE_QUOTED = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    '"': '\\"',
    "\\": "\\\\",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}
_TO_ESCAPE = re.compile('[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|["\\\\]')
_LONGEST_SIMPLE_KEY = 128
_WIDTH = 80
_LONE_SPACE = re.compile("(?<! ) (?! )")
_ANY_FIRST_SPACE = re.compile("(?<! ) ")


def write(value: object, budget: Budget) -> str:
    """The YAML text of a value, without the newline at its end."""
    return "\n".join(_block(value, "", budget))


def _block(value: object, indent: str, budget: Budget, column: int = 0) -> list[str]:
    """The lines of a value at this indent; the first one without it."""
    budget.spend(1 + len(indent) // 8)
    if isinstance(value, dict) and value:
        return _mapping(value, indent, budget)
    if isinstance(value, list) and value:
        return _sequence(value, indent, budget)
    return _scalar(value, indent + "  ", column).split("\n")


def _sequence(items: list[object], indent: str, budget: Budget) -> list[str]:
    lines: list[str] = []
    deeper = indent + "  "
    for item in items:
        if isinstance(item, list | dict):
            first, *rest = _block(item, deeper, budget)
        else:
            first, *rest = _block(item, indent, budget, len(deeper))
        lines.append(f"{indent if lines else ''}- {first}")
        lines += rest
    return lines


def _mapping(entries: dict[str, object], indent: str, budget: Budget) -> list[str]:
    lines: list[str] = []
    deeper = indent + "  "
    for key in sorted(entries, key=cmp_to_key(_compare_keys)):
        value = entries[key]
        before = indent if lines else ""
        if "\n" in key or len(key.encode(errors="replace")) > _LONGEST_SIMPLE_KEY:
            shown, *rest = _scalar(key, deeper, len(deeper)).split("\n")
            holds_more = isinstance(value, list | dict) and value
            first, *more = _block(value, deeper if holds_more else indent, budget, len(deeper))
            lines += [f"{before}? {shown}", *rest, f"{indent}: {first}", *more]
            continue
        opening = f"{before}{_scalar(key, deeper, None)}:"
        if isinstance(value, list) and value:
            first, *rest = _sequence(value, indent, budget)
            lines += [opening, indent + first, *rest]
        elif isinstance(value, dict) and value:
            first, *rest = _mapping(value, deeper, budget)
            lines += [opening, deeper + first, *rest]
        else:
            column = len(indent) + len(opening) - len(before) + 1
            first, *rest = _block(value, indent, budget, column)
            lines += [f"{opening} {first}", *rest]
    return lines


def _scalar(value: object, indent: str, column: int | None) -> str:
    """At this column; a key, which is never folded, has none."""
    if isinstance(value, str):
        return _string(value, indent, column)
    if value is None or value is NO_VALUE:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    return "{}" if isinstance(value, dict) else "[]"


def _float(value: float) -> str:
    """Tinkerbell's way to YAML leads through JSON, which makes 1000000 of 1e+06."""
    text = json_text.number(value)
    if value.is_integer() and -(2**63) <= value < 2**64:
        return str(int(value))
    return floats.format_float(float(text), "g", -1)


def _string(text: str, indent: str, column: int | None) -> str:
    text = re.sub("[\udc80-\udcff]", "\ufffd", text)
    odd = _UNPRINTABLE.search(text) is not None or " \n" in text
    if "\n" in text:
        if odd or column is None or text.endswith(" "):
            return _folded(f'"{_TO_ESCAPE.sub(_escaped, text)}"', indent, column)
        return _literal(text, indent)
    if not text or resolves_to_something_else(text) or odd:
        return _folded(f'"{_TO_ESCAPE.sub(_escaped, text)}"', indent, column)
    if _may_be_plain(text):
        return _folded(text, indent, column)
    return _folded("'" + text.replace("'", "''") + "'", indent, column)


def _folded(text: str, indent: str, column: int | None) -> str:
    """Long text goes on in the next line, at a space behind column 80."""
    if column is None or column + len(text) <= _WIDTH:
        return text
    out: list[str] = []
    done, begins = 0, column
    quote = text[0] if text[0] in "'\"" else ""
    for match in (_ANY_FIRST_SPACE if quote == '"' else _LONE_SPACE).finditer(text):
        at = match.start()
        if begins + at - done <= _WIDTH or (quote and at in (1, len(text) - 2)):
            continue
        out += [text[done:at], "\n", indent]
        done, begins = at + 1, len(indent)
        if quote == '"' and text[done] == " ":
            out.append("\\")
            begins += 1
    return "".join([*out, text[done:]])


def _may_be_plain(text: str) -> bool:
    if text[0] in _FIRST_INDICATORS or text.startswith(("---", "...")):
        return False
    if text[0] in " ?:-" and (text[0] == " " or text[1:2] in ("", " ")):
        return False
    return not (text.endswith((" ", ":")) or ": " in text or " #" in text)


def _literal(text: str, indent: str) -> str:
    hint = "2" if text[0] in " \n" else ""
    chomp = "" if text.endswith("\n") else "-"
    if text.endswith("\n\n") or text == "\n":
        chomp = "+"
    body = text.removesuffix("\n") if chomp != "-" else text
    lines = [indent + line if line else "" for line in body.split("\n")]
    return f"|{hint}{chomp}\n" + "\n".join(lines)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    point = ord(character)
    if character in _DOUBLE_QUOTED:
        return _DOUBLE_QUOTED[character]
    if point <= 0xFF:
        return f"\\x{point:02X}"
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"


def resolves_to_something_else(text: str) -> bool:
    """Whether plain text would be read as a number, a boolean, a time or null."""
    if _WORDS.fullmatch(text) or _SEXAGESIMAL.fullmatch(text):
        return True
    first = text[0]
    if first == ".":
        return _FLOAT.fullmatch(text) is not None
    if first not in "+-0123456789":
        return False
    digits = text.replace("_", "")
    return _is_integer(digits) or _is_float(digits) or (first.isdigit() and _is_timestamp(text))


def _is_integer(text: str) -> bool:
    if not _INTEGER.fullmatch(text) or len(text) > 80:
        return False
    digits = text.lstrip("+-").lower()
    if digits.isdigit() and digits.startswith("0"):
        digits = "0o" + digits
    number = int(digits, 0)
    signed = text[0] in "+-"
    return number < 2**63 + (text[0] == "-") or (not signed and number < 2**64)


def _is_float(text: str) -> bool:
    return _FLOAT.fullmatch(text) is not None and abs(float(text)) != float("inf")


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    numbers = [int(group) for group in match.groups() if group is not None]
    try:
        datetime(*numbers)  # type: ignore[arg-type]  # three or six numbers
    except ValueError:
        return False
    return True


_RUN = re.compile(r"\d*")


def _compare_keys(left: str, right: str) -> int:
    """How yaml orders keys: numbers inside of texts by their value, other signs before letters."""
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return _compare_at(left, right, at)
    return len(left) - len(right)


def _compare_at(left: str, right: str, at: int) -> int:
    a, b = left[at], right[at]
    a_letter, b_letter = a.isalpha(), b.isalpha()
    if a_letter and b_letter:
        return -1 if a < b else 1
    if a_letter or b_letter:
        return -1 if b_letter else 1
    lead = ""
    if "0" in (a, b):
        before = re.search(r"\d*$", left[:at])
        lead = "1" if before is not None and before[0].strip("0") else ""
    a_digits, b_digits = _digits(left, at), _digits(right, at)
    a_value, b_value = int(lead + a_digits or "0"), int(lead + b_digits or "0")
    if a_value != b_value:
        return -1 if a_value < b_value else 1
    if len(a_digits) != len(b_digits):
        return len(a_digits) - len(b_digits)
    return -1 if a < b else 1


def _digits(text: str, at: int) -> str:
    match = _RUN.match(text, at)
    return "" if match is None else match[0][:400]


def _to_yaml(budget: Budget, value: object) -> str:
    text = write(as_json(value), budget)
    budget.make_text(len(text))
    return text


def _no_reader(text: str) -> object:
    raise CallFault("no YAML reader was given to this rendering")


YAML: dict[str, Function] = table(
    function("toYaml", "any", _to_yaml, bounded=True, deep=True),
    function("fromYaml", "string", _no_reader),
)


def with_yaml_reader(functions: FunctionTable, read: Callable[[str], object]) -> FunctionTable:
    """The same functions, with a `fromYaml` that reads by `read`."""

    def from_yaml(budget: Budget, text: str) -> object:
        if not text:
            raise CallFault("there is no text to read")
        try:
            return copy_value(read(text), budget.limits)
        except LimitExceeded as error:
            raise CallFault(error.message) from error
        except (UnreadableText, TypeError) as error:
            raise CallFault(f"this is no YAML that we read: {error}") from error

    return {**functions, "fromYaml": function("fromYaml", "string", from_yaml, bounded=True)}
