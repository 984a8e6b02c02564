"""YAML and JSON become data with places, and whatever is wrong becomes a problem."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.documents import yaml_reader
from provisioner.documents.yaml_composer import Limits
from provisioner.model.problem import Severity
from tests.documents.document_reading import data_of, problems_of, shown


def place_of(text, *path, key=False):
    (document,) = yaml_reader.read(text, path="x.yaml").documents
    return document.key_place(path) if key else document.place(path)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("10:20:30:40:50:10", "10:20:30:40:50:10"),
        ("12:30", "12:30"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("2026-11-23", "2026-11-23"),
        ("1.2.3.4", "1.2.3.4"),
        ("0.1", 0.1),
        ("1.10", 1.1),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("-5", -5),
        ("1e3", 1000.0),
        ("+.5", 0.5),
        ("6_000", "6_000"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("! 5", "5"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written, value):
    data = data_of(f"a: {written}\n")
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_flow_style_takes_what_go_takes():
    text = "volumes: [/dev:/dev, /a:/b:ro]\nmap: {mac: 52:54:00:12:34:56, url: http://x/?a=b}\n"
    assert data_of(text) == {
        "volumes": ["/dev:/dev", "/a:/b:ro"],
        "map": {"mac": "52:54:00:12:34:56", "url": "http://x/?a=b"},
    }


def test_json_is_read_as_json():
    text = '{"a":\t[1, 2.5, true, null, "\\u00e9\\/"],\n\t"b": {}}'
    assert data_of(text, "x.json") == json.loads(text)


def test_json_with_tabs_and_halves_of_characters_keeps_its_places():
    text = '\t{\n\t"smile": "\\ud83d\\ude00",\n\t"b": {"c": 1}\n}\n'
    (document,) = yaml_reader.read(text, path="x.json", as_json=True).documents
    assert document.data == {"smile": "\U0001f600", "b": {"c": 1}}
    assert document.place(("b", "c")) == (3, 13)


def test_a_lone_half_of_a_character_is_replaced_as_go_does():
    assert data_of('{"a": "x\\ud83dy"}', "x.json") == {"a": "x\ufffdy"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,}', "1:9 json.syntax"),
        ('{"a": $x}', "1:7 json.syntax"),
        ("{'a': 1}", "1:2 json.syntax"),
        ("a: 1", "1:1 json.syntax"),
        ('{"a": 1}\n{"a": 2}', "2:1 json.syntax"),
        ('{"a": NaN}', "1:1 json.syntax"),
        ('{"a": 1e999}', "1:7 yaml.number"),
        ('{"a": 1,\n "a": 2}', "2:2 yaml.duplicate"),
        ("", "1:1 json.syntax"),
        ('{"a": "\x01"}', "1:8 json.syntax"),
    ],
)
def test_a_json_file_must_be_json(text, problem):
    assert problems_of(text, "x.json") == [problem]


KEYS = st.sampled_from(("id", "a key", "{[", "<<", "", "&a", "null", "k" * 1100))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def places_in(data, document, where=()):
    found = [(where, document.place(where), document.key_place(where), document.source(where))]
    for step, part in data.items() if isinstance(data, dict) else ():
        found += places_in(part, document, (*where, step))
    for step, part in enumerate(data) if isinstance(data, list) else ():
        found += places_in(part, document, (*where, step))
    return found


@settings(deadline=None)
@given(JSON, st.sampled_from((None, 2, "\t")))
def test_json_says_the_same_at_the_same_places_whether_it_is_plain_or_not(value, indent):
    # A wide character at the end has the places looked for at once.
    read = [
        yaml_reader.read(json.dumps([value, last], indent=indent), path="x.json", as_json=True)
        for last in ("ae", "\u00e9")
    ]
    plain, wide = (reading.documents[0] for reading in read)
    assert plain.data[0] == wide.data[0] == value
    assert places_in([value], plain) == places_in([value], wide)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "b": {"x": 2,\n "x": 3}}', "2:2 yaml.duplicate"),
        ("[" * 65 + "]" * 65, "1:65 yaml.depth"),
        (f"[{'1,' * 50_000}1]", "1:99996 yaml.nodes"),
        ('{"a": 1e999}', "1:7 yaml.number"),
    ],
)
def test_json_has_the_limits_of_yaml(text, problem):
    assert problems_of(text, "x.json")[0] == problem


def test_every_part_has_its_place():
    text = "a:\n  b:\n    - x\n    - {c: d}\n"
    assert place_of(text) == (1, 1)
    assert place_of(text, "a", "b", key=True) == (2, 3)
    assert place_of(text, "a", "b", 0) == (3, 7)
    assert place_of(text, "a", "b", 1, "c") == (4, 11)
    assert place_of(text, "a", "b", 1, "c", key=True) == (4, 8)


def test_a_part_that_is_not_there_has_the_place_of_its_parent():
    assert place_of("a:\n  b: 1\n", "a", "missing", "deeper") == (2, 3)


def test_a_scalar_keeps_its_source_text():
    (document,) = yaml_reader.read("a: 1.50\nb: '60'\nc: 60\n", path="x.yaml").documents
    assert document.source(("a",)) == "1.50"
    assert [document.is_plain((name,)) for name in "bc"] == [False, True]


def test_keys_are_texts():
    assert data_of("1: a\ntrue: b\n1.50: c\n") == {"1": "a", "true": "b", "1.50": "c"}


def test_anchors_aliases_and_merges_work():
    text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: [*x]\nw: {<<: [*x, {c: 4}]}\n"
    assert data_of(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "a": 1},
        "z": [{"a": 1, "b": 2}],
        "w": {"a": 1, "b": 2, "c": 4},
    }


def test_a_merged_key_has_the_place_where_it_stands():
    assert place_of("x: &x {a: 1}\ny:\n  <<: *x\n", "y", "a") == (1, 11)


def test_several_documents_are_read():
    reading = yaml_reader.read("a: 1\n---\nb: 2\n---\n", path="x.yaml")
    assert [each.data for each in reading.documents] == [{"a": 1}, {"b": 2}, None]
    assert reading.documents[1].place(("b",)) == (3, 4)


def test_an_anchor_ends_with_its_document():
    assert problems_of("a: &a 1\n---\nb: *a\n") == ["3:4 yaml.alias"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: b: c", "1:5 yaml.syntax"),
        ("a:\n\t- b", "2:1 yaml.tab"),
        ("\ta: 1", "1:1 yaml.tab"),
        ("a: 1\na: 2", "2:1 yaml.duplicate"),
        ("a: !!python/object:os.system x", "1:4 yaml.tag"),
        ("a: !custom {}", "1:4 yaml.tag"),
        ("a: !!int x", "1:4 yaml.tag"),
        ("a: !!binary eA==", "1:4 yaml.tag"),
        ("a: *b", "1:4 yaml.alias"),
        ("a: &a [*a]", "1:8 yaml.alias"),
        ("? [a]\n: b", "1:3 yaml.key"),
        ("a: &a x\n*a : b", "2:1 yaml.key"),
        ("a:\n  <<: 5", "2:3 yaml.merge"),
        ("a: .inf", "1:4 yaml.number"),
        ("a: .NaN", "1:4 yaml.number"),
        ("a: 1e999", "1:4 yaml.number"),
        ("a: " + "9" * 5000, "1:4 yaml.number"),
        ("a: {{.x}}", "1:4 yaml.expression"),
        ("- {{.x}}/y", "1:3 yaml.expression"),
        ("a: \x00", "1:4 yaml.character"),
        ("a: '\x1b[0m'", "1:5 yaml.character"),
        ("a: 'x", "1:6 yaml.syntax"),
        ("a: [1, 2", "2:1 yaml.syntax"),
        ("a: %s", "1:4 yaml.syntax"),
        ("a:\n  - b\n -c", "3:2 yaml.syntax"),
        ("[" * 65, "1:65 yaml.depth"),
        ("[" * 50_000, "1:65 yaml.depth"),
        ("a: " + "{a: " * 50_000, "1:256 yaml.depth"),
        (b"a: \xe9\n", "1:4 file.encoding"),
        (b"a: 1\nb: x\xff\n", "2:5 file.encoding"),
        ("a: 1".encode("utf-16"), "1:1 file.encoding"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text, problem):
    assert problems_of(text) == [problem]


def test_a_large_file_is_refused_unread():
    assert problems_of(b"#" * (5 * 1_048_576)) == ["0:0 file.size"]
    assert problems_of(b"#" * 1_048_576) == []


def test_an_alias_bomb_is_refused():
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    assert [each.split()[1] for each in problems_of("\n".join(lines))] == ["yaml.nodes"]


def test_aliases_have_a_budget():
    text = "a: &a x\nb: [" + ",".join(["*a"] * 101) + "]\n"
    assert [each.split()[1] for each in problems_of(text)] == ["yaml.aliases"]


def test_documents_and_nodes_have_a_budget():
    limits = Limits(size_bytes=9_999, nodes=50, depth=9, aliases=9, documents=3)
    many = yaml_reader.read("---\n" * 5, path="x.yaml", limits=limits)
    wide = yaml_reader.read("- a\n" * 60, path="x.yaml", limits=limits)
    assert [each.code for each in many.problems] == ["yaml.documents"]
    assert [each.code for each in wide.problems] == ["yaml.nodes"]


def test_all_problems_are_told_in_reading_order():
    text = "a: 1\na: 2\nb: !x 3\nc: *d\n"
    assert problems_of(text) == ["2:1 yaml.duplicate", "3:4 yaml.tag", "4:4 yaml.alias"]


def test_a_hundred_problems_are_enough():
    text = "a: 1\n" * 5_000
    assert len(problems_of(text)) == 100


def test_tabs_are_counted_and_the_way_out_is_told():
    (problem,) = yaml_reader.read("a:\n\t- b\n\t- c\nd:\n\t- e\n", path="x.yaml").problems
    assert str(problem).splitlines() == [
        "x.yaml:2:1: the line is indented with a tab, and 2 more down to line 5; YAML wants spaces"
        " [yaml.tab]",
        "  Hint: replace the tabs: expand -t 2 FILE",
    ]


def test_an_unquoted_expression_says_to_quote_it():
    (problem,) = yaml_reader.read("worker: {{.device_1}}\n", path="x.yaml").problems
    assert problem.hint == 'put the whole value in quotes: "{{ … }}"'


def test_a_byte_order_mark_is_skipped_with_a_warning():
    reading = yaml_reader.read(b"\xef\xbb\xbfa: 1\n", path="x.yaml")
    assert [each.data for each in reading.documents] == [{"a": 1}]
    assert shown(reading.problems) == ["1:1 yaml.bom"]
    assert reading.problems[0].severity is Severity.WARNING


def test_a_broken_document_hides_neither_those_before_nor_those_behind_it():
    text = "a: 1\n---\nb: [\n---\nc: 3\n---\nd: e: f\n---\nh: 1\nh: 2\n"
    reading = yaml_reader.read(text, path="x.yaml")
    assert [each.data for each in reading.documents] == [{"a": 1}, {"c": 3}, {"h": 1}]
    assert reading.documents[1].place(("c",)) == (5, 4)
    assert shown(reading.problems) == ["4:1 yaml.syntax", "7:5 yaml.syntax", "10:1 yaml.duplicate"]


def test_ten_broken_documents_are_enough():
    assert len(problems_of("a: b: c\n---\n" * 80_000)) == 10
