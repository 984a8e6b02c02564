"""Every field of Tinkerbell v0.25: docs/compat.md says what becomes of it, and it does.

The fields of Hardware come from the Go types that templates see (`go_types`), so that none can be
forgotten; those of the others are facts of the same release.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from provisioner.documents import workflow_text
from provisioner.documents.decode import decode_file
from provisioner.documents.go_types import TYPES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compat.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (Hardware|Workflow|Template|template text) \| (used|kept|told) \| (.*?) \|", re.M
)

VALUES = {
    "address": "10.0.0.1",
    "apiVersion": "tinkerbell.org/v1alpha1",
    "arch": "x86_64",
    "baseURL": "http://x/",
    "destination_descriptor": "10.0.0.0/8",
    "domain_name": "lab",
    "gateway": "10.0.0.2",
    "mac": "08:00:27:00:00:01",
    "netmask": "255.0.0.0",
    "name_servers": ["1.1.1.1"],
    "router": "10.0.0.1",
    "time_servers": ["1.1.1.1"],
    "url": "http://x/",
    "vlan_id": "12",
}
TOP = {
    "agentID": "x",
    "bmcRef": {"apiGroup": "bmc.tinkerbell.org", "kind": "Machine", "name": "x"},
    "disks[].device": "/dev/sda",
    "references": {"a": {"name": "x"}},
    "resources": {"cpu": "1"},
    "tinkVersion": 1,
    "userData": "x",
    "vendorData": "x",
}
WORKFLOW = {
    "bootOptions.bootMode": "netboot",
    "bootOptions.custombootConfig": {},
    "bootOptions.isoURL": "http://x/",
    "bootOptions.preserveToggleState": True,
    "bootOptions.toggleAllowNetboot": True,
    "disabled": True,
    "hardwareMap": {"device_1": "08:00:27:00:00:01"},
    "hardwareRef": "m",
    "templateRef": "t",
}
ACTION = {
    "command": ["a"],
    "environment": {"A": "b"},
    "image": "alpine",
    "name": "x",
    "namespaces.network": "host",
    "namespaces.pid": "host",
    "on-failure": ["a"],
    "on-timeout": ["a"],
    "pid": "host",
    "timeout": 60,
    "volumes": ["/a:/b"],
}
TEXT = {
    "global_timeout": 60,
    "id": "x",
    "name": "t",
    "version": "0.1",
    "tasks[].environment": {"A": "b"},
    "tasks[].name": "t",
    "tasks[].volumes": ["/a:/b"],
    "tasks[].worker": "08:00:27:00:00:01",
    **{f"tasks[].actions[].{name}": value for name, value in ACTION.items()},
}


def leaves(kind, prefix):
    for _, tag, type_ in TYPES[kind]:
        name = tag.rstrip("!")
        inner = type_.removeprefix("*").removeprefix("[]")
        path = f"{prefix}.{name}{'[]' * type_.startswith('[]')}"
        if inner in TYPES:
            yield from leaves(inner, path)
        else:
            plain = {"string": "x", "bool": True, "int64": 1}[inner]
            value = VALUES.get(name, [plain] if path.endswith("[]") else plain)
            yield path.removesuffix("[]"), value


def nested(path, value):
    for part in reversed(path.split(".")):
        value = {part[:-2]: [value]} if part.endswith("[]") else {part: value}
    return value


HARDWARE = dict(
    [*leaves("Interface", "interfaces[]"), *leaves("Metadata", "metadata"), *TOP.items()]
)
FIELDS = {
    "Hardware": HARDWARE,
    "Workflow": WORKFLOW,
    "Template": {"data": ""},
    "template text": TEXT,
}


def listed(kind):
    """Each field that the page has, and what becomes of it; `x.*` stands for all below x."""
    found = {}
    for row_kind, fate, text in ROW.findall(PAGE):
        if row_kind != kind:
            continue
        for written in re.findall(r"`([^`]+)`", text):
            start = written.removesuffix("*")
            names = [
                name
                for name in FIELDS[kind]
                if name == written or (written.endswith("*") and name.startswith(start))
            ]
            assert names, f"{written} is no field of {kind}"
            assert not found.keys() & set(names), written
            found |= dict.fromkeys(names, fate)
    return found


@pytest.mark.parametrize("kind", FIELDS)
def test_the_page_names_every_field_once(kind):
    assert listed(kind).keys() == FIELDS[kind].keys()


def document(kind, path):
    """An object with this field, and what it can't be without."""
    spec = nested(path, FIELDS[kind][path])
    if kind == "Workflow":
        spec = {"templateRef": "t"} | spec
    elif path.endswith(("destination_descriptor", "router")):
        route = {"destination_descriptor": "10.0.0.0/8", "router": "10.0.0.1"}
        spec = nested("interfaces[].dhcp.classless_static_routes", [route])
    return {
        "apiVersion": "tinkerbell.org/v1alpha1",
        "kind": kind,
        "metadata": {"name": "m"},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind in ("Hardware", "Workflow") for path in FIELDS[kind]]
)
def test_a_field_of_an_object_is_used_kept_or_told(kind, path):
    content = json.dumps(document(kind, path)).encode()
    decoded = decode_file(path="hardware/x.json", blob_id="", content=content)
    told = [problem for problem in decoded.problems if problem.code == "kubernetes.unsupported"]
    assert [problem for problem in decoded.problems if problem not in told] == []
    assert len(told) == (listed(kind)[path] == "told")
    assert any(part.removesuffix("[]") in str(told) for part in path.split(".")) or not told
    [value] = (*decoded.hardware, *decoded.requests)
    assert value.kubernetes["spec"] == document(kind, path)["spec"]


@pytest.mark.parametrize("path", TEXT)
def test_a_field_of_a_template_text_is_used(path):
    action = {"name": "x", "image": "alpine"}
    task = {"name": "t", "worker": "08:00:27:00:00:01", "actions": [action]}
    text = {"version": "0.1", "name": "t", "tasks": [task]}
    target = text
    if path.startswith("tasks[].actions[]."):
        target = action
    elif path.startswith("tasks[]."):
        target = task
    target |= nested(path.rpartition("[].")[2], TEXT[path])
    parsed = workflow_text.parse_workflow(yaml.safe_dump(text), path="t", is_classic=False)
    assert parsed.warnings == ()
