"""Go's own functions, which every template has.

`and` and `or` are here for their names and arguments; the evaluator runs them, because they stop
at the first argument that decides.
"""

from __future__ import annotations

from urllib.parse import quote_plus

from gotemplate import printf
from gotemplate.functions import comparison
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.literals import from_bytes, to_bytes
from gotemplate.values import (
    GoObject,
    StringMap,
    Struct,
    Uint8,
    is_true,
    plain_name,
    type_name,
)

_HTML = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _index(item: object, *keys: object) -> object:
    if item is None:
        raise CallFault("index of nothing: the value to look in is null or missing")
    for key in keys:
        item = _index_once(item, key)
    return item


def _index_once(item: object, key: object) -> object:
    if isinstance(item, dict) and not isinstance(item, Struct | GoObject):
        if not isinstance(key, str):
            raise CallFault(f"a map is indexed by a text, not by {plain_name(key)}")
        return item.get(key, "" if isinstance(item, StringMap) else None)
    if isinstance(item, list):
        return item[_position(key, len(item))]
    if isinstance(item, str):
        data = to_bytes(item)
        return Uint8(data[_position(key, len(data))])
    if item is None:
        raise CallFault(f"index of nothing: there is no value to look up {key!r} in")
    raise CallFault(f"{plain_name(item)} can't be indexed")


def _position(key: object, length: int, *, inclusive: bool = False) -> int:
    if isinstance(key, bool) or not isinstance(key, int):
        raise CallFault(f"a list is indexed by a whole number, not by {plain_name(key)}")
    if key < 0 or key > length or (key == length and not inclusive):
        raise CallFault(f"the index {key} is out of range; there are {length} entries")
    return key


def cut(item: object, *indexes: object) -> object:
    """Go's `slice`: item[i:j]."""
    if not isinstance(item, str | list):
        raise CallFault(f"{plain_name(item)} can't be sliced")
    if len(indexes) > 3 or (isinstance(item, str) and len(indexes) == 3):
        raise CallFault("slice takes a start and an end")
    whole = to_bytes(item) if isinstance(item, str) else item
    bounds = [0, len(whole)]
    places = [_position(index, len(whole), inclusive=True) for index in indexes]
    bounds[: len(places)] = places
    if bounds != sorted(bounds):
        raise CallFault(f"slice would begin at {bounds[0]} and end at {bounds[1]}")
    part = whole[bounds[0] : bounds[1]]
    if isinstance(part, bytes):
        return from_bytes(part)
    return type(item)(part)


def _length(item: object) -> int:
    if isinstance(item, str):
        return len(item) if item.isascii() else len(to_bytes(item))
    if isinstance(item, list | dict) and not isinstance(item, Struct | GoObject):
        return len(item)
    raise CallFault(f"len: {plain_name(item)} has no length")


def _call(target: object, *_: object) -> object:
    raise CallFault(f"call: a {type_name(target)} is no function, and data hold none")


def _text_of(budget: Budget, arguments: tuple[object, ...]) -> str:
    if len(arguments) == 1 and isinstance(arguments[0], str):
        return arguments[0]
    return printf.sprint(budget, ["<no value>" if one is None else one for one in arguments])


def _html(budget: Budget, *arguments: object) -> str:
    text = _text_of(budget, arguments)
    budget.make_text(5 * len(text))
    return text.translate(_HTML)


def _js(budget: Budget, *arguments: object) -> str:
    text = _text_of(budget, arguments)
    budget.make_text(6 * len(text))
    return "".join(map(_js_character, text))


def _js_character(character: str) -> str:
    if character in _JS:
        return _JS[character]
    if character < " ":
        return f"\\u{ord(character):04X}"
    if character.isprintable():
        return character
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return "\ufffd"
    return f"\\u{ord(character):04X}"


def _urlquery(budget: Budget, *arguments: object) -> str:
    text = _text_of(budget, arguments)
    budget.make_text(3 * len(text))
    return quote_plus(to_bytes(text), safe="~")


def _print(budget: Budget, *arguments: object) -> str:
    return printf.sprint(budget, arguments)


def _println(budget: Budget, *arguments: object) -> str:
    return printf.sprintln(budget, arguments)


def _printf(budget: Budget, form: str, *arguments: object) -> str:
    return printf.sprintf(budget, form, arguments)


def _never(*_: object) -> object:
    raise AssertionError("the evaluator runs and/or itself")


CORE: dict[str, Function] = table(
    function("and", "any any*", _never),
    function("or", "any any*", _never),
    function("not", "any", lambda value: not is_true(value)),
    function("call", "any any*", _call),
    function("eq", "any any*", lambda first, *others: comparison.equal(first, others)),
    function("ne", "any any", lambda left, right: not comparison.equal(left, (right,))),
    function("lt", "any any", comparison.less),
    function("le", "any any", comparison.less_or_equal),
    function("gt", "any any", lambda left, right: not comparison.less_or_equal(left, right)),
    function("ge", "any any", lambda left, right: not comparison.less(left, right)),
    function("index", "any any*", _index),
    function("slice", "any any*", cut),
    function("len", "any", _length),
    function("html", "any*", _html, bounded=True),
    function("js", "any*", _js, bounded=True),
    function("urlquery", "any*", _urlquery, bounded=True),
    function("print", "any*", _print, bounded=True),
    function("printf", "string any*", _printf, bounded=True),
    function("println", "any*", _println, bounded=True),
)
