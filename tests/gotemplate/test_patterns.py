"""Our regular expressions: as Python's where both mean the same, and never slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotemplate.limits import Budget, Limits
from gotemplate.regex import charset
from gotemplate.regex.matcher import Search, find_all
from gotemplate.regex.program import compile_pattern
from gotemplate.regex.syntax import BadPattern

GENEROUS = Limits(steps=10_000_000)


def spans(pattern: str, text: str) -> list[tuple[int, int]]:
    found = find_all(compile_pattern(pattern), text, Budget(GENEROUS), -1)
    return [(slots[0], slots[1]) for slots in found]


def groups(pattern: str, text: str) -> tuple[int, ...] | None:
    return Search(compile_pattern(pattern), text, Budget(GENEROUS)).find(0)


LETTERS = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "\\d", "(?:ab)", "\\b", "^", "$"]
)
PIECES = st.recursive(
    LETTERS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        inner.map(lambda one: f"({one})"),
    ),
    max_leaves=5,
)
# Python goes into an empty repetition once where RE2 does not, so only single letters repeat here.
REPEATED = st.tuples(
    st.sampled_from(["a", "b", ".", "[bc]"]), st.sampled_from(["*", "+", "?", "*?", "+?", "{1,2}"])
).map("".join)
PATTERNS = st.lists(st.one_of(PIECES, REPEATED), min_size=1, max_size=4).map("".join)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text("abc1 ", max_size=8))
def test_we_find_what_python_finds(pattern, text):
    # Python's $ also matches before a newline at the end; there is none in these texts.
    match = re.compile(pattern, re.ASCII).search(text)
    slots = groups(pattern, text)
    assert (slots is None) == (match is None)
    if slots is not None and match is not None:
        ours = [(slots[i], slots[i + 1]) for i in range(0, len(slots), 2)]
        assert ours == [match.span(number) for number in range(match.re.groups + 1)]


@pytest.mark.parametrize(
    ("pattern", "is_found"),
    [
        ("(a+)+$", False),
        ("(a|a)*$", True),  # nothing, at the end
        ("(a|aa)+$", False),
        ("(.*a){12}$", False),
        ("([a-z]+)*!", True),
    ],
)
def test_patterns_that_hang_a_backtracking_matcher_end_at_once(pattern, is_found):
    budget = Budget(Limits())
    found = Search(compile_pattern(pattern), "a" * 500 + "!b", budget).find(0)
    assert bool(found) is is_found


def test_an_empty_match_directly_behind_another_does_not_count():
    assert spans("a*", "baac") == [(0, 0), (1, 3), (4, 4)]
    assert spans("", "ab") == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", "not closed"),
        ("a)", "never opened"),
        ("[a", "not closed"),
        ("*", "nothing to repeat"),
        ("a**", "can't be repeated"),
        ("a{2}{3}", "can't be repeated"),
        ("a{1001}", "more than 1000"),
        ("a{3,2}", "smaller count"),
        ("[b-a]", "backwards"),
        ("(?=a)", "look-around"),
        ("(?P<n>a)(?P<n>b)", "two groups are called n"),
        ("\\", "stands alone"),
        ("\\y", "means nothing"),
        ("\\p{Klingon}", "not supported"),
        ("[[:nope:]]", "there is no character class"),
        ("(?P<é>a)", "look-around"),
        ("(" * 101 + ")" * 101, "deeper than 100"),
        ("((a{100}){100}){100}", "too large"),
        ("a" * 1001, "longer than 1000"),
    ],
)
def test_a_pattern_that_is_none_says_why(pattern, words):
    with pytest.raises(BadPattern, match=words):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("[a-b-c]", "-", True),
        ("[\\d-z]", "-z", True),
        ("a(?)b", "ab", True),
        ("(?i)\\W", "\u212a", False),  # the Kelvin sign is a k of another case
        ("(?i)\\P{Lu}", "αé", False),
        ("(?i)\\p{^Lu}", "1", True),
        ("(?i)[[:^alpha:]]", "\u017f", False),
    ],
)
def test_what_go_reads_in_its_own_way_is_read_so(pattern, text, found):
    """As Go 1.26 answered; none of these is in the goldens."""
    assert bool(spans(pattern, text)) is found


def test_cases_are_ignored_beyond_ascii():
    assert spans("(?i)straße", "STRAßE") == [(0, 6)]
    assert spans("(?i)k", "K\u212a") == [(0, 1), (1, 2)]
    assert spans("(?i)[à-ü]", "É") == [(0, 1)]


def test_ranges_merge_and_turn_around():
    assert charset.merged([(5, 9), (1, 2), (3, 4)]) == ((1, 9),)
    assert charset.negated(((0, 9), (20, 0x10FFFF))) == ((10, 19),)
    assert charset.holds(((1, 3), (7, 9)), 8)
    assert not charset.holds(((1, 3), (7, 9)), 5)
