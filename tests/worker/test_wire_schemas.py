"""Do the published schemas say what `worker/wire.py` does?"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path

import jsonschema
import pytest

from worker import wire

FOLDER = Path(__file__).parents[2] / "schema" / "wire" / "v1"
MESSAGES = {
    "offer": wire.Offer,
    "report": wire.Report,
    "acknowledgement": wire.Acknowledgement,
    "heartbeat": wire.Heartbeat,
    "heartbeat-answer": wire.HeartbeatAnswer,
    "data-answer": wire.DataAnswer,
}
TYPES = {
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "int | None": ["integer", "null"],
    "tuple[str, ...]": "array",
}


def schema(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_every_message_has_a_schema_and_every_schema_a_message():
    assert {one.stem for one in FOLDER.iterdir()} == {*MESSAGES, "error"}


@pytest.mark.parametrize("name", [*MESSAGES, "error"])
def test_a_schema_is_draft_7_and_its_example_keeps_it(name):
    told = schema(name)
    jsonschema.Draft7Validator.check_schema(told)
    for example in told["examples"]:
        jsonschema.validate(example, told, jsonschema.Draft7Validator)


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_fields_types_and_what_is_required_are_the_messages(name, message):
    told = schema(name)
    assert list(told["properties"]) == [field.name for field in fields(message)]
    assert told["required"] == [field.name for field in fields(message) if field.default is MISSING]
    for field in fields(message):
        described = told["properties"][field.name]
        assert described["description"]
        if "enum" not in described:
            assert described["type"] == TYPES[str(field.type)], field.name


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_an_example_is_read_and_written_back_as_the_schema_says(name, message):
    told = schema(name)
    read = wire.decode(message, json.dumps(told["examples"][0]).encode())
    jsonschema.validate(json.loads(wire.encode(read)), told, jsonschema.Draft7Validator)


def test_limits_are_the_contracts():
    properties = schema("report")["properties"]
    assert properties["message"]["maxLength"] == wire.MESSAGE_LIMIT
    assert properties["log_tail"]["maxLength"] == wire.LOG_TAIL_BYTES
