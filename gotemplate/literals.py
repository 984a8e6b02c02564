"""What does a constant in a template stand for?  Go's rules for texts, characters and numbers."""

from __future__ import annotations

import re

from gotemplate.nodes import Number

_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))",
    re.DOTALL,
)
_INT64 = range(-(2**63), 2**63)
_DECIMAL = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)")
_PREFIXED = re.compile(r"[+-]?0(?:[xX](?:_?[0-9a-fA-F])+|[bB](?:_?[01])+|[oO]?(?:_?[0-7])+)")
_DIGITS = "[0-9](?:_?[0-9])*"
_FLOAT = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")


class BadConstant(Exception):
    """The message is for a person."""


def from_bytes(data: bytes) -> str:
    """A Go string as we hold it: UTF-8, and each byte that is none as a lone surrogate."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def unquote(source: str) -> str:
    """The text between the quotes of a string token."""
    if source[0] == "`":
        return source[1:-1].replace("\r", "")
    if "\\" not in source:
        return source[1:-1]
    return _unescape(source[1:-1], quote='"')


def rune(source: str) -> int:
    """The code point of 'x'."""
    text = _unescape(source[1:-1], quote="'")
    if len(text) != 1:
        raise BadConstant(f"{source} must hold one character; texts are written in double quotes")
    point = ord(text)
    return point - 0xDC00 if 0xDC80 <= point <= 0xDCFF else point


def _unescape(text: str, *, quote: str) -> str:
    def plain(match: re.Match[str]) -> str:
        simple, hexadecimal, octal, short, long, bad = match.groups()
        if simple is not None:
            if simple in "'\"" and simple != quote:
                raise BadConstant(f"\\{simple} is no escape here")
            return _SIMPLE_ESCAPES.get(simple, simple)
        if hexadecimal is not None or octal is not None:
            byte = int(hexadecimal, 16) if hexadecimal is not None else int(octal, 8)
            if byte > 255:
                raise BadConstant(f"{match[0]} is more than a byte holds")
            return chr(byte) if byte < 128 else chr(0xDC00 + byte)
        if bad is not None:
            raise BadConstant(f"\\{bad} is no escape; a backslash is written \\\\")
        point = int(short or long, 16)
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise BadConstant(f"{match[0]} is no character")
        return chr(point)

    # \xe2\x82\xac makes one character of three bytes: join what belongs together.
    return from_bytes(to_bytes(_ESCAPE.sub(plain, text)))


def number(at: int, text: str) -> Number:
    """A number constant with all the values it may stand for."""
    if text.endswith("i") and not text[-2:-1].isalpha():
        raise BadConstant("complex numbers can't be used here")
    integer = _integer(text)
    if integer is not None:
        if integer not in _INT64:
            raise BadConstant(f"{text} is too large")
        return Number(at, text, integer, integer, float(integer))
    real = _real(text)
    if real is None:
        raise BadConstant(f"{text!r} is not a number")
    if not re.search(r"[.eEpP]", text):
        raise BadConstant(f"{text} is too large")
    as_int = int(real) if real.is_integer() and int(real) in _INT64 else None
    return Number(at, text, real, as_int, real)


def character(at: int, text: str) -> Number:
    point = rune(text)
    return Number(at, text, point, point, float(point))


def _integer(text: str) -> int | None:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        sign = -1 if text[0] == "-" else 1
        digits = text.lstrip("+-").lower()
        if digits[1] in "_01234567":
            digits = "0o" + digits[1:].lstrip("_")
        return sign * int(digits, 0)
    return None


def _real(text: str) -> float | None:
    value = real(text)
    if value in (float("inf"), float("-inf")):
        raise BadConstant(f"{text} is too large")
    return value


def real(text: str) -> float | None:
    """What the text stands for as a float64, perhaps infinite."""
    if _HEX_FLOAT.fullmatch(text.replace("_", "")) and "__" not in text:
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            return float("inf")
    return float(text) if _FLOAT.fullmatch(text) else None
