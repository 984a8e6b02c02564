"""Nobody is locked in: what we hold is written as documents for Kubernetes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.documents.convert import import_documents
from provisioner.documents.export import Export, export_kubernetes, object_name
from provisioner.documents.go_types import TYPES
from provisioner.model.ids import template_id
from tests.documents.document_reading import data_of, decode
from tests.documents.test_hardware_documents import MACHINE
from tests.documents.test_kubernetes_documents import HARDWARE, TEMPLATE, WORKFLOW
from tests.documents.test_template_text import HELLO
from tests.documents.test_workflow_requests import REQUEST

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
            without = dict(value.document["metadata"])
            without.pop("anything", None)  # a cluster has no place for it
            assert back.document == {**value.document, "metadata": without}
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


def test_a_part_of_a_name_between_dots_begins_and_ends_with_a_letter():
    assert object_name("a_.b") == "a.b"
    assert object_name("x" * 252 + "._y") == "x" * 252


DUMP = """\
apiVersion: tinkerbell.org/v1alpha1
kind: {kind}
metadata:
  name: {name}
  namespace: tink-system
  labels: {{rack: r1}}
  annotations:
    example.org/owner: team-a
    kubectl.kubernetes.io/last-applied-configuration: "{{}}"
  uid: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94
  resourceVersion: "12"
  generation: 2
  creationTimestamp: "2024-01-01T00:00:00Z"
  managedFields: [{{manager: kubectl}}]
  ownerReferences: [{{kind: Cluster, name: c}}]
spec:
{spec}
"""
SPECS = {
    "Hardware": "  interfaces:\n    - dhcp: {mac: '08:00:27:00:00:01'}\n",
    "Template": "  data: |\n" + "".join(f"    {line}\n" for line in HELLO.splitlines()),
    "Workflow": "  templateRef: one\n  hardwareRef: one\n  hardwareMap: {device_1: x}\n"
    "  bootOptions: {toggleAllowNetboot: true, bootMode: netboot}\n",
}
FOLDERS = {"Hardware": "hardware", "Template": "templates", "Workflow": "workflows"}


def dump(kind, name="one", status=""):
    return DUMP.format(kind=kind, name=name, spec=SPECS[kind]) + status


@pytest.mark.parametrize("kind", SPECS)
def test_an_object_of_a_cluster_goes_out_as_it_came_without_what_that_cluster_added(kind):
    state = {"Hardware": "status: {state: x}\n"}.get(kind, "")
    value = value_of(f"{FOLDERS[kind]}/x.yaml", dump(kind, status=state))
    exported = data_of(export_kubernetes(value))
    metadata = exported["metadata"]
    ours = metadata["annotations"].pop("tinkgit.dev/id", value.id)
    assert ours == value.id
    assert metadata == {
        "name": "one",
        "namespace": "tink-system",
        "labels": {"rack": "r1"},
        "annotations": {"example.org/owner": "team-a"},
    }
    assert exported.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert exported["spec"] == data_of(dump(kind))["spec"]
    again = value_of(f"{FOLDERS[kind]}/x.yaml", export_kubernetes(value))
    assert again.id == value.id
    assert export_kubernetes(again) == export_kubernetes(value)


@pytest.mark.parametrize("kind", SPECS)
def test_an_import_keeps_name_space_labels_and_annotations(kind):
    imported = import_documents("dump.yaml", dump(kind).encode())
    [file] = imported.files
    metadata = data_of(file.text)["metadata"]
    assert metadata == {
        "name": "one",
        "namespace": "tink-system",
        "labels": {"rack": "r1"},
        "annotations": {"example.org/owner": "team-a"},
    }


def template_called(name):
    return replace(value_of("templates/x.yaml", HELLO), name=name, id=template_id(name))


def test_names_that_would_be_the_same_get_a_suffix_that_does_not_depend_on_the_others():
    templates = [template_called(name) for name in ("a_b", "a-b", "A_B")]
    exported = Export(templates)
    names = {template.name: exported.name(template) for template in templates}
    assert names["a-b"] == "a-b"
    assert len(set(names.values())) == 3
    assert all(name == object_name(name) for name in names.values())
    assert dict(exported.renamed) == {f"Template {own}": names[own] for own in ("a_b", "A_B")}
    fewer = Export(template for template in templates if template.name != "A_B")
    assert fewer.name(templates[0]) == names["a_b"]
    assert Export(templates[::-1]).name(templates[0]) == names["a_b"]


def test_two_machines_of_one_host_name_are_two_objects():
    one, two = (
        value_of("hardware/1.yaml", MACHINE),
        value_of("hardware/2.yaml", MACHINE.replace("0eba0bf8", "0eba0bf9")),
    )
    exported = Export([one, two])
    assert exported.name(one) != exported.name(two)
    assert exported.name(one).startswith("machine-1-")


def test_a_request_names_its_template_and_machine_as_they_are_called_out_there():
    template, other = template_called("a_b"), template_called("A_B")
    request = value_of("workflows/x.yaml", f"template: {template.id}\nhardware: {{}}\n")
    exported = Export([template, other, request])
    assert data_of(exported.text(request))["spec"]["templateRef"] == exported.name(template)


def test_a_classic_request_goes_to_the_name_space_of_its_template():
    template = value_of("templates/x.yaml", dump("Template"))
    request = value_of("workflows/x.yaml", "template: one\nhardware: {}\n")
    metadata = data_of(Export([template, request]).text(request))["metadata"]
    assert metadata["namespace"] == "tink-system"


def test_a_classic_request_keeps_its_id():
    workflow = "01a21cd3-c0a0-7996-b187-98c3c2181aa6"
    request = value_of("workflows/x.yaml", f"id: {workflow}\ntemplate: x\nhardware: {{}}\n")
    assert value_of("workflows/x.yaml", export_kubernetes(request)).id == workflow


def test_what_a_cluster_has_no_field_for_is_left_out_and_said():
    value = value_of(
        "hardware/x.yaml",
        MACHINE.replace("        allow_pxe", "        idle: memory\n        allow_pxe"),
    )
    exported = Export([value])
    interfaces = data_of(exported.text(value))["spec"]["interfaces"]
    assert "idle" not in interfaces[0]["netboot"]
    assert set(exported.left_out) == {
        "hardware/x.yaml: interfaces[0].netboot.idle",
        "hardware/x.yaml: metadata.anything",
    }


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab1.", max_size=3))
KEYS = [*sorted({tag.rstrip("!") for fields in TYPES.values() for _, tag, _ in fields}), "other"]
METADATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), METADATA, max_size=6))
def test_what_goes_out_has_the_types_of_the_cluster_and_goes_out_the_same_again(metadata):
    """The facts of the types are those that templates see, held to real Go by their goldens."""
    value = value_of("hardware/x.yaml", MACHINE)
    document = {**value.document, "metadata": metadata}
    machine = replace(value, document=document)
    text = export_kubernetes(machine)
    assert_fits("Metadata", data_of(text)["spec"]["metadata"])
    assert export_kubernetes(value_of("hardware/x.yaml", text)) == text


def assert_fits(kind, data):
    types = {tag.rstrip("!"): type_ for _, tag, type_ in TYPES[kind]}
    assert data.keys() <= types.keys()
    for name, value in data.items():
        type_ = types[name].removeprefix("[]").removeprefix("*")
        items = value if types[name].startswith("[]") else [value]
        assert isinstance(items, list)
        for item in items:
            if type_ in TYPES:
                assert_fits(type_, item)
            else:
                expected = {"string": str, "bool": bool, "int64": int}[type_]
                assert type(item) is expected
