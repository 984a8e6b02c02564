"""Classic tink's read API, and the probes."""

from __future__ import annotations

import json

import jsonschema
import pytest

from provisioner import resources
from provisioner.model.event import (
    ActionTimedOut,
    RequestMoved,
    WorkflowDeleted,
    WorkflowTimedOut,
)
from provisioner.model.state import State
from provisioner.services.conditions import Condition
from tests.builders import COMMIT, HELLO, MACS, ONE, TWO, push, report, template
from tests.services.parts import FIRST, SECOND


def lines(answer):
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.data.splitlines()]


def test_lists_are_one_json_object_a_line(client):
    assert [each["id"] for each in lines(client.get("/v1/hardware"))] == [ONE, TWO]
    [told] = lines(client.get("/v1/templates"))
    assert (told["id"], told["name"]) == (template().id, "hello_world_workflow")
    workflows = lines(client.get("/v1/workflows"))
    assert [each["id"] for each in workflows] == [FIRST, SECOND]
    assert workflows[0]["template"] == template().id
    assert json.loads(workflows[0]["hardware"]) == {"device_1": MACS[ONE]}
    assert workflows[0]["state"] == "STATE_PENDING"


@pytest.mark.parametrize(
    ("pattern", "count"), [("hello*", 1), ("HELLO*", 1), ("x*", 0), ("*world*", 1), ("[h]ello*", 0)]
)
def test_templates_are_filtered_by_a_pattern(client, pattern, count):
    assert len(lines(client.get("/v1/templates", query_string={"name": pattern}))) == count


def test_hardware_is_found_by_id_mac_and_ip(client):
    assert client.get(f"/v1/hardware/{ONE}").json["id"] == ONE
    assert client.post("/v1/hardware/mac", json={"mac": "08-00-27-00-00-02"}).json["id"] == TWO
    assert client.post("/v1/hardware/ip", json={"ip": "192.168.1.5"}).json["id"] == ONE


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/hardware/mac", {"mac": "52:54:00:ff:ff:ff"}, 404),
        ("/v1/hardware/mac", {"mac": "x"}, 400),
        ("/v1/hardware/mac", {"ip": "x"}, 400),
        ("/v1/hardware/mac", [], 400),
        ("/v1/hardware/ip", {"ip": 5}, 400),
        ("/v1/hardware/ip", {"ip": "x" * 5_000}, 413),
    ],
)
def test_a_look_up_that_finds_nothing_says_so(client, path, body, status):
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert answer.json["error"]["message"]


def test_a_template_is_its_text_by_id_or_name(client):
    for path in (template().id, "hello_world_workflow", "name/hello_world_workflow"):
        assert client.get(f"/v1/templates/{path}").data.decode() == HELLO


def test_a_workflow_is_its_rendered_text(client):
    answer = client.get(f"/v1/workflows/{FIRST}")
    assert answer.data.decode() == HELLO
    assert answer.content_type == "application/yaml"


def test_the_state_tells_all_fields_with_states_by_name(client, inside):
    inside.apply(report(0, State.RUNNING, workflow=FIRST))
    told = client.get(f"/v1/workflows/{FIRST}/state").json
    assert told["current_action_state"] == told["state"] == "STATE_RUNNING"
    assert told["current_worker"] == ONE
    assert told["progress_percent"] == 0
    assert told["total_number_of_actions"] == 2
    waiting = client.get(f"/v1/workflows/{SECOND}/state").json
    assert waiting["current_worker"] == ""
    assert f"busy with workflow {FIRST}" in waiting["waiting_reason"]


def test_events_tell_everything_that_happened(client, inside):
    events = [
        report(0, State.RUNNING, workflow=FIRST, message="Started execution"),
        push(0, workflow=FIRST),
        RequestMoved(workflow_id=FIRST, at="", desired_commit=COMMIT, request_path="z.yaml"),
        ActionTimedOut(
            workflow_id=FIRST, at="", worker_id=ONE, task_name="install", action_name="action_0",
            action_index=0, attempt=1, seconds=60, message="silent",
        ),
        WorkflowTimedOut(workflow_id=SECOND, at="", seconds=600, message="late"),
        WorkflowDeleted(workflow_id=SECOND, at="", desired_commit=COMMIT, message="gone"),
    ]  # fmt: skip
    inside.apply(*events)
    first = lines(client.get(f"/v1/workflows/{FIRST}/events"))
    assert [each["kind"] for each in first] == [
        "action_reported",
        "data_pushed",
        "request_moved",
        "action_timed_out",
    ]
    assert [each["number"] for each in first] == [1, 2, 3, 4]
    rules = json.loads(resources.schema_text("read/v1/event.json"))
    for each in (*first, *lines(client.get(f"/v1/workflows/{SECOND}/events"))):
        jsonschema.validate(each, rules, jsonschema.Draft7Validator)
    assert (first[0]["message"], first[0]["action_status"]) == (
        "Started execution",
        "STATE_RUNNING",
    )
    assert (first[3]["action_status"], first[3]["seconds"]) == ("STATE_TIMEOUT", 60)
    second = lines(client.get(f"/v1/workflows/{SECOND}/events"))
    assert [each["kind"] for each in second] == ["workflow_timed_out", "workflow_deleted"]


def test_a_deleted_workflow_is_not_listed_and_still_tells_its_events(client, inside):
    inside.apply(WorkflowDeleted(workflow_id=FIRST, at="", desired_commit=COMMIT, message="gone"))
    assert [each["id"] for each in lines(client.get("/v1/workflows"))] == [SECOND]
    assert client.get(f"/v1/workflows/{FIRST}/state").json["is_deleted"] is True
    assert len(lines(client.get(f"/v1/workflows/{FIRST}/events"))) == 1


def test_the_end_of_an_actions_output_is_text(client):
    assert client.get(f"/v1/workflows/{FIRST}/logs/0/1").data == b"the end\n"
    assert client.get(f"/v1/workflows/{FIRST}/logs/7/1").data == b""
    assert client.get(f"/v1/workflows/{FIRST}/logs/x/1").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/hardware/nothing",
        "/v1/templates/nothing",
        "/v1/workflows/nothing",
        "/v1/workflows/nothing/state",
        "/v1/workflows/nothing/events",
        "/v1/workflows/nothing/logs/0/1",
        "/nothing",
        "/v1/workflows/../../etc/passwd",
    ],
)
def test_what_is_not_there_is_not_found_in_one_shape(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json["error"]["code"] == "not-found"


def test_writing_is_for_git_not_for_this_api(client):
    for path in ("/v1/workflows", "/v1/templates", "/v1/hardware"):
        answer = client.post(path, json={})
        assert answer.status_code == 405
        assert answer.json["error"]["code"] == "method-not-allowed"
        assert "GET" in answer.headers["Allow"]


def test_probes_tell_alive_from_ready(client, inside):
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    inside.ready = False
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_readyz_names_what_is_in_the_way(inside, client):
    inside.provisioner.conditions.set(Condition(name="disk-full", message="no space", hint="df"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "impaired")
    assert answer.json["conditions"] == [{"name": "disk-full", "message": "no space", "hint": "df"}]
    assert client.get("/healthz").status_code == 200
    assert client.get("/version").json == {"name": "tinkgit", "version": "1.2.3"}


def test_metrics_count_requests_and_tell_the_state(client):
    client.get("/v1/workers/08:00:27:00:00:01/action")
    told = client.get("/metrics").data.decode()
    assert 'tink_http_requests_total{route="poll",status="200"} 1.0' in told
    assert "tink_live_workflows 2.0" in told
    assert "tink_hardware 2.0" in told


def test_a_fault_is_told_without_its_inside_and_logged(client, inside, caplog):
    object.__setattr__(inside.provisioner, "stored", None)
    answer = client.get(f"/v1/workflows/{FIRST}")
    assert answer.status_code == 500
    assert answer.json["error"] == {
        "code": "internal",
        "message": "the server has a fault; its log says more",
        "hint": "",
    }
    assert "a request failed" in caplog.text
