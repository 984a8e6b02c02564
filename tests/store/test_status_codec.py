"""Files of the status branch: the same value, the same bytes, and back; as their schemas say."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner import resources
from provisioner.model import state_machine
from provisioner.model.event import (
    ActionReported,
    ActionTimedOut,
    RequestMoved,
    WorkflowDeleted,
    WorkflowEvent,
    WorkflowTimedOut,
)
from provisioner.model.ids import BlobId, ReportId
from provisioner.model.problem import InvalidInput, Problem, Severity
from provisioner.model.state import State
from provisioner.model.views import ReconcileReport
from provisioner.model.workflow import DEFAULT_MAX_ATTEMPTS, Action, WorkflowRecord
from provisioner.store.status import codec, json_lines, record_codec
from tests import builders

TEXT = st.text(max_size=40)  # lone surrogates too: JSON from a worker can hold them


def validate(content: bytes, schema: str) -> None:
    rules = json.loads(resources.schema_text(f"status/v1/{schema}.json"))
    jsonschema.Draft7Validator.check_schema(rules)
    jsonschema.Draft7Validator(rules).validate(json.loads(content))


def rich_record() -> WorkflowRecord:
    action = replace(
        builders.action(0),
        command=("sh", "-c", "echo größe"),
        environment=(("A", "1"), ("B", "")),
        volumes=("/dev:/dev",),
        on_timeout=("x",),
        on_failure=("y",),
        pid="host",
    )
    return builders.record(
        actions=(action,), device_map={"z": "1", "a": ["x"]}, hardware={builders.ONE: {"id": "x"}}
    )


RECORD_ID = BlobId("d" * 40)
COMMA = ",\n"


def as_json(value: object, *, ascii: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii, sort_keys=True)


def all_events() -> tuple[WorkflowEvent, ...]:
    """One of each kind, in an order that could happen."""
    about: dict[str, Any] = {"workflow_id": builders.WORKFLOW, "at": builders.AT}
    return (
        builders.report(0, State.RUNNING),
        builders.push(0, 1),
        RequestMoved(desired_commit=builders.COMMIT, request_path="workflows/ü.yaml", **about),
        builders.report(0, State.FAILED, exit_code=0, message="weg\n", seconds=3),
        ActionTimedOut(
            worker_id=builders.ONE,
            task_name="install",
            action_name="action_0",
            action_index=0,
            attempt=1,
            seconds=60,
            message="silent",
            **about,
        ),
        WorkflowTimedOut(seconds=600, message="too long", **about),
        WorkflowDeleted(desired_commit=builders.COMMIT, message="deleted", **about),
    )


def encode(events: tuple[WorkflowEvent, ...]) -> bytes:
    begun = state_machine.begin(builders.WORKFLOW, 1)
    context = state_machine.replay(begun, events)
    lines = map(codec.encode_event, events)
    return codec.encode_status(context, lines, RECORD_ID)


def test_a_record_comes_back_as_it_was():
    record = rich_record()
    content = record_codec.encode_record(record)
    assert record_codec.decode_record(content, "x") == record
    assert record_codec.encode_record(record_codec.decode_record(content, "x")) == content
    validate(content, "record")


def test_what_was_added_later_is_written_only_where_it_says_something():
    plain = json.loads(record_codec.encode_record(builders.record()))
    assert "start_timeout_seconds" not in plain
    assert "max_attempts" not in plain["actions"][0]
    said = builders.record(start_timeout_seconds=60, actions=(builders.action(0, max_attempts=1),))
    content = record_codec.encode_record(said)
    assert record_codec.decode_record(content, "x") == said
    assert record_codec.is_as_written(content, "x")
    validate(content, "record")


@pytest.mark.parametrize(
    ("of_record", "of_action"), [({"start_timeout_seconds": 0}, {}), ({}, {"max_attempts": 5})]
)
def test_a_record_that_says_what_it_means_anyway_is_not_as_we_write_it(of_record, of_action):
    raw = json.loads(record_codec.encode_record(builders.record()))
    raw["actions"][0].update(of_action)
    with pytest.raises(InvalidInput, match="holds what it means"):
        record_codec.is_as_written(json.dumps({**raw, **of_record}).encode(), "x")


def test_the_order_of_a_mapping_does_not_change_the_bytes():
    one = builders.record(device_map={"a": "1", "b": "2"})
    other = builders.record(device_map={"b": "2", "a": "1"})
    assert record_codec.encode_record(one) == record_codec.encode_record(other)


ODD = st.one_of(
    TEXT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.lists(TEXT, max_size=2).map(tuple),
    st.lists(st.tuples(TEXT, TEXT) | TEXT, max_size=2).map(tuple),
    st.dictionaries(TEXT, TEXT, max_size=2),
)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={each.name: ODD for each in fields(Action)}), TEXT)
def test_a_record_is_json_as_python_writes_it_one_key_a_line(changes, name):
    """Also one that somebody edited, with values of other types."""
    record = builders.record(actions=(replace(builders.action(3), **changes),), name=name)
    raw = {each.name: getattr(record, each.name) for each in fields(record)}
    raw["actions"] = list(map(asdict, record.actions))
    raw["workers"] = list(map(asdict, record.workers))
    raw = {key: value for key, value in raw.items() if key != "arrival" or value is not None}
    # Added later: left out, as in older records.
    assert raw.pop("start_timeout_seconds") == 0
    assert raw.pop("installs_os") is None
    assert raw.pop("allows_netboot") is False
    added = (("max_attempts", DEFAULT_MAX_ATTEMPTS), ("background", False), ("network", ""))
    for name, default in added:
        if raw["actions"][0][name] == default:
            del raw["actions"][0][name]
    try:
        lines = [f'"{key}": {as_json(value)}' for key, value in raw.items()]
        content = f"{{\n{COMMA.join(lines)}\n}}\n".encode()
    except UnicodeEncodeError:
        lines = [f'"{key}": {as_json(value, ascii=True)}' for key, value in raw.items()]
        content = f"{{\n{COMMA.join(lines)}\n}}\n".encode()
    assert record_codec.encode_record(record) == content


@pytest.mark.parametrize("count", range(8))
def test_a_status_file_comes_back_as_it_was(count):
    record, events = builders.record(), all_events()[:count]
    content = encode(events)
    found = codec.decode_status(content, record, "x", RECORD_ID)
    assert found.events == events
    assert found.context == state_machine.replay(
        state_machine.begin(record.id, len(record.actions)), events
    )
    validate(content, "status")


def test_a_status_file_is_of_one_record_and_of_no_other():
    plain, counted = builders.record(), builders.record(arrival=1)
    begun = state_machine.begin(builders.WORKFLOW, 1)
    named = codec.encode_status(begun, (), RECORD_ID)
    unnamed = codec.encode_status(begun, ())
    assert codec.decode_status(named, plain, "x", RECORD_ID).record_id == RECORD_ID
    # As version 1 wrote it; its records have no arrival.
    assert codec.decode_status(unnamed, plain, "x", RECORD_ID).record_id == RECORD_ID
    for content, record, found in ((named, plain, BlobId("e" * 40)), (unnamed, counted, RECORD_ID)):
        with pytest.raises(InvalidInput, match=r"is of record .* \[status\.record\]"):
            codec.decode_status(content, record, "x", found)


def test_each_event_is_one_line():
    content = encode(all_events())
    assert content.decode().count('\n{"kind": ') == len(all_events())


@settings(max_examples=100, deadline=None)
@given(TEXT, TEXT, st.integers(-255, 255))
def test_whatever_a_worker_says_comes_back(message, name, exit_code):
    event = builders.report(
        0, State.RUNNING, message=message, action_name=name, exit_code=exit_code
    )
    content = encode((event,))
    content.decode()
    found = codec.decode_status(content, builders.record(), "x", RECORD_ID)
    assert found.events == (event,)


def test_a_state_that_the_events_do_not_lead_to_is_refused():
    content = encode(all_events()[:1])
    for old, new in (
        (b'"state": "STATE_RUNNING"', b'"state": "STATE_SUCCESS"'),
        (b'"attempt": 1, "started_at"', b'"attempt": 2, "started_at"'),
        (b'"event_count": 1', b'"event_count": 2'),
    ):
        assert old in content
        with pytest.raises(InvalidInput, match="not what its events lead to"):
            codec.decode_status(content.replace(old, new), builders.record(), "x")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"events": [{"kind": "no"}]}'])
def test_what_is_no_status_file_is_refused_with_its_path(content):
    with pytest.raises(InvalidInput, match=r"status/x\.json: is not a status file"):
        codec.decode_status(content, builders.record(), "status/x.json")
    with pytest.raises(InvalidInput, match="is not a workflow record"):
        record_codec.decode_record(content, "x")


def test_a_newer_format_is_refused_and_not_guessed():
    assert codec.read_format(codec.encode_format()) == 3
    validate(codec.encode_format(), "format")
    for older in (1, 2):
        assert codec.read_format(codec.encode_format(older)) == older
    with pytest.raises(InvalidInput, match="has format 4, this program knows 3"):
        codec.read_format(codec.encode_format(4))
    for content in (None, b"", b"{}", b"[1]"):
        with pytest.raises(InvalidInput, match="is not the format file"):
            codec.read_format(content)


def test_a_reconcile_report_comes_back_sorted():
    problems = (
        Problem(path="b", code="x", message="m", severity=Severity.WARNING),
        Problem(path="a", line=4, column=11, code="mac.format", message="'zz'", hint="write"),
    )
    report = ReconcileReport(
        desired_commit=builders.COMMIT,
        at=builders.AT,
        problems=problems,
        in_force=(("b", BlobId("b" * 40)), ("a", BlobId("a" * 40))),
    )
    content = codec.encode_reconcile(report)
    found = codec.decode_reconcile(content)
    assert found.problems == tuple(sorted(problems))
    assert found.problems[0].hint == "write"
    assert found.in_force == tuple(sorted(report.in_force))
    assert codec.encode_reconcile(found) == content
    validate(content, "reconcile")
    validate(codec.encode_reconcile(ReconcileReport()), "reconcile")


def test_one_value_is_read_without_the_rest():
    content = record_codec.encode_record(builders.record())
    assert json_lines.line_of(content, "request_path") == builders.record().request_path
    with pytest.raises(InvalidInput):
        json_lines.line_of(content, "nothing")


def test_logs_and_files_of_data_are_not_in_the_events():
    event = replace(builders.report(0, State.RUNNING), log_tail=b"long", report_id=ReportId("r"))
    line = codec.encode_event(event)
    assert b"long" not in line and b"log_tail" not in line
    assert isinstance(codec.decode_event(json.loads(line), event.workflow_id), ActionReported)


@given(name=TEXT, task=TEXT)
@settings(max_examples=100, deadline=None)
def test_the_context_is_json_as_python_writes_it(name, task):
    told = replace(builders.report(0, State.RUNNING), action_name=name, task_name=task)
    for events in ((), (told,), (told, *all_events())):
        context = state_machine.replay(state_machine.begin(builders.WORKFLOW, 3), events)
        content = codec.encode_status(context, ())
        line = content.partition(b'"context": ')[2].partition(b",\n")[0]
        is_ascii = any("\ud800" <= each <= "\udfff" for each in f"{name}{task}") and events
        plain = json.dumps(json.loads(line), ensure_ascii=bool(is_ascii))
        assert line == plain.encode()
        known = {"total_number_of_actions": 3, "event_count": len(events)}
        assert known.items() <= json.loads(line).items()
        if len(events) == 1:
            assert json.loads(line).get("current_action", "") == name


@settings(deadline=None)
@given(
    TEXT,
    TEXT,
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.sampled_from(sorted(State)),
)
def test_a_report_that_is_spelt_out_is_what_the_encoder_writes(name, message, code, seconds, state):
    told = builders.report(
        3, state, action_name=name, message=message, exit_code=code, seconds=seconds
    )
    empty = {"seconds": 0, "message": "", "exit_code": None}
    values = {each.name: getattr(told, each.name) for each in fields(told)}
    raw = {"kind": "action_reported"} | {
        name: value
        for name, value in values.items()
        if name not in ("workflow_id", "log_tail") and (name not in empty or value != empty[name])
    }
    text = json.dumps(raw, ensure_ascii=False)
    try:
        expected = text.encode()
    except UnicodeEncodeError:
        expected = json.dumps(raw).encode()
    assert codec.encode_event(told) == expected
