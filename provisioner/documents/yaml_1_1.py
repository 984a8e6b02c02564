"""Plain scalars by YAML 1.1, as Go's library reads them, for `fromYaml` of templates.

Documents themselves are YAML 1.2: there `on` is a text.  Facts of sigs.k8s.io/yaml, which real
templates were written for; a key becomes a text, since JSON has no other.
"""

from __future__ import annotations

import re

from gotemplate.errors import UnreadableText

_TRUE = ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"]
_FALSE = ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"]
_NULL = ("", "~", "null", "Null", "NULL")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(_NULL),
}
_OCTAL = re.compile(r"[-+]?0o?[0-7]+")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")
_BINARY = re.compile(r"[-+]?0[bB][01]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 40


def resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar; raises `UnreadableText` for what JSON can't hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _NO_JSON.fullmatch(text):
        raise UnreadableText(f"{text} is no number that JSON can hold")
    plain = text.replace("_", "")
    if text[0] not in "+-.0123456789" or len(plain) > _MAX_DIGITS:
        return text
    for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16), (_BINARY, 2)):
        if pattern.fullmatch(plain):
            number = int(plain.replace("o", ""), base)
            return number if -(2**63) <= number < 2**64 else float(number)
    return float(plain) if _FLOAT.fullmatch(plain) else text


def resolve_key(text: str) -> str:
    """The text that a plain key becomes."""
    value = resolve(text)
    if isinstance(value, bool):
        return "true" if value else "false"
    return text if value is None or isinstance(value, float) else str(value)
