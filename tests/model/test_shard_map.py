"""The map that changes without being changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.shard_map import ShardMap

KEYS = st.integers(min_value=0, max_value=40).map(lambda number: f"key {number}")
STEPS = st.lists(st.tuples(KEYS, st.none() | st.integers()), max_size=60)


@given(STEPS, st.booleans())
def test_it_holds_what_a_dictionary_would_hold(steps, is_over_another):
    expected: dict[str, int] = {f"key {number}": number for number in range(20 * is_over_another)}
    actual: ShardMap[str, int] = ShardMap.over(dict(expected))
    for key, value in steps:
        if value is None:
            expected.pop(key, None)
            actual = actual.without(key)
        else:
            expected[key] = value
            actual = actual.set(key, value)
        assert len(actual) == len(expected)
    assert dict(actual) == expected
    assert all((f"key {number}" in actual) is (f"key {number}" in expected) for number in range(41))
    assert all(key in actual and actual.get(key) == value for key, value in expected.items())


@given(STEPS, KEYS, st.integers(), st.booleans())
def test_a_change_leaves_the_old_map_as_it_was(steps, key, value, is_over_another):
    make = ShardMap.over if is_over_another else ShardMap
    old: ShardMap[str, int] = make({name: number or 0 for name, number in steps})
    before = dict(old)
    old.set(key, value)
    old.without(key)
    assert dict(old) == before


def test_what_is_not_there_is_none_or_the_default():
    empty: ShardMap[str, int] = ShardMap()
    assert empty.get("key") is None
    assert empty.get("key", 3) == 3
    assert "key" not in ShardMap()


def test_two_empty_maps_do_not_share_what_is_put_in():
    one: ShardMap[str, int] = ShardMap()
    two = one.set("key", 1)
    assert dict(one) == {}
    assert dict(two.set("other", 2)) == {"key": 1, "other": 2}


def test_a_key_that_was_removed_from_what_it_was_made_over_is_not_there():
    made = ShardMap.over({"key": 1, "other": 2}).without("key")
    assert made.get("key") is None and made.get("key", 3) == 3
    with pytest.raises(KeyError):
        made["key"]
    assert dict(made) == {"other": 2}
    assert dict(made.set("key", 4)) == {"key": 4, "other": 2}


@settings(deadline=None)
@given(STEPS, STEPS)
def test_an_edit_holds_what_a_dictionary_would_hold_and_leaves_every_map_as_it_was(first, then):
    expected = {name: number or 0 for name, number in first}
    before = dict(expected)
    old: ShardMap[str, int] = ShardMap(before)
    edit = old.edit()
    given_out = []
    for key, value in then:
        if value is None:
            expected.pop(key, None)
            edit.discard(key)
        else:
            expected[key] = value
            edit[key] = value
        assert len(edit) == len(expected) and edit.get(key) == expected.get(key)
        assert (key in edit) == (key in expected)
        given_out.append((edit.result(), dict(expected)))
    assert dict(edit) == expected
    assert dict(old) == before
    assert all(
        dict(made) == then_held and len(made) == len(then_held) for made, then_held in given_out
    )
