"""What the quick look accepts, jsonschema accepts as well."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from provisioner import resources
from provisioner.documents.schema_accept import compile_schema

SCHEMAS = sorted(
    path.relative_to(resources.schema_folder()).as_posix()
    for path in (resources.schema_folder() / "v1").rglob("*.json")
)
VALUES = st.sampled_from(
    (None, True, 0, -1, 2.0, 1.5, float("nan"), 2**70, "", "x", "yes", "a\n", "x" * 300, [], {})
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ("string", "integer", "number", "boolean", "null", "array", "object")
        ),
        "enum": st.sampled_from((["x"], [1, "yes"], [True], [0.1, "a"])),
        "pattern": st.sampled_from(("^x", "a$", "\\A[a-z]*\\Z")),
        "minimum": st.sampled_from((0, 1.5)),
        "maximum": st.sampled_from((0, 1.5)),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "title": st.just("a title"),
        "multipleOf": st.just(2),  # one that the quick look does not know
    },
)


def nested(inner):
    parts = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(("array", "object", ["object", "string"])),
            "properties": parts,
            "additionalProperties": st.booleans() | inner,
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "items": inner,
        },
    )


def documents(inner):
    return st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)


@settings(deadline=None)
@given(st.recursive(RULES, nested, max_leaves=6), st.recursive(VALUES, documents, max_leaves=6))
def test_a_yes_is_a_yes_of_jsonschema_too(schema, value):
    if compile_schema(schema)(value):
        assert Draft7Validator(schema).is_valid(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_accepted_at_once(name):
    schema = json.loads(resources.schema_text(name))
    accepts = compile_schema(schema)
    assert all(map(accepts, schema["examples"]))


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_field_of_an_example_may_be_anything(name):
    schema = json.loads(resources.schema_text(name))
    accepts, validator = compile_schema(schema), Draft7Validator(schema)
    for example in schema["examples"]:
        for changed in changes_of(example):
            assert validator.is_valid(changed) or not accepts(changed), changed


def changes_of(example):
    """The example with each of its parts replaced by something else, or left out."""
    for path in list(paths_of(example)):
        for other in (None, True, -1, 2.0, "", "x\n", "y" * 1000, [], [3], {}, {"zz": 1}):
            changed = copy.deepcopy(example)
            parent_of(changed, path)[path[-1]] = other
            yield changed
        changed = copy.deepcopy(example)
        del parent_of(changed, path)[path[-1]]
        yield changed


def paths_of(value, above=()):
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for step, part in parts:
        yield (*above, step)
        if isinstance(part, (dict, list)):
            yield from paths_of(part, (*above, step))


def parent_of(value, path):
    for step in path[:-1]:
        value = value[step]
    return value
