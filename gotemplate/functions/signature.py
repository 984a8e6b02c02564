"""What does a template function take?

Go checks the types of arguments; so do we, with words for a person.  A function says how many
arguments of what type it takes as text, for example "int string", and "any*" for any number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from gotemplate.values import GoObject, StringMap, Struct


class Parameter(Enum):
    ANY = "any"
    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    MAP = "map"


class CallFault(Exception):
    """A function can't do what it was asked; the message is for a person."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Function:
    """`call` gets the budget first when `bounded`: it may make more than it was given.

    `deep` functions walk through whole values; the evaluator spends for that before it calls.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rest: Parameter | None
    call: Callable[..., object]
    bounded: bool = False
    deep: bool = False

    def renamed(self, name: str) -> Function:
        return replace(self, name=name)


FunctionTable = Mapping[str, Function]


def function(
    name: str,
    signature: str,
    call: Callable[..., object],
    *,
    bounded: bool = False,
    deep: bool = False,
) -> Function:
    words = signature.split()
    rest = Parameter(words.pop()[:-1]) if words and words[-1].endswith("*") else None
    return Function(name, tuple(Parameter(w) for w in words), rest, call, bounded, deep)


def table(*functions: Function) -> dict[str, Function]:
    return {one.name: one for one in functions}


def accepts(parameter: Parameter, value: object) -> bool:
    match parameter:
        case Parameter.ANY:
            return True
        case Parameter.STRING:
            return isinstance(value, str)
        case Parameter.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case Parameter.FLOAT:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Parameter.BOOL:
            return isinstance(value, bool)
        case Parameter.MAP:
            return value is None or (
                isinstance(value, dict) and not isinstance(value, StringMap | Struct | GoObject)
            )


NEEDS: Mapping[Parameter, str] = {
    Parameter.ANY: "a value",
    Parameter.STRING: "a text",
    Parameter.INT: "a whole number",
    Parameter.FLOAT: "a number",
    Parameter.BOOL: "true or false",
    Parameter.MAP: "a map",
}


def hint(parameter: Parameter, value: object) -> str:
    """What to write when the type is wrong."""
    if value is None:
        return "give it a value, or use default"
    if parameter is Parameter.STRING:
        return "turn it into a text with toString"
    if parameter is Parameter.INT and isinstance(value, str | float):
        return "turn it into a whole number with int"
    return ""
