"""Machines as `GET /v1/machines` shows them, in every state."""

from __future__ import annotations

import json

import jsonschema
import pytest

from provisioner import resources
from provisioner.model.hardware import Interface
from provisioner.model.ids import parse_ip, parse_mac
from provisioner.model.state import State
from provisioner.planning.boot_decision import Boot
from provisioner.planning.machine_standing import MachineState
from provisioner.services.sightings import Contact
from tests.builders import MACS, ONE, TWO, hardware, record, report, status

SCHEMA = json.loads(resources.schema_text("read/v1/machine.json"))
STRANGER = "02:00:00:00:00:99"
RUN, OK, BAD = State.RUNNING, State.SUCCESS, State.FAILED


@pytest.fixture
def site(inside):
    """One machine without a workflow."""
    inside.set_booting()
    inside.set_hardware(machine(ONE, "n1"))
    inside.snapshots.swap_status(status(), ())
    return inside


def machine(worker, hostname, **changes):
    mac = parse_mac(MACS[worker])
    ip = parse_ip("10.0.0.5" if worker == ONE else "10.0.0.6")
    interface = Interface(mac=mac, ip=ip, hostname=hostname, **changes)
    return hardware(worker, interfaces=(interface,))


def begin(site, *states, installs=True):
    made = record(ONE, arrival=1, installs_os=(ONE,) if installs else ())
    site.snapshots.swap_status(status(made), (made.id,))
    for state in states:
        site.apply(report(0, state))


def listed(client):
    """All machines, each of them as the schema says."""
    answer = client.get("/v1/machines")
    machines = [json.loads(line) for line in answer.text.splitlines()]
    for each in machines:
        jsonschema.validate(each, SCHEMA, jsonschema.Draft7Validator)
    return machines


def state(client):
    (found,) = listed(client)
    assert client.get(f"/v1/machines/{MACS[ONE]}").json == found
    return found["state"], found["boot"]


def test_the_schema_is_one_and_holds_every_word():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    words = SCHEMA["properties"]
    assert words["state"]["enum"] == [*(each.value for each in MachineState), "unknown"]
    assert words["boot"]["enum"] == [each.value for each in Boot]
    assert [*words["contacts"]["properties"]] == [each.value for each in Contact]
    for example in SCHEMA["examples"]:
        jsonschema.validate(example, SCHEMA, jsonschema.Draft7Validator)


def test_one_that_nobody_heard_of_and_one_that_is_ignored(site, client):
    assert state(client) == ("never seen", "ignore")
    site.sightings.note(MACS[ONE], Contact.BOOT, "ignore")
    assert state(client) == ("ignored", "ignore")
    site.sightings.note(MACS[ONE], Contact.DHCP, "ignored")
    assert state(client) == ("ignored", "ignore")


def test_a_machine_from_its_request_to_its_disk(site, client):
    begin(site)
    assert state(client) == ("waiting", "memory")
    site.sightings.note(MACS[ONE], Contact.DHCP, "10.0.0.5")
    assert state(client) == ("booting", "memory")
    site.wall.pass_seconds(1)
    site.sightings.note(ONE, Contact.WORKER)
    assert state(client) == ("waiting", "memory")
    site.apply(report(0, RUN))
    assert state(client) == ("provisioning", "memory")
    site.apply(report(0, OK))
    assert state(client) == ("installed", "disk")


@pytest.mark.parametrize(
    ("installs", "end", "shown"), [(True, BAD, "failed"), (False, OK, "waiting")]
)
def test_one_whose_workflow_left_it_without_a_system_waits_in_memory(
    site, client, installs, end, shown
):
    begin(site, RUN, end, installs=installs)
    assert state(client) == (shown, "memory")


def test_allow_workflow_false_is_as_if_it_had_none(site, client):
    begin(site)
    site.set_hardware(machine(ONE, "n1", allow_workflow=False))
    assert state(client) == ("never seen", "ignore")


def test_machines_that_nobody_knows_come_last_and_only_with_a_mac(site, client):
    site.set_hardware(machine(ONE, "n2"), hardware(TWO, interfaces=()))
    site.sightings.note(STRANGER, Contact.DHCP, "ignored")
    site.sightings.note("0190a5c0-0000-7000-8000-0000000000ff", Contact.METADATA)
    bare, named, stranger = listed(client)
    assert (named["hostname"], named["mac"]) == ("n2", MACS[ONE])
    assert (bare["mac"], bare["reason"]) == ("", "it has no MAC address")
    assert (stranger["mac"], stranger["state"]) == (STRANGER, "unknown")
    assert stranger["last_contact"] == stranger["contacts"]["dhcp"]["at"]


def test_its_newest_contact_of_each_kind_under_any_of_its_names(site, client):
    site.sightings.note(MACS[ONE], Contact.BOOT, "memory")
    site.wall.pass_seconds(60)
    site.sightings.note(ONE, Contact.METADATA, "GET")
    (found,) = listed(client)
    at = {kind: each["at"] for kind, each in found["contacts"].items()}
    assert at["metadata"] == found["last_contact"] > at["boot"]


@pytest.mark.parametrize("name", ["n1", MACS[ONE].upper(), "10.0.0.5", ONE.upper()])
def test_a_machine_is_found_by_every_name(site, client, name):
    assert client.get(f"/v1/machines/{name}").json["id"] == ONE


def test_an_unknown_name_and_one_that_several_have(site, client):
    assert client.get("/v1/machines/n9").status_code == 404
    site.set_hardware(machine(ONE, "n1"), machine(TWO, "n1"))
    answer = client.get("/v1/machines/n1")
    assert answer.status_code == 400
    assert f"{MACS[ONE]}, {MACS[TWO]}" in answer.json["error"]["hint"]
