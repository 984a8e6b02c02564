"""The schemas are right, say enough for an editor, and travel with the program."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator

from provisioner import resources
from tests.documents.document_reading import decode

SCHEMAS = sorted(
    path.relative_to(resources.schema_folder()).as_posix()
    for path in (resources.schema_folder() / "v1").rglob("*.json")
)
FOLDERS = {"hardware": "hardware", "template": "templates", "workflow": "workflows"}


def load(name):
    return json.loads(resources.schema_text(name))


def parts_of(schema, where=""):
    yield where, schema
    for name, part in schema.get("properties", {}).items():
        yield from parts_of(part, f"{where}.{name}")
    if "items" in schema:
        yield from parts_of(schema["items"], f"{where}[]")


def test_there_is_a_schema_for_each_kind_of_both_eras():
    kinds = ("hardware", "template", "workflow")
    expected = [f"v1/{kind}.json" for kind in kinds]
    assert sorted(expected + [f"v1/kubernetes/{kind}.json" for kind in kinds]) == SCHEMAS


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_draft_7_schema_with_title_description_and_examples(name):
    schema = load(name)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["$id"].endswith(name)
    assert schema["title"] and schema["description"] and schema["examples"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_has_a_description(name):
    bare = [
        where
        for where, part in parts_of(load(name))
        if not part.get("description") and not where.endswith("[]")
    ]
    assert not bare


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_schema_refers_to_anything_outside(name):
    assert "$ref" not in resources.schema_text(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_validates_and_decodes(name):
    schema = load(name)
    validator = Draft7Validator(schema)
    kind = name.rpartition("/")[2].removesuffix(".json")
    for example in schema["examples"]:
        validator.validate(example)
        decoded = decode(f"{FOLDERS[kind]}/x.json", json.dumps(example))
        assert not decoded.problems
        assert decoded.hardware or decoded.templates or decoded.requests


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_example_of_every_field_validates(name):
    for where, part in parts_of(load(name)):
        for example in part.get("examples", ()):
            assert Draft7Validator(part).is_valid(example), where
