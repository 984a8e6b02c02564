"""What toYaml and toJson write is read back as the same value, by readers that are not ours."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gotemplate.functions.yaml_text import resolves_to_something_else
from gotemplate.template import parse

TEXTS = st.one_of(
    st.text(max_size=20),
    st.text("ab :#-'\"\n,[]{}&*!|>%@`?0123456789.eyno~", max_size=12),
    st.lists(st.text("abc ", min_size=1, max_size=30), max_size=8).map(" ".join),
    st.sampled_from(
        ["yes", "NO", "null", "~", "1e3", "0x1f", "12:30:45", "2001-01-01", "<<", "-", "=", ".5"]
    ),
)
WITHOUT_FRACTIONS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS


def nested(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=12,
    )


# Signs, dots and underscores alone: that reader takes them for numbers, and breaks down.
NO_DIGITS = re.compile(r"'[-+.:_]*_[-+.:_]*'")
VALUES = nested(WITHOUT_FRACTIONS | st.floats(-1e9, 1e9))
TO_YAML, TO_JSON, PRETTY = (
    parse(f"{{{{{name} .v}}}}") for name in ("toYaml", "toJson", "toPrettyJson")
)


def read_yaml(text, version):
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    return reader.load(text + "\n")  # toYaml leaves out the last newline, which may count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"\n": "\n0"}, "? |2+\n\n: |2-\n\n  0"),
        ({"x": {"\n": "x\ny"}}, "x:\n  ? |2+\n\n  : |-\n    x\n    y"),
        ({"\n": {"a": "\n0"}}, "? |2+\n\n: a: |2-\n\n    0"),
        ({"\n": ["\n0"]}, "? |2+\n\n: - |2-\n\n    0"),
    ],
)
def test_what_stands_behind_a_key_of_several_lines_is_indented_as_by_go(value, text):
    assert TO_YAML.render({"v": value}) == text


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_yaml_is_read_back(value):
    assert read_yaml(TO_YAML.render({"v": value}), "1.2") == value


@settings(max_examples=300, deadline=None)
@given(value=nested(WITHOUT_FRACTIONS))
def test_yaml_is_read_back_by_the_old_rules(value):
    # 1e-05 is a text by the rules of 1.1, and Go writes it like that.
    assume(not NO_DIGITS.search(str(value)))
    assert read_yaml(TO_YAML.render({"v": value}), "1.1") == value


@settings(max_examples=300, deadline=None)
@given(value=VALUES)
def test_json_is_read_back(value):
    assert json.loads(TO_JSON.render({"v": value})) == value
    assert json.loads(PRETTY.render({"v": value})) == value


@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_json_read_by_a_template_is_the_value_that_was_written(value):
    assert parse("{{deepEqual (fromJson (toJson .v)) .v}}").render({"v": value}) == "true"


@pytest.mark.parametrize("text", ["\u2028", "a\u2029b", "\x85", "\ufeff", "\u00a0", "\ud800"])
def test_odd_separators_are_escaped_in_yaml(text):
    written = TO_YAML.render({"v": [text]})
    assert "\n" not in written.strip("\n")
    assert YAML(typ="safe", pure=True).load(written) == [text.replace("\ud800", "\ufffd")]


@pytest.mark.parametrize(
    "text",
    ["52:54:00:12:34:56", "0o17", "017", "1_000", "+.inf", "2024-02-29", "2024-1-2 3:4:5", "<<"],
)
def test_what_looks_like_a_number_or_a_time_is_quoted(text):
    assert resolves_to_something_else(text)
    assert TO_YAML.render({"v": text}) == f'"{text}"'


@pytest.mark.parametrize("text", ["08:00:27:00:00:0a", "2023-02-29", "0x", "1.2.3", "a1", "_1"])
def test_what_only_starts_like_a_number_is_plain(text):
    assert not resolves_to_something_else(text)
