"""How an immutable mapping of 100,000 keys is changed without copying it.

A change copies two rows of 64 and one small dictionary: about 4 µs at any size, while
copying a dictionary of 100,000 keys costs 2 ms.  Readers keep the old mapping.  Many
changes at once are made in an `Edit`, which copies nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Generic, TypeAlias, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_WIDTH = 64
_BITS = 6
_MASK = _WIDTH - 1
_PLACES = _WIDTH * _WIDTH - 1
_ABSENT: Any = object()  # what a cell says of a key of which it holds nothing …
_REMOVED: Any = object()  # … and of one that only the base has


class ShardMap(Mapping[K, V], Generic[K, V]):
    """A `Mapping` with `set` and `without` that return a new one."""

    __slots__ = ("_base", "_rows", "_size")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        cells: dict[int, dict[K, V]] = {}
        for key, value in (items or {}).items():
            cells.setdefault(hash(key) & _PLACES, {})[key] = value
        empty: dict[K, V] = {}  # shared: a cell is copied before it is written
        # Lists, because a list is copied and changed in one copy, a tuple in two; none is
        # changed after its map is handed out.
        self._rows = (
            [
                [cells.get(outer | inner << _BITS, empty) for inner in range(_WIDTH)]
                for outer in range(_WIDTH)
            ]
            if cells
            else [[empty] * _WIDTH] * _WIDTH
        )
        self._size = len(items or {})
        self._base: dict[K, V] = empty

    @classmethod
    def over(cls, base: dict[K, V]) -> ShardMap[K, V]:
        """Take over a dictionary that nobody changes any more.

        Its keys are not looked at: 100,000 of them cost nothing, one by one 40 ms.  In return
        a value of it that was replaced stays in memory, so they had better be small.
        """
        new: ShardMap[K, V] = cls()
        new._base = base
        new._size = len(base)
        return new

    def __getitem__(self, key: K) -> V:
        place = hash(key)
        found: V = self._rows[place & _MASK][(place >> _BITS) & _MASK].get(key, _ABSENT)
        if found is _ABSENT:
            return self._base[key]
        if found is _REMOVED:
            raise KeyError(key)
        return found

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # narrower
        place = hash(key)
        found = self._rows[place & _MASK][(place >> _BITS) & _MASK].get(key, _ABSENT)
        if found is _ABSENT:
            return self._base.get(key, default)
        return default if found is _REMOVED else found

    def __contains__(self, key: object) -> bool:
        return self.get(key, _ABSENT) is not _ABSENT  # type: ignore[arg-type]  # any key

    def __iter__(self) -> Iterator[K]:
        for key in self._base:
            place = hash(key)
            if key not in self._rows[place & _MASK][(place >> _BITS) & _MASK]:
                yield key
        for row in self._rows:
            for cell in row:
                for key, value in cell.items():
                    if value is not _REMOVED:
                        yield key

    def __len__(self) -> int:
        return self._size

    def set(self, key: K, value: V) -> ShardMap[K, V]:
        place = hash(key)
        cell = self._rows[place & _MASK][(place >> _BITS) & _MASK].copy()
        old = cell.get(key, _ABSENT)
        is_new = key not in self._base if old is _ABSENT else old is _REMOVED
        cell[key] = value
        return self._with_cell(place, cell, self._size + is_new)

    def without(self, key: K) -> ShardMap[K, V]:
        if key not in self:
            return self
        place = hash(key)
        cell = self._rows[place & _MASK][(place >> _BITS) & _MASK].copy()
        if key in self._base:
            cell[key] = _REMOVED
        else:
            del cell[key]
        return self._with_cell(place, cell, self._size - 1)

    def with_all(self, changed: Mapping[K, V], gone: Iterable[K]) -> ShardMap[K, V]:
        """Set and remove many keys; each row and cell that holds some is copied once."""
        rows = self._rows.copy()
        own_rows: dict[int, list[dict[K, V]]] = {}
        own_cells: dict[int, dict[K, V]] = {}

        def cell_of(key: K) -> dict[K, V]:
            place = hash(key) & _PLACES
            cell = own_cells.get(place)
            if cell is None:
                outer = place & _MASK
                row = own_rows.get(outer)
                if row is None:
                    row = own_rows[outer] = rows[outer] = rows[outer].copy()
                cell = own_cells[place] = row[place >> _BITS] = row[place >> _BITS].copy()
            return cell

        base, size = self._base, self._size
        for key, value in changed.items():
            cell = cell_of(key)
            old = cell.get(key, _ABSENT)
            size += key not in base if old is _ABSENT else old is _REMOVED
            cell[key] = value
        for key in gone:
            if key in self:
                size -= 1
                if key in base:
                    cell_of(key)[key] = _REMOVED
                else:
                    del cell_of(key)[key]
        return self._with_rows(rows, size)

    def edit(self) -> Edit[K, V]:
        """Begin to make many changes; this mapping stays as it is."""
        return Edit(self)

    def result(self) -> ShardMap[K, V]:
        """What an `Edit` has become, and this is already."""
        return self

    def _with_cell(self, place: int, cell: dict[K, V], size: int) -> ShardMap[K, V]:
        rows = self._rows.copy()
        row = rows[place & _MASK].copy()
        row[(place >> _BITS) & _MASK] = cell
        rows[place & _MASK] = row
        return self._with_rows(rows, size)

    def _with_rows(self, rows: list[list[dict[K, V]]], size: int) -> ShardMap[K, V]:
        new: ShardMap[K, V] = object.__new__(ShardMap)
        new._base = self._base
        new._rows = rows
        new._size = size
        return new


class Edit(MutableMapping[K, V]):
    """A `ShardMap` that many changes are made to; each part of it is copied once, by `result`.

    `set` and `without` change it and return it, so that code that knows `ShardMap`'s works on
    it as well.
    """

    __slots__ = ("_changed", "_gone", "_old")

    def __init__(self, old: ShardMap[K, V]) -> None:
        self._old = old
        self._changed: dict[K, V] = {}
        self._gone: set[K] = set()

    def __getitem__(self, key: K) -> V:
        if key in self._changed:
            return self._changed[key]
        if key in self._gone:
            raise KeyError(key)
        return self._old[key]

    def get(self, key: K, default: V | None = None) -> V | None:  # type: ignore[override]  # narrower
        found: V = self._changed.get(key, _ABSENT)
        if found is not _ABSENT:
            return found
        return default if key in self._gone else self._old.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._changed or (key not in self._gone and key in self._old)

    def __iter__(self) -> Iterator[K]:
        return iter(self.result())

    def __len__(self) -> int:
        return len(self.result())

    def __setitem__(self, key: K, value: V) -> None:
        self._changed[key] = value
        self._gone.discard(key)

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self.discard(key)

    def discard(self, key: K) -> None:
        """Remove a key if it is there."""
        self._changed.pop(key, None)
        self._gone.add(key)

    def set(self, key: K, value: V) -> Edit[K, V]:
        self[key] = value
        return self

    def without(self, key: K) -> Edit[K, V]:
        self.discard(key)
        return self

    def result(self) -> ShardMap[K, V]:
        """Return the mapping as it is now; what is changed afterwards is not in it."""
        if not self._changed and not self._gone:
            return self._old
        return self._old.with_all(self._changed, self._gone)


Shards: TypeAlias = ShardMap[K, V] | Edit[K, V]
