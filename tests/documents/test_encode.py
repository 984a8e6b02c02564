"""What is written as YAML reads back the same, by our reader and by others."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.documents.encode import encode_hardware, encode_request, encode_yaml
from tests.documents.document_reading import data_of, decode

ID = "019a1b2c-3d4e-7f50-8a6b-9c0d1e2f3a4b"


def test_a_request_reads_well():
    text = encode_request(ID, "hello_world", {"device_1": "08:00:27:00:00:01", "image": "a:1"})
    assert text == (
        "# yaml-language-server: $schema=../.schema/v1/workflow.json\n"
        f"id: {ID}\n"
        "template: hello_world\n"
        "hardware:\n"
        '  device_1: "08:00:27:00:00:01"\n'
        "  image: a:1\n"
    )


def test_a_request_reads_back():
    devices = {"device_1": "08:00:27:00:00:01", "n": 1.5, "deep": {"a": [1, None, {"b": []}]}}
    decoded = decode("workflows/x.yaml", encode_request(ID, "no", devices))
    assert not decoded.problems
    (request,) = decoded.requests
    assert (request.id, request.template, request.hardware) == (ID, "no", devices)


@pytest.mark.parametrize("seconds", [None, 0, 600])
def test_a_start_timeout_reads_back(seconds):
    decoded = decode("workflows/x.yaml", encode_request(ID, "no", {}, start_timeout=seconds))
    assert decoded.requests[0].start_timeout_seconds == seconds


def test_the_schema_is_named_from_where_the_file_stands():
    text = encode_request(ID, "x", {}, path="workflows/2026/11/x.yaml")
    assert text.startswith("# yaml-language-server: $schema=../../../.schema/v1/workflow.json\n")


def test_hardware_is_written_id_first():
    document = {"metadata": {}, "network": {"interfaces": []}, "id": ID}
    text = encode_hardware(document)
    assert text.splitlines()[1:] == [f"id: {ID}", "network:", "  interfaces: []", "metadata: {}"]
    assert decode("hardware/x.yaml", text).hardware[0].document == document


def test_a_text_of_several_lines_is_a_block():
    assert encode_yaml({"a": ["x\ny\n"], "b": "x\n\ny"}) == (
        "a:\n  - |\n    x\n    y\nb: |-\n  x\n\n  y\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "yes", "No", "on", "null", "~", "", " ", "1", "1.5", "0x10", "1e3", "12:30:45", "017",
        "2026-11-23", "52:54:00:12:34:56", "a: b", "a #b", "#a", "- a", "-", "?", "[a]", "{a}",
        "*a", "&a", "!a", "%a", "@a", "`a", "a\n", "\na", "a\n\n", " a\nb", "a\tb", "\ta\nb",
        "é", "\U0001f600", "\x00", "\x1b[0m", "\x85", "\u2028", "\ufeff", "'", '"', "\\", "a\\nb",
        "key:", "<<", "=", ".inf", ".nan", "+1", "0o7", "1_000", "y", "true ", "a\r\nb", "---",
        "...", "a\n---\nb", "a \nb ", "\x7f",
    ],
)  # fmt: skip
def test_a_difficult_text_reads_back_in_yaml_1_1_and_1_2(text):
    written = encode_yaml({"k": text, text: ["v", text]})
    assert data_of(written) == {"k": text, text: ["v", text]}
    assert yaml.safe_load(written) == {"k": text, text: ["v", text]}


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=20,
)


@given(_JSON)
def test_any_data_reads_back(data):
    back = data_of(encode_yaml(data))
    assert back == data
    assert repr(back) == repr(data)
