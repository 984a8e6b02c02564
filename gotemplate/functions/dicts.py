"""sprig's functions on maps.  `set`, `unset` and `merge` change the map that they are given."""

from __future__ import annotations

from collections.abc import Mapping

from gotemplate.functions.convert import text_of
from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.values import StringList, StringMap, is_true, plain_name

Map = dict[str, object]


def _dict(budget: Budget, *values: object) -> Map:
    keys = [text_of(key, budget) for key in values[::2]]
    entries = list(values[1::2])
    if len(entries) < len(keys):
        entries.append("")
    return dict(zip(keys, entries, strict=True))


def _get(entries: Map | None, key: str) -> object:
    return (entries or {}).get(key, "")


def _set(budget: Budget, entries: Map | None, key: str, value: object) -> Map:
    if entries is None:
        raise CallFault("there is no map to set a key in")
    budget.make_items(1)
    entries[key] = value
    return entries


def _unset(entries: Map | None, key: str) -> Map:
    if entries is None:
        return {}
    entries.pop(key, None)
    return entries


def _pluck(key: str, *maps: Map | None) -> list[object]:
    return [entries[key] for entries in maps if entries is not None and key in entries]


def _keys(budget: Budget, *maps: Map | None) -> StringList:
    """In order, where Go's come as chance will have it."""
    budget.make_items(sum(len(entries or {}) for entries in maps))
    return StringList(key for entries in maps for key in sorted(entries or {}))


def _values(entries: Map | None) -> list[object]:
    return [value for _, value in sorted((entries or {}).items(), key=lambda pair: pair[0])]


def _pick(entries: Map | None, *keys: str) -> Map:
    return {key: entries[key] for key in keys if entries is not None and key in entries}


def _omit(entries: Map | None, *keys: str) -> Map:
    unwanted = frozenset(keys)
    return {key: value for key, value in (entries or {}).items() if key not in unwanted}


def _dig(*words: object) -> object:
    if len(words) < 3:
        raise CallFault("dig needs a key, a default and a map")
    *keys, default, entries = words
    for key in keys:
        if not isinstance(key, str):
            raise CallFault(f"keys are texts; {plain_name(key)} is none")
        if not isinstance(entries, dict) or isinstance(entries, StringMap):
            raise CallFault(f"there is no map to look up {key!r} in, but {plain_name(entries)}")
        if key not in entries:
            return default
        entries = entries[key]
    return entries


def _merge(budget: Budget, target: Map | None, *sources: Map | None) -> object:
    return _merged(budget, target, sources, overwrite=False)


def _merge_overwrite(budget: Budget, target: Map | None, *sources: Map | None) -> object:
    return _merged(budget, target, sources, overwrite=True)


def _merged(
    budget: Budget, target: Map | None, sources: tuple[Map | None, ...], *, overwrite: bool
) -> Map:
    target = {} if target is None else target
    for source in sources:
        _merge_one(budget, target, source or {}, overwrite=overwrite)
    return target


def _merge_one(
    budget: Budget, target: Map, source: Mapping[str, object], *, overwrite: bool
) -> None:
    budget.make_items(len(source))
    for key, value in list(source.items()):
        there = target.get(key)
        if value is None:
            if overwrite:
                target[key] = None
            continue
        if isinstance(value, dict) and isinstance(there, dict) and there:
            if there is not value:
                _merge_one(budget, there, value, overwrite=overwrite)
        elif isinstance(value, dict) and is_true(there):
            if overwrite:
                target[key] = value
        elif overwrite or not is_true(there):
            target[key] = value


def _copy(budget: Budget, value: object) -> object:
    if isinstance(value, dict):
        budget.make_items(len(value))
        return type(value)({key: _copy(budget, one) for key, one in value.items()})
    if isinstance(value, list):
        budget.make_items(len(value))
        return type(value)(_copy(budget, one) for one in value)
    return value


def _deep_copy(budget: Budget, value: object) -> object:
    if value is None:
        raise CallFault("there is nothing to copy")
    return _copy(budget, value)


_MERGE = function("merge", "map map*", _merge, bounded=True, deep=True)
_OVERWRITE = function("mergeOverwrite", "map map*", _merge_overwrite, bounded=True, deep=True)
_COPY = function("deepCopy", "any", _deep_copy, bounded=True, deep=True)

DICTS: dict[str, Function] = table(
    _MERGE,
    _MERGE.renamed("mustMerge"),
    _OVERWRITE,
    _OVERWRITE.renamed("mustMergeOverwrite"),
    _COPY,
    _COPY.renamed("mustDeepCopy"),
    function("dict", "any*", _dict, bounded=True, deep=True),
    function("dig", "any*", _dig),
    function("get", "map string", _get),
    function("hasKey", "map string", lambda entries, key: key in (entries or {})),
    function("keys", "map*", _keys, bounded=True),
    function("omit", "map string*", _omit),
    function("pick", "map string*", _pick),
    function("pluck", "string map*", _pluck),
    function("set", "map string any", _set, bounded=True),
    function("unset", "map string", _unset),
    function("values", "map", _values),
)
