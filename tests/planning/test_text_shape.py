"""A text that is read by its shape says what it says when it is read in full."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any, get_args, get_type_hints

import pytest

from provisioner.documents import workflow_text
from provisioner.documents.workflow_text import ParsedAction, ParsedTask, ParsedWorkflow
from provisioner.model.ids import HardwareId
from provisioner.model.workflow import Action
from provisioner.planning import text_shape
from provisioner.planning.template_cache import TemplateCache
from tests.builders import ONE, TWO, template

EVERYWHERE = """\
version: "0.1"
name: everywhere
global_timeout: 900
start_timeout: 300
tasks:
  - name: first
    worker: {{.one}}
    environment:
      SERVER: {{.two}}
      BOTH: "{{.one}} {{.two}}"
    actions:
      - name: plain
        image: alpine
      - name: told
        image: alpine
        command: [ping, "{{.two}}", "http://{{.two}}/x"]
        on-timeout: ["{{.one}}"]
        on-failure: ["say", "{{.one}}"]
        timeout: 7
        pid: host
        namespaces: {network: host}
        volumes: ["/dev:/dev"]
        max_attempts: 9
        background: true
        environment:
          SERVER: fixed
          URL: "http://{{.two}}/{{.other}}"
  - name: second
    worker: "{{.two}}"
    actions:
      - name: plain
        image: alpine
        pid: host
        volumes: ["/dev:/dev"]
"""
DEVICES = (
    {"one": "02:00:00:00:00:01", "two": "10.0.0.1", "other": "x"},
    {"one": "02:00:00:00:00:02", "two": "10.0.0.2", "other": "x"},
    {"one": "10.0.0.3", "two": "AA:00:00:00:00:03", "other": "x"},
    {"one": "10.0.0.4", "two": "10.0.0.4", "other": "x"},
    {"one": "10.0.0.5", "two": "10.0.0.55", "other": "10.0.0.5"},
    {"one": "240.255.254.0", "two": "10.0.0.6", "other": "a stand-in's own address"},
    {"one": "02:ff:ff:ff:fe:01", "two": "02:ff:ff:ff:fe:00", "other": "x"},
    {"one": "no address", "two": "10.0.0.7", "other": "x: y"},
    {"one": "10.0.0.8", "two": "10.0.0.9", "other": "10.0.0.810.0.0.8"},
)


@pytest.mark.parametrize("first", DEVICES)
@pytest.mark.parametrize("then", DEVICES)
def test_what_a_text_says_does_not_depend_on_those_that_were_read_before(first, then):
    cache = TemplateCache()
    for devices in (first, then):
        made = cache.make(template(EVERYWHERE), devices)
        parsed = workflow_text.parse_workflow(made.text, path="x")
        assert made.actions_for((ONE, TWO)) == parsed.actions_for((ONE, TWO))
        assert [each.worker for each in made.tasks] == [each.worker for each in parsed.tasks]
        assert (made.name, made.global_timeout_seconds) == ("everywhere", 900)
        assert made.start_timeout_seconds == parsed.start_timeout_seconds == 300


def test_a_text_that_is_read_by_its_shape_loses_no_field_of_an_action():
    cache = TemplateCache()
    for devices in DEVICES[:2]:
        made = cache.make(template(EVERYWHERE), devices)
    told = made.actions_for((ONE, TWO))[1]
    plain = Action(index=0, task_name="", name="", worker_id=HardwareId(""), worker="", image="")
    same = [
        each.name
        for each in fields(Action)
        if getattr(told, each.name) == getattr(plain, each.name)
    ]
    assert same == [], "a new field: fill it in EVERYWHERE, text_shape and workflow_text"


def test_texts_that_differ_in_addresses_have_one_outline():
    outlines = {
        text_shape.outline_of(f'worker: "{mac}"\nurl: http://{mac}/', {"device_1": mac}).text
        for mac in ("02:00:00:00:00:01", "02:00:00:00:00:02")
    }
    assert len(outlines) == 1


@pytest.mark.parametrize(
    "text", ["x10.0.0.1", "10.0.0.1:80", "10.0.0.110.0.0.1", "é10.0.0.1", "10.0.0.1%eth0"]
)
def test_an_address_that_is_a_part_of_something_has_no_stand_in(text):
    assert text_shape.outline_of(f"url: {text}", {"device_1": "10.0.0.1"}) is None


STAND_IN, ADDRESS = "240.255.254.0", "10.0.0.1"


def texts_of(kind: type) -> list[tuple[type, str, Any]]:
    """Each field that holds texts, and a value of it that holds a stand-in at each place."""
    found: list[tuple[type, str, Any]] = []
    for name, hint in get_type_hints(kind).items():
        inner = get_args(hint)[0] if get_args(hint) else None
        if hint is str:
            found.append((kind, name, STAND_IN))
        elif inner is str:
            found.append((kind, name, ("x", STAND_IN)))
        elif inner is not None and get_args(inner) == (str, str):
            found += [(kind, name, ((STAND_IN, "x"),)), (kind, name, (("x", STAND_IN),))]
    return found


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [case for kind in (ParsedAction, ParsedTask, ParsedWorkflow) for case in texts_of(kind)],
)
def test_no_field_of_a_text_that_is_read_by_its_shape_keeps_a_stand_in(kind, name, value):
    action = ParsedAction(name="a", image="i")
    task = ParsedTask(name="t", worker="w", actions=(action,), line=1, column=1)
    if kind is not ParsedWorkflow:
        if kind is ParsedAction:
            name, value = "actions", (replace(action, **{name: value}),)
        task = replace(task, **{name: value})
    parsed = ParsedWorkflow(
        version="0.1", name="n", global_timeout_seconds=0, start_timeout_seconds=0, tasks=(task,)
    )
    if kind is ParsedWorkflow:
        parsed = replace(parsed, **{name: value})
    shape = text_shape.shape_of(parsed, [STAND_IN])
    if shape is None:
        return  # such a text is read in full
    made = shape.made("", {STAND_IN: ADDRESS})
    told = f"{asdict(made.actions_for((ONE,))[0])} {made.name} {made.tasks}"
    assert STAND_IN not in told, f"name {name} in text_shape's _texts or _texts_of_a_kind"
    assert ADDRESS in told
