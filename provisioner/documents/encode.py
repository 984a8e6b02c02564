"""Documents written as tidy YAML: two spaces, lists indented, quotes where needed.

What is written reads back the same in YAML 1.1 and 1.2, so that a MAC address or `no` is
in quotes although our own reader would not need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

# The same editors' line works in every clone: the schemas are in the repository itself.
_SCHEMA_FOLDER = ".schema/v1"
_HARDWARE_ORDER = ("id", "network", "metadata")

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+=-]*(?: [A-Za-z0-9_./@+=-]+)*\Z")
_PLAIN_WITH_DIGIT = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z"  # an IPv4 address
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"  # a UUID
)
_IMAGE = re.compile(r"[a-z][a-z0-9_./-]*:[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_NO_BLOCK = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def encode_request(
    id: str,
    template: str,
    hardware: Mapping[str, object],
    *,
    start_timeout: int | None = None,
    path: str = "workflows/request.yaml",
) -> str:
    """Write a workflow request; `path` is where it will stand in the repository."""
    fields: dict[str, object] = {"id": id, "template": template, "hardware": hardware}
    if start_timeout is not None:
        fields["start_timeout"] = start_timeout
    return schema_line("workflow", path) + encode_yaml(fields)


def encode_hardware(document: Mapping[str, object], *, path: str = "hardware/machine.yaml") -> str:
    """Write a machine's data in classic tink's shape, the id first."""
    names = sorted(document, key=lambda name: (_rank(name), name))
    return schema_line("hardware", path) + encode_yaml({name: document[name] for name in names})


def schema_line(schema: str, path: str) -> str:
    """Return the line that tells an editor which schema a file keeps to."""
    up = "../" * (len(PurePosixPath(path).parts) - 1)
    return f"# yaml-language-server: $schema={up}{_SCHEMA_FOLDER}/{schema}.json\n"


def encode_yaml(data: object) -> str:
    """Write plain data as one YAML document."""
    if isinstance(data, Mapping) and data:
        return "".join(f"{line}\n" for line in _mapping(data, ""))
    if isinstance(data, (list, tuple)) and data:
        return "".join(f"{line}\n" for line in _sequence(data, ""))
    return f"{_scalar(data, '')}\n"


def _rank(name: str) -> int:
    return _HARDWARE_ORDER.index(name) if name in _HARDWARE_ORDER else 1


def _mapping(data: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in data.items():
        yield from _entry(f"{indent}{_text(str(key))}:", value, indent)


def _sequence(data: list[object] | tuple[object, ...], indent: str) -> Iterator[str]:
    for value in data:
        if isinstance(value, (Mapping, list, tuple)) and value:
            inner = f"{indent}  "
            found = (
                _mapping(value, inner) if isinstance(value, Mapping) else _sequence(value, inner)
            )
            lines = list(found)
            yield f"{indent}- {lines[0][len(inner) :]}"
            yield from lines[1:]
        else:
            yield from _entry(f"{indent}-", value, indent)


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    inner = f"{indent}  "
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, inner)
    elif isinstance(value, (list, tuple)) and value:
        yield head
        yield from _sequence(value, inner)
    else:
        yield f"{head} {_scalar(value, inner)}"


def _scalar(value: object, indent: str) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            text = repr(value)
            # YAML 1.2 needs no dot before the exponent, YAML 1.1 does.
            return text if "." in text or "e" not in text else text.replace("e", ".0e")
        case str():
            return _block(value, indent) or _text(value)
        case Mapping():
            return "{}"
        case _:
            return "[]"


def _block(text: str, indent: str) -> str:
    """Return a literal block for a text of several lines, where one can hold it."""
    body = text.removesuffix("\n")
    if "\n" not in text or not body or not indent or _NO_BLOCK.search(text):
        return ""
    lines = body.split("\n")
    if lines[0][:1] in {" ", "\t", ""} or body.endswith("\n"):
        return ""
    head = "|" if text.endswith("\n") else "|-"
    return "\n".join([head, *(f"{indent}{line}" if line else "" for line in lines)])


def _text(text: str) -> str:
    if _PLAIN_WITH_DIGIT.match(text) or _IMAGE.match(text):
        return text
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04x}"
