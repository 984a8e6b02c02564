"""Which methods take an argument, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gotemplate.functions import dates, versions
from gotemplate.values import Time, Version


def of(owner: object, name: str) -> Callable[[object], object] | None:
    """The method of that name, which takes one argument; None where the value has none."""
    if isinstance(owner, Version) and name in versions.METHODS:
        return partial(versions.METHODS[name], owner)
    if isinstance(owner, Time) and name in dates.METHODS:
        return partial(dates.METHODS[name], owner)
    return None
