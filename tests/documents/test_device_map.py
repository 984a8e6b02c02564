"""The device map of `-r`: what it says, and classic tink's words for what is wrong."""

from __future__ import annotations

import pytest

from provisioner.documents.device_map import parse_device_map
from provisioner.model.problem import InvalidInput


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ('{"device_1":"08:00:27:00:00:01"}', {"device_1": "08:00:27:00:00:01"}),
        ('{"a": {"b": [1, 2.5, true, null]}}', {"a": {"b": [1, 2.5, True, None]}}),
        ("{}", {}),
        ("null", {}),
        (' \n{"a": "\\ud83d\\ude00"}\n', {"a": "\U0001f600"}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
    ],
)
def test_a_device_map_is_read(text, devices):
    assert parse_device_map(text) == devices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ("  ", "unexpected end of JSON input"),
        ('{"a": 1', "unexpected end of JSON input"),
        ("device_1", "invalid character 'd' looking for beginning of value"),
        ("{'a': 1}", "invalid character '\\'' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1 "b": 2}', "invalid character '\"' after object key:value pair"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ('"x"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ("5", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
        ("true", "json: cannot unmarshal bool into Go value of type map[string]interface {}"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "invalid json: NaN is no JSON"),
        ('{"a": 1e999}', "invalid json: the number 1e999 is too large"),
        ('{"a": ' + "9" * 500 + "}", "invalid json: a number has 500 digits"),
        ("[" * 100_000, "invalid json: it is nested too deeply"),
        ('{"a":' * 65 + "1" + "}" * 65, "invalid json: more than 64 levels are nested"),
        ('{"a": "' + "x" * 300_000 + '"}', "the device map has more than 262,144 bytes"),
    ],
)
def test_what_is_no_device_map_is_refused_in_classic_words(text, message):
    with pytest.raises(InvalidInput) as caught:
        parse_device_map(text)
    (problem,) = caught.value.problems
    assert problem.message == message
    assert "device_1" in problem.hint


def test_the_place_of_a_mistake_is_told():
    with pytest.raises(InvalidInput) as caught:
        parse_device_map('{\n  "a": x\n}')
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 8)
