"""Nobody is locked in: what we hold is written as documents for Kubernetes."""

from __future__ import annotations

import pytest
from document_reading import data_of, decode
from test_hardware_documents import MACHINE
from test_kubernetes_documents import HARDWARE, TEMPLATE, WORKFLOW
from test_template_text import HELLO
from test_workflow_requests import REQUEST

from provisioner.documents.convert import import_documents
from provisioner.documents.export import export_kubernetes, object_name

CASES = {
    "classic hardware": ("hardware/x.yaml", MACHINE),
    "hardware": ("hardware/x.yaml", HARDWARE),
    "classic template": ("templates/x.yaml", HELLO),
    "template": ("templates/x.yaml", TEMPLATE),
    "request": ("workflows/x.yaml", REQUEST),
    "workflow": ("workflows/x.yaml", WORKFLOW),
}


def value_of(path, text):
    decoded = decode(path, text)
    (value,) = (*decoded.hardware, *decoded.templates, *decoded.requests)
    return value


@pytest.mark.parametrize(("path", "text"), CASES.values(), ids=CASES.keys())
def test_what_is_exported_reads_back(path, text):
    value = value_of(path, text)
    back = value_of(path, export_kubernetes(value))
    match path.partition("/")[0]:
        case "hardware":
            assert (back.id, back.interfaces) == (value.id, value.interfaces)
            assert back.document == value.document
        case "templates":
            assert (back.text, back.name) == (value.text, object_name(value.name))
        case _:
            assert (back.hardware, back.hardware_ref) == (value.hardware, value.hardware_ref)
            assert back.template == object_name(value.template)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("allow_workflow: false", False),
        ("Allow_Workflow: false", False),
        ("allow_workflow: true", True),
        ("", None),
        ("allow_workflow: null", None),
    ],
)
def test_whether_a_machine_may_run_workflows_survives_the_way_out_and_back(line, said):
    text = MACHINE.replace("allow_workflow: true", line)
    value = value_of("hardware/x.yaml", text)
    assert value.interfaces[0].allow_workflow is said
    exported = export_kubernetes(value)
    assert value_of("hardware/x.yaml", exported).interfaces[0].allow_workflow is said
    if said is None:
        assert "allowWorkflow: false" not in exported
    imported = import_documents("dump.yaml", exported.encode())
    [file] = imported.files
    assert value_of(file.path, file.text).interfaces[0].allow_workflow is said


def test_a_classic_machine_keeps_its_id_in_an_annotation():
    data = data_of(export_kubernetes(value_of("hardware/x.yaml", MACHINE)))
    assert data["metadata"] == {
        "name": "machine-1",
        "annotations": {"tinkgit.dev/id": "0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94"},
    }


def test_user_data_moves_to_its_field():
    text = MACHINE.replace("  facility:", '  userdata: "#cloud-config"\n  facility:')
    spec = data_of(export_kubernetes(value_of("hardware/x.yaml", text)))["spec"]
    assert spec["userData"] == "#cloud-config"
    assert "userdata" not in spec["metadata"]


def test_a_device_map_holds_only_text():
    request = value_of("workflows/x.yaml", "template: Hello_World\nhardware: {a: 1, b: [x]}\n")
    spec = data_of(export_kubernetes(request))["spec"]
    assert spec == {"templateRef": "hello-world", "hardwareMap": {"a": "1", "b": '["x"]'}}


def test_disabled_stays_disabled():
    request = value_of("workflows/x.yaml", WORKFLOW + "  disabled: true\n")
    assert data_of(export_kubernetes(request))["spec"]["disabled"] is True


@pytest.mark.parametrize("seconds", [0, 60])
def test_start_timeout_is_an_annotation_and_reads_back(seconds):
    text = f"template: x\nstart_timeout: {seconds}\n"
    exported = export_kubernetes(value_of("workflows/x.yaml", text))
    annotations = data_of(exported)["metadata"]["annotations"]
    assert annotations == {"tinkgit.dev/start-timeout": str(seconds)}
    assert value_of("workflows/x.yaml", exported).start_timeout_seconds == seconds


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("Ubuntu 20.04", "ubuntu-20.04"), ("a_b", "a-b"), ("-x-", "x"), ("é", "unnamed")],
)
def test_names_become_what_kubernetes_allows(name, allowed):
    assert object_name(name) == allowed
