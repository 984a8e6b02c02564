"""How does Go's fmt write a value for a verb and flags?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gotemplate import floats
from gotemplate.functions.signature import CallFault
from gotemplate.limits import Budget
from gotemplate.literals import to_bytes
from gotemplate.values import NO_VALUE, GoObject, Pointer, Struct, Uint8, type_name, weigh

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_BASES = {"v": "d", "d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}


@dataclass(frozen=True, slots=True)
class Flags:
    """What stands between % and the verb."""

    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    go_syntax: bool = False  # %#v
    width: int | None = None
    precision: int | None = None


def plain(value: object, budget: Budget) -> str:
    """As %v: how a value appears in the output."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if value is None:
        return "<nil>"
    if value is NO_VALUE:
        return "<no value>"
    return Printer(Flags(), budget).text(value, "v")


def quote(text: str, *, delimiter: str = '"', ascii_only: bool = False) -> str:
    """As Go's strconv.Quote."""
    if text.isascii() and text.isprintable() and delimiter not in text and "\\" not in text:
        return f"{delimiter}{text}{delimiter}"
    out = [delimiter]
    for character in text:
        if character == delimiter:
            out.append("\\" + character)
        elif character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character.isprintable() and (character.isascii() or not ascii_only):
            out.append(character)
        else:
            out.append(_escape(ord(character)))
    out.append(delimiter)
    return "".join(out)


def _escape(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x20 or point == 0x7F:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


class Printer:
    """Writes values under one set of flags."""

    def __init__(self, flags: Flags, budget: Budget) -> None:
        self._flags = flags
        self._budget = budget

    def text(self, value: object, verb: str) -> str:
        """One argument of printf."""
        if value is NO_VALUE:
            value = None
        if verb == "T":
            return self._pad("<nil>") if value is None else self._string(type_name(value))
        if value is None:
            return self._pad("<nil>") if verb == "v" else f"%!{verb}(<nil>)"
        if isinstance(value, list | dict):
            if verb == "p":
                raise CallFault("%p would print an address, which differs each time")
            weigh(value, self._budget)
        return self._any(value, verb)

    def _any(self, value: object, verb: str) -> str:
        if isinstance(value, str):
            return self._text_verb(value, verb)
        if isinstance(value, bool):
            if verb in "tv":
                return self._pad("true" if value else "false")
            return self._bad_verb(value, verb)
        if isinstance(value, int):
            return self._int_verb(value, verb)
        if isinstance(value, float):
            return self._float_verb(value, verb)
        if isinstance(value, Pointer):
            return self._any(value.value, verb)
        if isinstance(value, Struct):
            return "{" + " ".join([self._element(each, verb) for each in value.values()]) + "}"
        if isinstance(value, GoObject):
            return self._text_verb(str(value["String"]), verb)
        if isinstance(value, dict):
            return self._map(value, verb)
        if isinstance(value, list):
            return self._list(value, verb)
        return self._bad_verb(value, verb)

    def _bad_verb(self, value: object, verb: str) -> str:
        return f"%!{verb}({type_name(value)}={self._any(value, 'v')})"

    def _element(self, value: object, verb: str) -> str:
        if value is None or value is NO_VALUE:
            return "interface {}(nil)" if self._flags.go_syntax else "<nil>"
        return self._any(value, verb)

    def _list(self, items: list[object], verb: str) -> str:
        separator, opening, closing = self._brackets(items, "[")
        return opening + separator.join([self._element(i, verb) for i in items]) + closing

    def _map(self, entries: dict[str, object], verb: str) -> str:
        separator, opening, closing = self._brackets(entries, "map[")
        pairs = [
            f"{self._any(key, verb)}:{self._element(entries[key], verb)}" for key in sorted(entries)
        ]
        return opening + separator.join(pairs) + closing

    def _brackets(self, value: object, opening: str) -> tuple[str, str, str]:
        if self._flags.go_syntax:
            return ", ", type_name(value) + "{", "}"
        return " ", opening, "]"

    # Texts

    def _text_verb(self, text: str, verb: str) -> str:
        if verb == "s" or (verb == "v" and not self._flags.go_syntax):
            return self._string(text)
        if verb in "qv":
            text = self._cut(text)
            self._budget.make_text(6 * len(text))
            if self._flags.sharp and _can_backquote(text):
                return self._pad(f"`{text}`")
            return self._pad(quote(text, ascii_only=self._flags.plus))
        if verb in "xX":
            return self._hexadecimal(text, verb)
        return self._bad_verb(text, verb)

    def _string(self, text: str) -> str:
        return self._pad(self._cut(text))

    def _cut(self, text: str) -> str:
        return text if self._flags.precision is None else text[: self._flags.precision]

    def _hexadecimal(self, text: str, verb: str) -> str:
        flags = self._flags
        data = to_bytes(text)[: flags.precision]
        self._budget.make_text(5 * len(data))
        separator = " " if flags.space else ""
        prefix = f"0{verb}" if flags.sharp else ""
        digits = [f"{byte:02{verb}}" for byte in data]
        if flags.space:
            written = separator.join(prefix + two for two in digits)
        else:
            written = prefix + "".join(digits) if digits else ""
        return self._pad(written)

    def _pad(self, text: str, *, never_zero: bool = False) -> str:
        flags = self._flags
        if not flags.width or flags.width <= len(text):
            return text
        self._budget.make_text(flags.width)
        if flags.minus:
            return text.ljust(flags.width)
        return text.rjust(flags.width, "0" if flags.zero and not never_zero else " ")

    # Numbers

    def _int_verb(self, value: int, verb: str) -> str:
        if verb in "efgEFG":  # a JSON number is a number; see values.py
            return self._float_verb(float(value), verb)
        if verb == "v" and self._flags.go_syntax and isinstance(value, Uint8):
            return hex(value)
        if verb in _BASES:
            return self._integer(value, verb)
        if verb in "cqU":
            return self._character(value, verb)
        return self._bad_verb(value, verb)

    def _integer(self, value: int, verb: str) -> str:
        flags = self._flags
        sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
        digits = format(abs(value), _BASES[verb])
        if flags.precision is not None:
            self._budget.make_text(flags.precision)
            if flags.precision == 0 and value == 0:
                return " " * (flags.width or 0)
            digits = digits.rjust(flags.precision, "0")
        elif flags.zero and not flags.minus and flags.width:
            self._budget.make_text(flags.width)
            digits = digits.rjust(flags.width - len(sign), "0")
        prefix = ""
        if flags.sharp:
            base = _BASES[verb]
            octal = "" if digits.startswith("0") else "0"
            prefix = {"b": "0b", "o": octal, "x": "0x", "X": "0X", "d": ""}[base]
        if verb == "O":
            prefix = "0o" + prefix
        return self._pad(sign + prefix + digits, never_zero=True)

    def _character(self, value: int, verb: str) -> str:
        valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
        if verb == "U":
            return self._unicode(value, printable=valid and chr(value).isprintable())
        character = chr(value) if valid else "\ufffd"
        if verb == "c":
            return self._pad(character)
        return self._pad(quote(character, delimiter="'", ascii_only=self._flags.plus))

    def _unicode(self, value: int, *, printable: bool) -> str:
        precision = max(self._flags.precision or 4, 4)
        self._budget.make_text(precision)
        written = f"U+{value % 2**64:0{precision}X}"
        if self._flags.sharp and printable:
            written += f" '{chr(value)}'"
        return self._pad(written, never_zero=True)

    def _float_verb(self, value: float, verb: str) -> str:
        flags = self._flags
        if verb in "bxX":
            raise CallFault(f"%{verb} of a number with a fraction is not supported")
        if verb not in "vgGeEfF":
            return self._bad_verb(value, verb)
        kind = "g" if verb == "v" else "f" if verb == "F" else verb
        default = -1 if kind in "gG" else 6
        precision = default if flags.precision is None else flags.precision
        self._budget.make_text(max(precision, 0))
        digits = floats.format_float(value, kind, precision)
        sign = digits[0] if digits[0] in "+-" else "+"
        digits = digits.lstrip("+-")
        if sign == "+" and not flags.plus:
            sign = " " if flags.space else ""
        if digits in ("Inf", "NaN"):
            if digits == "Inf":
                sign = sign or "+"
            return self._pad(sign + digits, never_zero=True)
        if flags.sharp:
            digits = _with_point(digits, kind, precision)
        if flags.zero and not flags.minus and sign and flags.width:
            self._budget.make_text(flags.width)
            return sign + digits.rjust(flags.width - len(sign), "0")
        return self._pad(sign + digits)


def _can_backquote(text: str) -> bool:
    return not re.search("[\x00-\x08\x0a-\x1f`\x7f\ufeff\udc80-\udcff]", text)


def _with_point(digits: str, verb: str, precision: int) -> str:
    """%#g and its kin keep the point and the zeros behind it."""
    mantissa, e, exponent = digits.replace("E", "e").partition("e")
    wanted = 0
    if verb in "gG":
        wanted = 6 if precision < 0 else precision
        wanted -= len(mantissa.replace(".", "").lstrip("0"))
        if mantissa == "0":
            wanted -= 1
    if "." not in mantissa:
        mantissa += "."
    mantissa += "0" * max(wanted, 0)
    return mantissa + (("E" if verb.isupper() else "e") + exponent if e else "")
