"""What values does a template work with, and what would Go call them?

Data are JSON-shaped: None, bool, int, float, str, list, dict.  They are copied when a rendering
starts, so that `set` can't reach the caller's data, and only exact types get in: nothing that a
template touches has an attribute or a method that it could reach.

Numbers: a JSON number without a fraction is an int, whatever its spelling (1000000, 1e6, 2.0), and
prints as its digits; Go would make it a float64 and print 1e+06, which no URL or size survives.
A number with a fraction is a float64 and prints as Go prints it.  Where Go keeps ints and floats
apart (eq, lt, printf verbs) ours meet by value, so that a template written for float64 data
(`printf "%.0f" .n`, `eq .n 3.0`) works as well.

Text is str; a byte that is no UTF-8 (b64dec, or a cut through a character) is held as a lone
surrogate, as Python's own surrogateescape does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gotemplate.errors import LimitExceeded
from gotemplate.layouts import Moment
from gotemplate.limits import CHARACTERS_PER_STEP, Budget, Limits

_INT64_END = 2**63  # beyond, a whole float stays a float


class NoValue:
    """What a missing key is, where missing keys are allowed; Go prints `<no value>`."""

    __slots__ = ()


NO_VALUE: Final = NoValue()


class Int64(int):
    """What sprig's arithmetic returns.  Only `typeOf`, `kindOf` and `%T` tell it from an int."""

    __slots__ = ()


class Uint8(int):
    """A byte of a text, by index."""

    __slots__ = ()


class StringList(list[object]):
    """[]string"""

    __slots__ = ()


class IntList(list[object]):
    """[]int"""

    __slots__ = ()


class ListList(list[object]):
    """[][]interface {}"""

    __slots__ = ()


class NilList(list[object]):
    """A nil slice of structs: empty, and null in JSON."""

    __slots__ = ()


class NilAnyList(list[object]):
    """A nil []interface {}: what is left of nothing."""

    __slots__ = ()


class NilStringList(StringList):
    """A nil []string."""

    __slots__ = ()


class Fields(dict[str, object]):
    """What `as_json` makes of a struct: its fields stay in their order."""

    __slots__ = ()


class StringMap(dict[str, object]):
    """map[string]string"""

    __slots__ = ()


class Pointer:
    """A pointer to a text, a number or a bool: true whatever it points to.  A nil one is None."""

    __slots__ = ("value",)

    def __init__(self, value: bool | int | str) -> None:
        self.value = value


class Struct(dict[str, object]):
    """A Go struct, or a pointer to one: a field that it has not is always an error.

    `tags` holds, by the name of each field, its name in JSON and whether it is left out there
    while it is empty.
    """

    __slots__ = ("tags",)

    def __init__(
        self, fields: Mapping[str, object], *, tags: Mapping[str, tuple[str, bool]]
    ) -> None:
        super().__init__(fields)
        self.tags = tags


class GoObject(dict[str, object]):
    """What only a function gives: what its methods say, by their names.

    It prints as its String; in JSON it is the text under `JSON`.
    """

    __slots__ = ()


class Version(GoObject):
    """What `semver` gives."""

    __slots__ = ()


class Time(GoObject):
    """What `toDate` gives; `moment` is what it was made of."""

    __slots__ = ("moment",)
    moment: Moment

    def holding(self, moment: Moment) -> Time:
        self.moment = moment
        return self


_TYPE_NAMES: dict[type, str] = {
    type(None): "<nil>",
    NoValue: "<nil>",
    bool: "bool",
    int: "int",
    Int64: "int64",
    Uint8: "uint8",
    float: "float64",
    str: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    StringList: "[]string",
    NilStringList: "[]string",
    NilList: "[]struct",
    NilAnyList: "[]interface {}",
    IntList: "[]int",
    ListList: "[][]interface {}",
    StringMap: "map[string]string",
    Version: "*semver.Version",
    Time: "time.Time",
    Struct: "struct",
    Pointer: "pointer",
}
_KIND_NAMES: dict[type, str] = {
    type(None): "invalid",
    NoValue: "invalid",
    list: "slice",
    StringList: "slice",
    NilStringList: "slice",
    NilList: "slice",
    NilAnyList: "slice",
    IntList: "slice",
    ListList: "slice",
    dict: "map",
    StringMap: "map",
    Version: "ptr",
    Time: "struct",
    Struct: "struct",
    Pointer: "ptr",
}
# What to say to a person.
_PLAIN_NAMES: dict[str, str] = {
    "bool": "true or false",
    "int": "a number",
    "int64": "a number",
    "uint8": "a number",
    "float64": "a number",
    "string": "a text",
    "slice": "a list",
    "map": "a map",
    "struct": "a struct",
    "invalid": "nothing",
}


def type_name(value: object) -> str:
    """As Go's %T."""
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def kind_name(value: object) -> str:
    return _KIND_NAMES.get(type(value)) or type_name(value)


def plain_name(value: object) -> str:
    """For messages: a list, a number, nothing."""
    return _PLAIN_NAMES.get(kind_name(value), kind_name(value))


def is_true(value: object) -> bool:
    """As `if` sees it."""
    return value is not NO_VALUE and bool(value)


def copy_data(data: Mapping[str, object], limits: Limits) -> dict[str, object]:
    """The data as a template may see them."""
    copied = copy_value(data, limits)
    assert isinstance(copied, dict)
    return copied


def copy_value(value: object, limits: Limits) -> object:
    return _copy(value, limits.value_depth, limits.made_items)[0]


def _copy(value: object, depth: int, room: int) -> tuple[object, int]:
    """A copy, and how many more values may follow."""
    kind = type(value)
    if kind is str:
        return _text(value), room - 1  # type: ignore[arg-type]  # its type was just compared
    if kind is int or kind is bool or value is None:
        return value, room - 1
    if kind is Int64 or kind is Pointer:
        return value, room - 1
    if isinstance(value, float):
        is_whole = value.is_integer() and -_INT64_END <= value < _INT64_END
        return (int(value) if is_whole else float(value)), room - 1
    if depth < 0 or room < _entry_count(value):
        raise LimitExceeded("the data for the template are too deep or too large")
    if isinstance(value, Mapping):
        entries: dict[str, object] = {}
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"template data have texts as keys, not {key!r}")
            entries[_text(key)], room = _copy(value[key], depth - 1, room)
        if isinstance(value, Struct):
            return Struct(entries, tags=value.tags), room - 1
        return entries, room - 1
    if isinstance(value, str):
        return _text(str(value)), room - 1
    if isinstance(value, int):
        return int(value), room - 1
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        items: list[object] = []
        for item in value:
            copied, room = _copy(item, depth - 1, room)
            items.append(copied)
        if isinstance(value, StringList | NilList | NilAnyList):
            return kind(items), room - 1  # type: ignore[call-arg]  # a list of that type
        return items, room - 1
    raise TypeError(f"template data are JSON-shaped; {type(value).__name__} is not")


def is_nil_list(value: object) -> bool:
    """Whether it is a list of nothing, which equals nil and is null in JSON."""
    return isinstance(value, NilList | NilAnyList | NilStringList)


def as_json(value: object) -> object:
    """What Go's encoding/json makes of it: structs by their tags, pointers as their values."""
    if isinstance(value, Pointer):
        return value.value
    if is_nil_list(value):
        return None
    if isinstance(value, GoObject):
        return value["JSON"]
    if isinstance(value, list):
        return [as_json(each) for each in value] if holds_structs(value) else value
    if not isinstance(value, dict) or not holds_structs(value):
        return value
    if not isinstance(value, Struct):
        return {key: as_json(each) for key, each in value.items()}
    found = Fields()
    for name, each in value.items():
        tag, is_optional = value.tags[name]
        if not is_optional or is_true(each):
            found[tag] = as_json(each)
    return found


def holds_structs(value: object) -> bool:
    """Whether something of Go's types is somewhere in it that JSON does not have."""
    if is_nil_list(value) or isinstance(value, Struct | Pointer | GoObject):
        return True
    if isinstance(value, dict):
        return any(map(holds_structs, value.values()))
    return isinstance(value, list) and any(map(holds_structs, value))


def _entry_count(value: object) -> int:
    return len(value) if isinstance(value, Mapping | Sequence) else 0


def _text(value: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair: Go's JSON reader replaces it as well
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def weigh(value: object, budget: Budget) -> None:
    """Spend for a walk through the whole value; refuse one that is too deep or holds itself."""
    if not isinstance(value, list | dict):
        return
    depth = 0
    level: list[object] = [value]
    while level:
        depth += 1
        if depth > budget.limits.value_depth:
            raise LimitExceeded(
                f"a list or map is nested deeper than {budget.limits.value_depth} levels"
            )
        following: list[object] = []
        for container in level:
            children = container.values() if isinstance(container, dict) else container
            assert isinstance(children, Sequence) or hasattr(children, "__iter__")
            budget.spend(1 + len(container))  # type: ignore[arg-type]  # a list or a dict
            for child in children:
                if isinstance(child, str):
                    budget.spend(len(child) // CHARACTERS_PER_STEP)
                elif isinstance(child, list | dict):
                    following.append(child)
        level = following
