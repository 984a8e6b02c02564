"""Are two values the same all through?  As Go's reflect.DeepEqual.

Types count, with one exception: a JSON number without a fraction is an int here and a float64 in
Go, so a plain int equals the float of the same value.
"""

from __future__ import annotations

_PLAIN_NUMBERS = (int, float)


def deep_equal(left: object, right: object) -> bool:
    if type(left) is not type(right):
        both_plain = type(left) in _PLAIN_NUMBERS and type(right) in _PLAIN_NUMBERS
        return both_plain and left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(deep_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(deep_equal(left[k], right[k]) for k in left)
    return left == right
