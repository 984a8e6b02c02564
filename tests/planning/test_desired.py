"""What the desired branch says, file by file: who has what, and what stays in force."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.ids import BlobId, HardwareId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.model.views import DesiredState
from provisioner.planning import desired
from tests.builders import COMMIT, ONE, TWO, hardware, request, template

MAC = "08:00:27:00:00:07"


@dataclass(frozen=True)
class Said:
    hardware: tuple = ()
    templates: tuple = ()
    requests: tuple = ()
    problems: tuple = ()


def file(*documents, blob="1", problems=()):
    kinds = {"Hardware": [], "Template": [], "WorkflowRequest": []}
    for each in documents:
        kinds[type(each).__name__].append(each)
    said = Said(*(tuple(found) for found in kinds.values()), problems=tuple(problems))
    return desired.ChangedFile(blob_id=BlobId(blob), decoded=said)


def broken(path, blob="broken"):
    problem = Problem(path=path, line=1, column=1, code="yaml.syntax", message="not YAML")
    return file(blob=blob, problems=[problem])


def after(*commits, start=None):
    state = start or DesiredState()
    for changed in commits:
        state = desired.update(state, changed, commit=COMMIT).state
    return state


def codes(state):
    return {path: [each.code for each in found] for path, found in state.problems.items()}


def test_hardware_is_found_by_id_mac_and_ip():
    machine = hardware(ONE, mac=MAC, ip="10.0.0.1", path="hardware/a.yaml")
    state = after({"hardware/a.yaml": file(machine)})
    assert state.hardware[ONE] is machine
    assert state.hardware_by_mac[MAC] == ONE
    assert state.hardware_by_ip["10.0.0.1"] == ONE


def test_a_file_that_is_gone_leaves_nothing():
    state = after({"hardware/a.yaml": file(hardware(ONE))}, {"hardware/a.yaml": None})
    assert not state.hardware and not state.hardware_by_mac and not state.hardware_by_ip
    assert not state.claims and not state.paths and not state.files


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (hardware(TWO, mac=MAC, ip="10.0.0.2"), "hardware.mac-taken"),
        (hardware(TWO, mac="08:00:27:00:00:08", ip="10.0.0.1"), "hardware.ip-taken"),
        (hardware(ONE, mac="08:00:27:00:00:08", ip="10.0.0.2"), "hardware.id-taken"),
    ],
)
def test_what_two_machines_claim_belongs_to_the_first_path_and_both_places_are_named(second, code):
    first = hardware(ONE, mac=MAC, ip="10.0.0.1", places={MAC: (7, 12), "10.0.0.1": (9, 3)})
    state = after({"hardware/b.yaml": file(second), "hardware/a.yaml": file(first)})
    assert state.hardware[ONE] is first
    assert codes(state) == {"hardware/b.yaml": [code]}
    [problem] = state.problems["hardware/b.yaml"]
    assert "hardware/a.yaml" in problem.message


def test_the_line_of_both_places_is_told():
    first = hardware(ONE, mac=MAC, places={MAC: (7, 12)})
    second = hardware(TWO, mac=MAC, places={MAC: (3, 5)})
    state = after({"hardware/a.yaml": file(first), "hardware/b.yaml": file(second)})
    [problem] = state.problems["hardware/b.yaml"]
    assert (problem.line, problem.column) == (3, 5)
    assert f"{MAC} belongs to hardware/a.yaml:7" in problem.message


def test_nobody_takes_over_a_machine_by_adding_a_file():
    owner, thief = hardware(ONE, mac=MAC), hardware(TWO, mac=MAC)
    state = after({"hardware/b.yaml": file(owner)}, {"hardware/a.yaml": file(thief)})
    assert state.hardware_by_mac[MAC] == ONE
    assert codes(state) == {"hardware/a.yaml": ["hardware.mac-taken"]}


def test_the_owner_keeps_its_mac_when_both_files_change_in_one_commit():
    owner, thief = hardware(ONE, mac=MAC), hardware(TWO, mac=MAC)
    state = after(
        {"hardware/b.yaml": file(owner)},
        {"hardware/a.yaml": file(thief), "hardware/b.yaml": file(owner, blob="2")},
    )
    assert state.hardware_by_mac[MAC] == ONE


def test_an_agents_name_belongs_to_one_machine_and_leads_to_it():
    owner = hardware(ONE, agent_id="rack3-u07")
    thief = hardware(TWO, agent_id="rack3-u07", path="hardware/b.yaml")
    state = after({"hardware/a.yaml": file(owner)}, {"hardware/b.yaml": file(thief)})
    assert dict(state.hardware_by_agent) == {"rack3-u07": ONE}
    assert codes(state) == {"hardware/b.yaml": ["hardware.agent-taken"]}
    state = after({"hardware/a.yaml": file(hardware(ONE), blob="2")}, start=state)
    assert dict(state.hardware_by_agent) == {"rack3-u07": TWO}
    assert not after({"hardware/b.yaml": None}, start=state).hardware_by_agent


def test_a_refused_file_comes_into_force_when_the_owner_is_gone():
    state = after(
        {"hardware/b.yaml": file(hardware(ONE, mac=MAC))},
        {"hardware/a.yaml": file(hardware(TWO, mac=MAC))},
        {"hardware/b.yaml": None},
    )
    assert state.hardware_by_mac[MAC] == TWO
    assert not state.problems and not state.in_force and not state.refused


def test_two_machines_may_exchange_their_addresses_in_one_commit():
    other = "08:00:27:00:00:08"
    state = after(
        {
            "hardware/a.yaml": file(hardware(ONE, mac=MAC)),
            "hardware/b.yaml": file(hardware(TWO, mac=other)),
        },
        {
            "hardware/a.yaml": file(hardware(ONE, mac=other), blob="2"),
            "hardware/b.yaml": file(hardware(TWO, mac=MAC), blob="2"),
        },
    )
    assert dict(state.hardware_by_mac) == {other: ONE, MAC: TWO}
    assert not state.problems


def test_of_a_broken_file_the_last_good_version_stays_in_force():
    machine = hardware(ONE, mac=MAC)
    state = after(
        {"hardware/a.yaml": file(machine)}, {"hardware/a.yaml": broken("hardware/a.yaml")}
    )
    assert state.hardware[ONE] is machine
    assert dict(state.in_force) == {"hardware/a.yaml": "1"}
    assert codes(state) == {"hardware/a.yaml": ["yaml.syntax"]}


def test_a_file_that_was_never_good_blocks_no_other():
    state = after(
        {"hardware/a.yaml": broken("hardware/a.yaml"), "hardware/b.yaml": file(hardware())}
    )
    assert ONE in state.hardware
    assert dict(state.in_force) == {"hardware/a.yaml": ""}


def test_an_address_twice_in_one_document_is_told():
    machine = hardware(ONE, mac=MAC)
    twice = hardware(ONE, interfaces=machine.interfaces * 2)
    state = after({"hardware/a.yaml": file(twice)})
    assert codes(state) == {"hardware/a.yaml": ["hardware.mac-taken", "hardware.ip-taken"]}
    assert "claimed twice" in state.problems["hardware/a.yaml"][0].message


def test_a_template_name_belongs_to_one_file():
    state = after(
        {
            "templates/a.yaml": file(template(name="same", path="templates/a.yaml")),
            "templates/b.yaml": file(template(name="same", path="templates/b.yaml")),
        }
    )
    assert state.templates["same"].source.path == "templates/a.yaml"
    assert codes(state) == {"templates/b.yaml": ["template.name-taken"]}


def test_a_workflow_id_belongs_to_one_request():
    same = WorkflowId("0190a5c0-0000-7000-8000-0000000000a1")
    state = after(
        {
            "workflows/a.yaml": file(request("workflows/a.yaml", id=same)),
            "workflows/b.yaml": file(request("workflows/b.yaml", id=same)),
        }
    )
    assert list(state.requests) == ["workflows/a.yaml"]
    assert codes(state) == {"workflows/b.yaml": ["workflow.id-taken"]}


def test_several_requests_of_one_file_are_told_apart():
    one, two = request("workflows/a.yaml#1"), request("workflows/a.yaml#2", template="other")
    state = after({"workflows/a.yaml": file(one, two)})
    assert dict(state.requests) == {"workflows/a.yaml#1": one, "workflows/a.yaml#2": two}
    assert desired.file_of("workflows/a.yaml#2") == "workflows/a.yaml"
    assert not after({"workflows/a.yaml": None}, start=state).requests


def restarted(state, files):
    """As a server that starts does: first what was in force, then the newest versions."""
    paths = dict(state.paths)
    versions = desired.versions_in_force(state.in_force.items(), paths)
    in_force = {path: files[path, blob] for path, blob in versions.items()}
    newest = {path: files[path, blob] for path, blob in paths.items() if versions.get(path) != blob}
    return desired.restore(in_force, newest, commit=COMMIT).state


PATHS = ["hardware/a.yaml", "hardware/b.yaml", "hardware/c.yaml"]
VERSION = st.one_of(
    st.just("gone"),
    st.just("broken"),
    st.tuples(st.sampled_from([ONE, TWO]), st.sampled_from([7, 8]), st.sampled_from([1, 2])),
)


HISTORY = st.lists(st.dictionaries(st.sampled_from(PATHS), VERSION, min_size=1), max_size=8)


def played(history):
    """The state after all commits, with every version of every file that there was."""
    state, files = DesiredState(), {}
    for commit in history:
        changed = {path: version_of(path, version) for path, version in commit.items()}
        files |= {(path, each.blob_id): each for path, each in changed.items() if each}
        state = after(changed, start=state)
    return state, files


def version_of(path, version):
    if version == "gone":
        return None
    if version == "broken":
        return broken(path, version)
    owner, mac, address = version
    machine = hardware(owner, mac=f"08:00:27:00:00:{mac:02}", ip=f"10.0.0.{address}")
    return file(machine, blob=str(version))


@settings(deadline=None, max_examples=300)
@given(HISTORY)
def test_no_history_of_files_gives_one_address_two_owners_or_forgets_at_a_restart(history):
    state, files = played(history)
    check_consistent(state)
    assert summary(restarted(state, files)) == summary(state)


@settings(deadline=None, max_examples=300)
@given(HISTORY, st.permutations([(ONE, 7, 1), (TWO, 8, 2), "gone"]), st.permutations(PATHS))
def test_where_the_tip_is_free_of_conflicts_it_is_the_state_whatever_came_before(
    history, versions, order
):
    tip = {path: version_of(path, version) for path, version in zip(PATHS, versions, strict=True)}
    fresh = summary(after({path: each for path, each in tip.items() if each}))
    assert not fresh[-1]
    state, _ = played(history)
    for path in order:  # the tip comes in several commits
        state = after({path: tip[path]}, start=state)
    check_consistent(state)
    assert summary(state) == fresh


def test_machines_whose_addresses_were_typed_in_the_wrong_way_round_are_put_right_one_by_one():
    first, second = "08:00:27:00:00:01", "08:00:27:00:00:02"
    state = after(
        {
            "hardware/n1.yaml": file(hardware(ONE, mac=second)),
            "hardware/n2.yaml": file(hardware(TWO, mac=first)),
        },
        {"hardware/n1.yaml": file(hardware(ONE, mac=first), blob="2")},
    )
    assert codes(state) == {"hardware/n1.yaml": ["hardware.mac-taken"]}
    state = after({"hardware/n2.yaml": file(hardware(TWO, mac=second), blob="2")}, start=state)
    assert dict(state.hardware_by_mac) == {first: ONE, second: TWO}
    assert not state.problems and not state.in_force and not state.refused


def test_files_that_wait_in_a_ring_do_not_take_what_a_newer_version_still_claims():
    first, second, third = (f"08:00:27:00:00:0{number}" for number in (1, 2, 3))
    paths = ["hardware/n1.yaml", "hardware/n2.yaml", "hardware/n3.yaml"]
    three, four = (HardwareId(f"5d4d2f76-9d8c-4c1f-a5a3-0d7d3c6a9a0{number}") for number in (3, 4))
    more = file(hardware(three, mac=third, ip="10.0.0.3"), hardware(four, mac=first), blob="2")
    state = after(
        {
            paths[0]: file(hardware(ONE, mac=first)),
            paths[1]: file(hardware(TWO, mac=second)),
            paths[2]: file(hardware(three, mac=third, ip="10.0.0.3")),
        },
        {paths[0]: file(hardware(ONE, mac=second), blob="2")},
        {paths[1]: file(hardware(TWO, mac=third), blob="2")},
        {paths[2]: more},
    )
    assert dict(state.hardware_by_mac) == {first: ONE, second: TWO, third: three}
    assert set(state.problems) == set(paths)


def summary(state):
    return (
        dict(state.hardware_by_mac),
        dict(state.hardware_by_ip),
        {path: each.blob_id for path, each in state.files.items()},
        dict(state.in_force),
        {path: sorted(found) for path, found in codes(state).items()},
    )


def check_consistent(state):
    claimed = {}
    for path, documents in state.files.items():
        for claim in desired.claims_of(documents):
            assert claim not in claimed
            claimed[claim] = path
    assert dict(state.claims) == claimed
    machines = [each for documents in state.files.values() for each in documents.hardware]
    assert dict(state.hardware) == {each.id: each for each in machines}
    assert dict(state.hardware_by_mac) == {mac: each.id for each in machines for mac in each.macs}
    assert dict(state.hardware_by_ip) == {ip: each.id for each in machines for ip in each.ips}
    for path, blob in state.paths.items():
        if path not in state.problems:
            assert state.files[path].blob_id == blob
        else:
            assert path in state.in_force
