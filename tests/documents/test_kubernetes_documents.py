"""Kubernetes-era documents mean the same as classic ones, and nothing is dropped in silence."""

from __future__ import annotations

import json

import pytest

from provisioner.model.ids import hardware_id, template_id
from provisioner.model.problem import Severity
from tests.documents.document_reading import decode, shown

HARDWARE = """\
apiVersion: "tinkerbell.org/v1alpha1"
kind: Hardware
metadata:
  name: machine1
  namespace: tink
  labels: {rack: 1}
spec:
  disks:
    - device: /dev/nvme0n1
  metadata:
    facility:
      facility_code: sandbox
  userData: "#cloud-config"
  interfaces:
    - dhcp:
        arch: x86_64
        hostname: machine1
        ip:
          address: 192.168.2.17
          gateway: 192.168.2.1
          netmask: 255.255.255.0
        lease_time: 86400
        mac: 52:54:00:12:34:56
        name_servers:
          - 1.1.1.1
        uefi: true
      netboot:
        allowPXE: true
        allowWorkflow: true
        osie: {baseURL: http://x, kernel: k, initrd: i}
"""
TEMPLATE = """\
apiVersion: tinkerbell.org/v1alpha1
kind: Template
metadata:
  name: ubuntu
spec:
  data: |
    version: "0.1"
    name: inner_name
    tasks:
      - name: os
        worker: {{.device_1}}
        actions:
          - name: stream
            image: quay.io/x/image2disk:latest
            environment:
              DEST_DISK: {{ index .Hardware.Disks 0 }}
"""
WORKFLOW = """\
apiVersion: tinkerbell.org/v1alpha1
kind: Workflow
metadata:
  name: wf1
spec:
  templateRef: ubuntu
  hardwareRef: machine1
  hardwareMap:
    device_1: 52:54:00:12:34:56
"""


def problems_of(text, path="hardware/x.yaml"):
    return shown(decode(path, text).problems)


def clean(text, path="hardware/x.yaml"):
    decoded = decode(path, text)
    assert not decoded.problems, [str(each) for each in decoded.problems]
    return decoded


def test_hardware_is_read():
    (hardware,) = clean(HARDWARE).hardware
    (interface,) = hardware.interfaces
    assert (hardware.name, hardware.id) == ("machine1", hardware_id("tink", "machine1"))
    assert (interface.mac, interface.ip) == ("52:54:00:12:34:56", "192.168.2.17")
    assert interface.allow_pxe and interface.allow_workflow and interface.uefi
    assert hardware.places["52:54:00:12:34:56"] == (23, 14)
    assert hardware.places[hardware.id] == (4, 9)


def test_a_machine_may_say_nothing_but_its_name_and_its_agents():
    (bare,) = clean(HARDWARE[: HARDWARE.index("spec:")]).hardware
    assert (bare.id, bare.macs, bare.agent_id) == (hardware_id("tink", "machine1"), (), "")
    (named,) = clean(HARDWARE.replace("spec:", "spec:\n  agentID: rack3-u07")).hardware
    assert named.agent_id == "rack3-u07"


@pytest.mark.parametrize("written", ["600", '"10m"', '"-5"', '""'])
def test_a_start_timeout_that_is_no_text_of_seconds_is_a_problem(written):
    text = WORKFLOW.replace(
        "  name: wf1\n",
        f"  name: wf1\n  annotations:\n    tinkgit.dev/start-timeout: {written}\n",
    )
    assert problems_of(text, "workflows/x.yaml") == ["6:32 workflow.start-timeout"]
    assert not decode("workflows/x.yaml", text).requests


def test_hardware_has_a_classic_document_and_keeps_its_object():
    (hardware,) = clean(HARDWARE).hardware
    netboot = hardware.document["network"]["interfaces"][0]["netboot"]
    assert hardware.document["id"] == hardware.id
    assert hardware.document["metadata"] == {
        "userdata": "#cloud-config",
        "facility": {"facility_code": "sandbox"},
    }
    assert netboot == {
        "allow_pxe": True,
        "allow_workflow": True,
        "osie": {"base_url": "http://x", "kernel": "k", "initrd": "i"},
    }
    assert hardware.kubernetes["spec"]["disks"] == [{"device": "/dev/nvme0n1"}]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  namespace: tink\n", "  uid: 0EBA0bf8-3772-4b4a-ab9f-6ebe93b90a94\n"),
        ("spec:\n", "spec:\n  id: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94\n"),
        ("facility:\n", "instance: {id: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94}\n    facility:\n"),
        (
            "  labels: {rack: 1}\n",
            "  annotations: {tinkgit.dev/id: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94}\n",
        ),
    ],
)
def test_the_id_is_the_one_that_the_object_brings(old, new):
    (hardware,) = clean(HARDWARE.replace(old, new, 1)).hardware
    assert hardware.id == "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94"


def test_an_instance_id_that_is_a_mac_is_no_id():
    text = HARDWARE.replace("facility:\n", "instance: {id: '52:54:00:12:34:56'}\n    facility:\n")
    (hardware,) = clean(text).hardware
    assert hardware.id == hardware_id("tink", "machine1")


def test_without_a_namespace_it_is_the_default_one():
    (hardware,) = clean(HARDWARE.replace("  namespace: tink\n", "")).hardware
    assert hardware.id == hardware_id("default", "machine1")


def test_a_template_is_text_and_knows_where_it_stands():
    (template,) = clean(TEMPLATE, "templates/x.yaml").templates
    assert (template.name, template.id) == ("ubuntu", template_id("ubuntu"))
    assert template.text.startswith('version: "0.1"\n')
    assert (template.first_line, template.indent) == (7, 4)


def test_a_mistake_in_a_templates_text_is_told_at_its_place_in_the_file():
    text = TEMPLATE.replace("        actions:", "        retries: 3\n        actions:", 1)
    assert problems_of(text, "templates/x.yaml") == ["12:9 template.unknown"]


def test_a_template_in_a_quoted_text_is_told_at_the_line_of_the_quote():
    text = "apiVersion: tinkerbell.org/v1alpha1\nkind: Template\nmetadata: {name: x}\nspec:\n"
    decoded = decode("templates/x.yaml", text + '  data: "version: 2"\n')
    assert decoded.problems[0].line == 5


def test_a_workflow_is_a_request():
    (request,) = clean(WORKFLOW, "workflows/x.yaml").requests
    assert (request.template, request.hardware_ref) == ("ubuntu", "machine1")
    assert request.hardware == {"device_1": "52:54:00:12:34:56"}
    assert (request.id, request.disabled) == (None, False)


def test_a_workflow_may_be_disabled():
    (request,) = clean(WORKFLOW + "  disabled: true\n", "workflows/x.yaml").requests
    assert request.disabled
    assert request.digest == clean(WORKFLOW, "workflows/x.yaml").requests[0].digest


def test_another_hardware_ref_is_another_meaning():
    (one,) = clean(WORKFLOW, "workflows/x.yaml").requests
    (other,) = clean(WORKFLOW.replace("machine1", "machine2"), "workflows/x.yaml").requests
    assert one.digest != other.digest


def test_a_workflow_that_has_begun_in_its_cluster_does_not_begin_again():
    decoded = decode("workflows/x.yaml", WORKFLOW + "status: {state: STATE_SUCCESS}\n")
    assert not decoded.requests
    assert [each.code for each in decoded.problems] == ["kubernetes.begun"]
    assert decoded.problems[0].severity is Severity.WARNING


@pytest.mark.parametrize("status", ["{}", "{state: ''}", "{state: STATE_PENDING}"])
def test_a_workflow_that_has_not_begun_is_read(status):
    assert clean(WORKFLOW + f"status: {status}\n", "workflows/x.yaml").requests


@pytest.mark.parametrize("folder", ["hardware", "templates", "workflows"])
def test_any_kind_may_stand_in_any_folder_and_with_others(folder):
    decoded = clean("\n---\n".join([HARDWARE, TEMPLATE, WORKFLOW, ""]), f"{folder}/all.yaml")
    assert [len(decoded.hardware), len(decoded.templates), len(decoded.requests)] == [1, 1, 1]
    assert decoded.templates[0].first_line == HARDWARE.count("\n") + 2 + 7


def test_a_list_is_read_with_the_places_of_its_items():
    items = "".join(
        "- " + text.rstrip("\n").replace("\n", "\n  ") + "\n" for text in (WORKFLOW, HARDWARE)
    )
    text = f"apiVersion: v1\nkind: List\nitems:\n{items}"
    assert clean(text).hardware and clean(text).requests
    assert problems_of(text.replace("mac: 52:54:00:12:34:56", "mac: x")) == ["35:16 mac.format"]


def test_a_list_in_json_is_read():
    objects = [clean(HARDWARE).hardware[0].kubernetes]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    assert clean(text, "hardware/all.json").hardware[0].name == "machine1"
    text = json.dumps(
        {"apiVersion": "tinkerbell.org/v1alpha1", "kind": "HardwareList", "items": objects}
    )
    assert clean(text, "templates/all.json").hardware[0].name == "machine1"


def test_what_a_cluster_adds_is_no_problem():
    text = HARDWARE.replace(
        "  labels: {rack: 1}\n",
        "  creationTimestamp: null\n  resourceVersion: '5'\n  managedFields: [{}]\n"
        "  ownerReferences: []\n",
    )
    assert clean(text + "status: {state: ''}\n").hardware


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("spec:\n", "spec:\n  bmcRef: {name: x}\n", "bmcRef"),
        ("spec:\n", "spec:\n  references: {a: {name: x}}\n", "references"),
        ("        arch:", "        boot_file_name: x\n        arch:", "boot_file_name"),
        ("      netboot:\n", "      isoboot: {}\n      netboot:\n", "isoboot"),
        ("      netboot:\n", "      disableDhcp: true\n      netboot:\n", "disableDhcp"),
        ("        allowPXE", "        ipxe: {binary: x}\n        allowPXE", "binary"),
    ],
)
def test_a_field_that_has_no_effect_is_named(old, new, field):
    decoded = decode("hardware/x.yaml", HARDWARE.replace(old, new, 1))
    (problem,) = decoded.problems
    assert (problem.code, problem.severity) == ("kubernetes.unsupported", Severity.WARNING)
    assert repr(field) in problem.message
    assert decoded.hardware


def test_boot_options_of_a_management_controller_are_named():
    text = WORKFLOW + "  bootOptions: {toggleAllowNetboot: true, bootMode: netboot}\n"
    assert problems_of(text, "workflows/x.yaml") == ["10:43 kubernetes.unsupported"]


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_workflow_may_allow_its_machines_to_boot_from_the_network(value):
    (request,) = clean(WORKFLOW + f"  bootOptions: {{toggleAllowNetboot: {value}}}\n").requests
    assert request.toggles_netboot is (value == "true")


def test_boot_options_are_no_edit_of_a_request():
    (plain,) = clean(WORKFLOW).requests
    (toggled,) = clean(WORKFLOW + "  bootOptions: {toggleAllowNetboot: true}\n").requests
    assert toggled.digest == plain.digest


def test_an_unknown_field_is_a_warning():
    decoded = decode("hardware/x.yaml", HARDWARE.replace("disks:", "diks:"))
    assert shown(decoded.problems) == ["8:3 schema.unknown"]
    assert decoded.hardware and not decoded.has_errors


@pytest.mark.parametrize(
    ("kind", "hint"), [("Secret", "a secret in git is open to all who can read it"), ("Pod", "")]
)
def test_another_kind_is_ignored_by_name(kind, hint):
    decoded = decode("hardware/x.yaml", f"apiVersion: v1\nkind: {kind}\n---\n{HARDWARE}")
    (problem,) = decoded.problems
    assert (problem.code, problem.severity) == ("kubernetes.ignored", Severity.WARNING)
    assert (repr(kind) in problem.message, problem.hint) == (True, hint)
    assert decoded.hardware


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HARDWARE.replace("v1alpha1", "v1alpha2"), "1:13 kubernetes.version"),
        (HARDWARE.replace("52:54:00:12:34:56", "$MAC"), "23:14 mac.format"),
        (HARDWARE.replace("192.168.2.17", "x"), "19:20 ip.format"),
        (HARDWARE.replace("name: machine1\n", "name: $NAME\n", 1), "4:9 schema.pattern"),
        (HARDWARE.replace("  name: machine1\n", "", 1), "4:3 schema.required"),
        (HARDWARE.replace("spec:\n", "spec:\n  id: x\n"), "8:7 hardware.id"),
        (HARDWARE.replace("uefi: true", "uefi: 'yes'"), "26:15 schema.type"),
        (WORKFLOW.replace("templateRef: ubuntu", "templateRef: {name: x}"), "6:16 schema.type"),
        (WORKFLOW.replace("52:54:00:12:34:56", "5"), "9:15 schema.type"),
        (WORKFLOW.replace("  templateRef: ubuntu\n", ""), "6:3 schema.required"),
        (TEMPLATE.partition("spec")[0], "1:1 schema.required"),
        (TEMPLATE.partition("|")[0] + "''\n", "6:9 schema.length"),
        (TEMPLATE.partition("|")[0] + "{a: b}\n", "6:9 schema.type"),
    ],
)
def test_a_mistake_is_told_at_its_place(text, problem):
    decoded = decode("hardware/x.yaml", text)
    assert shown(decoded.problems) == [problem]
    assert not (decoded.hardware or decoded.templates or decoded.requests)


def test_a_bad_object_does_not_hide_the_good_ones_of_its_file():
    text = f"{HARDWARE}---\n{WORKFLOW.replace('templateRef', 'templateref_')}"
    decoded = decode("hardware/x.yaml", text)
    assert decoded.hardware and not decoded.requests and decoded.has_errors


def test_deep_lists_of_lists_are_read_without_recursion():
    text = "kind: XList\napiVersion: v1\nitems: []\n"
    for _ in range(20):
        text = "kind: XList\napiVersion: v1\nitems:\n- " + text.rstrip("\n").replace("\n", "\n  ")
    assert decode("hardware/x.yaml", text + "\n").hardware == ()


def test_a_name_may_hold_capitals():
    text = WORKFLOW.replace("name: wf1", "name: helloworldWf1")
    assert clean(text, "workflows/x.yaml").requests


def test_two_templates_of_one_name_are_two_claims():
    other = TEMPLATE.replace("  name: ubuntu\n", "  name: ubuntu\n  namespace: other\n")
    decoded = clean(f"{TEMPLATE}---\n{other}", "templates/x.yaml")
    assert [each.name for each in decoded.templates] == ["ubuntu", "ubuntu"]
