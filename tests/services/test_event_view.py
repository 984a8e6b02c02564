"""One shape of an event for the command line and for HTTP, described by one schema."""

from __future__ import annotations

import json

import jsonschema
import pytest

from provisioner import resources
from provisioner.model import state_machine
from provisioner.model.event import (
    ActionTimedOut,
    MachinePhonedHome,
    RequestMoved,
    WorkflowDeleted,
    WorkflowTimedOut,
)
from provisioner.model.state import State
from provisioner.model.views import LiveWorkflow
from provisioner.services import event_view
from provisioner.store.status import codec
from tests.builders import AT, COMMIT, ONE, WORKFLOW, push, record, report

SCHEMA = json.loads(resources.schema_text("read/v1/event.json"))
EVENTS = (
    report(0, State.FAILED, exit_code=3, message="no disk", log_tail=b"end"),
    push(0),
    ActionTimedOut(
        workflow_id=WORKFLOW, at=AT, worker_id=ONE, task_name="install", action_name="action_0",
        action_index=0, attempt=1, seconds=60, message="silent",
    ),
    WorkflowTimedOut(workflow_id=WORKFLOW, at=AT, seconds=600, message="late"),
    WorkflowDeleted(workflow_id=WORKFLOW, at=AT, desired_commit=COMMIT, message="gone"),
    RequestMoved(workflow_id=WORKFLOW, at=AT, desired_commit=COMMIT, request_path="z.yaml"),
    MachinePhonedHome(workflow_id=WORKFLOW, at=AT, worker_id=ONE),
)  # fmt: skip


def shown(*events):
    begun = state_machine.begin(WORKFLOW, 2)
    entry = LiveWorkflow(id=WORKFLOW, record=record(), context=begun, events=events)
    return list(event_view.events_of(entry))


def test_every_kind_of_event_is_tried_here_and_named_by_the_schema():
    assert {type(each) for each in EVENTS} == {*codec.EVENT_KINDS.values()}
    assert SCHEMA["properties"]["kind"]["enum"] == [*codec.EVENT_KINDS]


@pytest.mark.parametrize("event", EVENTS, ids=codec.kind_of)
def test_an_event_is_as_the_schema_says(event):
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    [one] = shown(event)
    checker = jsonschema.Draft7Validator.FORMAT_CHECKER
    jsonschema.Draft7Validator(SCHEMA, format_checker=checker).validate(json.loads(json.dumps(one)))


@pytest.mark.parametrize("event", EVENTS, ids=codec.kind_of)
def test_a_field_that_holds_its_default_is_there_too(event):
    [rule] = [
        each
        for each in SCHEMA["oneOf"]
        if each["properties"]["kind"]["const"] == codec.kind_of(event)
    ]
    assert {*shown(event)[0]} == {*rule["required"]}


def test_events_are_numbered_in_their_order():
    assert [(each["number"], each["kind"]) for each in shown(*EVENTS[:2])] == [
        (1, "action_reported"),
        (2, "data_pushed"),
    ]


def test_the_example_of_the_schema_keeps_it():
    for example in SCHEMA["examples"]:
        jsonschema.validate(example, SCHEMA, jsonschema.Draft7Validator)
