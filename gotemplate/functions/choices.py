"""sprig's defaults, choices, questions about types, and fail."""

from __future__ import annotations

from typing import NoReturn

from gotemplate.functions.equality import deep_equal
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.values import is_true, kind_name, type_name


def _default(fallback: object, *given: object) -> object:
    return given[0] if given and is_true(given[0]) else fallback


def _coalesce(*values: object) -> object:
    return next((value for value in values if is_true(value)), None)


def _ternary(yes: object, no: object, choice: bool) -> object:
    return yes if choice else no


def _fail(message: str) -> NoReturn:
    raise CallFault(message)


CHOICES: dict[str, Function] = table(
    function("all", "any*", lambda *values: all(map(is_true, values))),
    function("any", "any*", lambda *values: any(map(is_true, values))),
    function("coalesce", "any*", _coalesce),
    function("deepEqual", "any any", deep_equal, deep=True),
    function("default", "any any*", _default),
    function("empty", "any", lambda value: not is_true(value)),
    function("fail", "string", _fail),
    function("kindIs", "string any", lambda kind, value: kind_name(value) == kind),
    function("kindOf", "any", kind_name),
    function("ternary", "any any bool", _ternary),
    function("typeIs", "string any", lambda name, value: type_name(value) == name),
    function("typeIsLike", "string any", lambda name, value: type_name(value) == name),
    function("typeOf", "any", type_name),
)
