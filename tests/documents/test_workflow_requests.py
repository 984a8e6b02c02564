"""A workflow request names a template and a device map; its digest names its meaning."""

from __future__ import annotations

import pytest

from tests.documents.document_reading import decode, shown

ID = "019a1b2c-3d4e-7f50-8a6b-9c0d1e2f3a4b"
REQUEST = f"""\
# a comment
id: {ID}
template: hello_world_workflow
hardware:
  device_1: 08:00:27:00:00:01
"""


def request_of(text, path="workflows/w.yaml"):
    decoded = decode(path, text)
    assert not decoded.problems, [str(each) for each in decoded.problems]
    (request,) = decoded.requests
    return request


def problems_of(text):
    return shown(decode("workflows/w.yaml", text).problems)


def test_a_request_is_read():
    request = request_of(REQUEST)
    assert (request.id, request.template) == (ID, "hello_world_workflow")
    assert request.hardware == {"device_1": "08:00:27:00:00:01"}
    assert request.source.path == "workflows/w.yaml"
    assert not request.disabled and not request.hardware_ref


def test_a_request_needs_no_id_and_no_devices():
    request = request_of("template: x\n")
    assert (request.id, request.hardware) == (None, {})


@pytest.mark.parametrize(("written", "seconds"), [("60", 60), ("60.0", 60), ("0", 0)])
def test_a_request_may_say_how_long_it_waits_for_its_start(written, seconds):
    assert request_of(f"template: x\nstart_timeout: {written}\n").start_timeout_seconds == seconds
    assert request_of("template: x\n").start_timeout_seconds is None


def test_a_device_map_may_hold_anything():
    text = "template: x\nhardware: {a: 1, b: [true, null], c: {d: 1.5}}\n"
    assert request_of(text).hardware == {"a": 1, "b": [True, None], "c": {"d": 1.5}}


@pytest.mark.parametrize(
    "other",
    [
        f"hardware: {{device_1: '08:00:27:00:00:01'}}\ntemplate: hello_world_workflow\nid: {ID}\n",
        REQUEST.replace("# a comment\n", ""),
        REQUEST.replace(ID, ID.upper()),
        f'{{"id": "{ID}", "template": "hello_world_workflow",'
        ' "hardware": {"device_1": "08:00:27:00:00:01"}}',
    ],
)
def test_layout_and_comments_do_not_change_the_digest(other):
    assert request_of(other).digest == request_of(REQUEST).digest


@pytest.mark.parametrize(
    "other",
    [
        REQUEST.replace("00:01", "00:02"),
        REQUEST.replace("hello", "other"),
        REQUEST.replace(ID, "019a1b2c-3d4e-7f50-8a6b-9c0d1e2f3a4c"),
        REQUEST.replace(f"id: {ID}\n", ""),
        REQUEST + "  more: x\n",
        REQUEST + "start_timeout: 60\n",
        REQUEST + "start_timeout: 0\n",
    ],
)
def test_another_meaning_is_another_digest(other):
    assert request_of(other).digest != request_of(REQUEST).digest


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("hardware: {}\n", ["1:1 schema.required"]),
        ("templte: x\n", ["1:1 schema.unknown"]),
        ("template: x\nhardwre: {}\n", ["2:1 schema.unknown"]),
        ("template: ''\n", ["1:11 schema.length"]),
        ("template: 2004\n", ["1:11 schema.type"]),
        ("template: x\nhardware:\n", ["2:10 schema.type"]),
        ("template: x\nhardware: [a]\n", ["2:11 schema.type"]),
        ("template: x\nid: 5\n", ["2:5 schema.type"]),
        ("template: x\nid: nope\n", ["2:5 workflow.id"]),
        ("template: {{.x}}\n", ["1:11 yaml.expression"]),
        ("template: x\nstart_timeout: 60s\n", ["2:16 schema.type"]),
        ("template: x\nstart_timeout: -1\n", ["2:16 schema.value"]),
        ("", ["0:0 file.empty"]),
        ("template: a\n---\ntemplate: b\n", ["3:1 file.documents"]),
    ],
)
def test_a_mistake_is_told_at_its_place(text, problems):
    assert problems_of(text) == problems
    assert text.startswith("template: a") or not decode("workflows/w.yaml", text).requests


def test_a_misspelt_field_gets_a_suggestion():
    (problem,) = decode("workflows/w.yaml", "templte: x\n").problems
    assert problem.hint == "did you mean 'template'?"
