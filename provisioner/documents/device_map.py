"""The devices that the JSON text of `tink workflow create -r` names."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.documents import json_text
from provisioner.documents.json_text import NotJson
from provisioner.model.problem import InvalidInput, Problem

MAX_BYTES = 262_144  # user data and ignition files are passed this way; a file is 1 MiB at most
_PATH = "-r"
_EXAMPLE = """-r '{"device_1": "08:00:27:00:00:01"}'"""
# How Go says what Python's JSON reader says otherwise; classic tink printed it so.
_GO_WORDS = {
    "Expecting value": "looking for beginning of value",
    "Expecting ',' delimiter": "after object key:value pair",
    "Expecting ':' delimiter": "after object key",
    "Expecting property name": "looking for beginning of object key string",
    "Extra data": "after top-level value",
}
_GO_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}


def parse_device_map(text: str) -> Mapping[str, object]:
    """Read a device map or raise `InvalidInput`; JSON null is an empty map."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise _invalid(f"the device map has more than {MAX_BYTES:,} bytes", at=0, text=text)
    if not text.strip():
        raise _invalid("unexpected end of JSON input", at=0, text=text)
    twice: list[str] = []
    try:
        data = json_text.load(text, on_object=lambda pairs: _object(pairs, twice))
    except NotJson as error:
        raise _invalid(_as_go(error, text), at=error.position, text=text) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        kind = _GO_NAMES[type(data)]
        said = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        raise _invalid(said, at=0, text=text)
    if twice:
        raise _invalid(f"the key {twice[0]!r} stands twice", at=0, text=text)
    return data


def _object(pairs: list[tuple[str, object]], twice: list[str]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice.append(next(name for name in names if names.count(name) > 1))
    return found


def _as_go(error: NotJson, text: str) -> str:
    """Say it as classic tink did, whose JSON reader names the character that it met."""
    rest = text[error.position :].lstrip()
    if not rest:
        return "unexpected end of JSON input"
    for start, said in _GO_WORDS.items():
        if error.message.startswith(start):
            shown = "\\'" if rest[0] == "'" else rest[0]
            return f"invalid character '{shown}' {said}"
    return f"invalid json: {error.message}"


def _invalid(message: str, *, at: int, text: str) -> InvalidInput:
    before = text[:at]
    problem = Problem(
        path=_PATH,
        line=before.count("\n") + 1,
        column=len(before.rpartition("\n")[2]) + 1,
        code="workflow.device-map",
        message=message,
        hint=f"give a JSON object: {_EXAMPLE}",
    )
    return InvalidInput([problem])
