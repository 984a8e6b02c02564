"""sprig's functions on lists.  None of them changes the list that it is given."""

from __future__ import annotations

from collections.abc import Iterable

from gotemplate.functions import core
from gotemplate.functions.convert import texts_of, to_int
from gotemplate.functions.equality import deep_equal
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.values import ListList, NilAnyList, StringList, is_true, plain_name


def _items(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise CallFault(f"{plain_name(value)} is no list")


def _has(budget: Budget, wanted: object, items: Iterable[object]) -> bool:
    for item in items:
        budget.spend(1)
        if deep_equal(wanted, item):
            return True
    return False


def _first(value: object) -> object:
    return _items(value)[0] if _items(value) else None


def _last(value: object) -> object:
    return _items(value)[-1] if _items(value) else None


def _rest(value: object) -> list[object]:
    items = _items(value)
    return items[1:] if items else NilAnyList()


def _initial(value: object) -> list[object]:
    items = _items(value)
    return items[:-1] if items else NilAnyList()


def _uniq(budget: Budget, value: object) -> list[object]:
    kept: list[object] = []
    for item in _items(value):
        if not _has(budget, item, kept):
            kept.append(item)
    return kept


def _without(budget: Budget, value: object, *unwanted: object) -> list[object]:
    return [item for item in _items(value) if not _has(budget, item, unwanted)]


def _contains(budget: Budget, wanted: object, value: object) -> bool:
    return value is not None and _has(budget, wanted, _items(value))


def _slice(value: object, *bounds: object) -> object:
    if isinstance(value, str):  # sprig's refuses texts; Go's own, which it hides, does not
        return core.cut(value, *bounds)
    items = _items(value)
    if not items:
        return None
    start = to_int(bounds[0]) if bounds else 0
    end = to_int(bounds[1]) if len(bounds) > 1 else len(items)
    return core.cut(items, start, end)


def _concat(budget: Budget, *values: object) -> list[object]:
    budget.make_items(sum(len(_items(value)) for value in values))
    found = [item for value in values for item in _items(value)]
    return found or NilAnyList()


def _chunk(size: int, value: object) -> ListList:
    items = _items(value)
    if size < 1:
        raise CallFault(f"a list can't be cut into pieces of {size}")
    return ListList(items[at : at + size] for at in range(0, len(items), size))


def _sort_alpha(budget: Budget, value: object) -> StringList:
    return StringList(sorted(texts_of(value, budget) if value is not None else ["<nil>"]))


def _append(value: object, item: object) -> list[object]:
    return [*_items(value), item]


def _prepend(value: object, item: object) -> list[object]:
    return [item, *_items(value)]


def _compact(value: object) -> list[object]:
    return [item for item in _items(value) if is_true(item)]


def _must(name: str) -> str:
    return f"must{name[0].upper()}{name[1:]}"


_WITH_MUST = (
    function("append", "any any", _append),
    function("chunk", "int any", _chunk),
    function("compact", "any", _compact),
    function("first", "any", _first),
    function("has", "any any", _contains, bounded=True, deep=True),
    function("initial", "any", _initial),
    function("last", "any", _last),
    function("prepend", "any any", _prepend),
    function("push", "any any", _append),
    function("rest", "any", _rest),
    function("reverse", "any", lambda value: list(reversed(_items(value)))),
    function("slice", "any any*", _slice),
    function("uniq", "any", _uniq, bounded=True, deep=True),
    function("without", "any any*", _without, bounded=True, deep=True),
)

LISTS: dict[str, Function] = table(
    *_WITH_MUST,
    *(one.renamed(_must(one.name)) for one in _WITH_MUST),
    function("concat", "any*", _concat, bounded=True),
    function("list", "any*", lambda *values: list(values)),
    function("sortAlpha", "any", _sort_alpha, bounded=True, deep=True),
    function("tuple", "any*", lambda *values: list(values)),
)
