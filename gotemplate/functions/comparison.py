"""Are two values equal, and which one is less?  As Go's templates see it."""

from __future__ import annotations

from gotemplate.functions.signature import CallFault
from gotemplate.values import NO_VALUE, Time, is_nil_list, plain_name


def _basic(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return ""


def equal(first: object, others: tuple[object, ...]) -> bool:
    """Whether the first equals any of the others."""
    if not others:
        raise CallFault("eq needs something to compare with")
    return any(_equal_pair(first, other) for other in others)


def _equal_pair(left: object, right: object) -> bool:
    left = None if left is NO_VALUE else left
    right = None if right is NO_VALUE else right
    kind = _basic(left)
    if kind != _basic(right):
        if left is None or right is None:
            return False
        raise _incomparable(left, right)
    if kind or left is None or right is None:
        return left == right or is_nil_list(left) or is_nil_list(right)
    if isinstance(left, list) and isinstance(right, list):
        are_nil = (is_nil_list(left), is_nil_list(right))
        if any(are_nil):
            return all(are_nil)
    if isinstance(left, Time) and isinstance(right, Time):
        return left.moment == right.moment
    raise _incomparable(left, right)


def _incomparable(left: object, right: object) -> CallFault:
    hint = ""
    if {_basic(left), _basic(right)} == {"string", "number"}:
        hint = "quote the number, or turn the text into a number: int .x"
    return CallFault(f"{plain_name(left)} and {plain_name(right)} can't be compared", hint=hint)


def less(left: object, right: object) -> bool:
    kind = _basic(left)
    if kind not in ("number", "string") or kind != _basic(right):
        raise _incomparable(left, right)
    return left < right  # type: ignore[operator,no-any-return]  # both numbers or both texts


def less_or_equal(left: object, right: object) -> bool:
    return less(left, right) or _equal_pair(left, right)
