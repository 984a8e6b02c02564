"""Dumps of other Tinkerbells become repository files, and the summary hides nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.documents.convert import import_documents
from provisioner.documents.yaml_reader import read
from provisioner.model.ids import template_id
from tests.documents.document_reading import decode
from tests.documents.test_hardware_documents import ID, MACHINE
from tests.documents.test_kubernetes_documents import HARDWARE, TEMPLATE, WORKFLOW
from tests.documents.test_template_text import HELLO

ROW = {"id": ID, "network": {"interfaces": [{"dhcp": {"mac": "08:00:27:00:00:01"}}]}}
OTHER: dict[str, Any] = {**ROW, "id": "f9f56dff-098a-4c5f-a51c-19ad35de85d1"}


def imported(text, path="dump"):
    result = import_documents(path, text.encode())
    for file in result.files:
        assert not decode(file.path, file.text).has_errors
    return result


def paths(result):
    return [file.path for file in result.files]


def test_the_json_of_hardware_get_becomes_one_file_each():
    rows = [{**ROW, "metadata": '{"state": "in_use"}'}, OTHER]
    result = imported(json.dumps({"data": rows}))
    assert paths(result) == [f"hardware/{ID}.yaml", f"hardware/{OTHER['id']}.yaml"]
    (hardware,) = decode(result.files[0].path, result.files[0].text).hardware
    assert hardware.document["metadata"] == {"state": "in_use"}
    assert result.changed == (f"hardware {ID}: metadata is JSON now, not a text",)
    assert result.files[0].text.startswith("# yaml-language-server: $schema=../.schema/v1/hardware")


@pytest.mark.parametrize("indent", [None, 2])
def test_one_json_object_after_the_other_is_read(indent):
    text = "\n".join(json.dumps(row, indent=indent) for row in (ROW, OTHER)) + "\n"
    assert len(imported(text).files) == 2


def test_the_log_line_of_hardware_mac_is_read():
    assert len(imported(f"2020/07/01 20:11:24 {json.dumps(ROW)}\n").files) == 1


def test_a_machine_is_called_by_its_host_name():
    assert paths(imported(MACHINE)) == ["hardware/machine-1.yaml"]
    assert paths(imported(MACHINE.replace("machine-1", "../../Etc/pass wd"))) == [
        "hardware/etc-pass-wd.yaml"
    ]


def test_two_of_one_name_get_two_files():
    other = MACHINE.replace(ID, OTHER["id"]).replace("00:01", "00:02")
    text = f"{MACHINE}---\n{other}"
    assert paths(imported(text)) == ["hardware/machine-1.yaml", "hardware/machine-1-2.yaml"]


def test_a_row_of_a_template_becomes_its_text_unchanged():
    rows = [{"id": ID, "name": "old-name", "data": HELLO}]
    result = imported(json.dumps({"data": rows}))
    assert [(file.path, file.text) for file in result.files] == [("templates/hello.yaml", HELLO)]
    assert result.changed == (
        "template 'old-name' is called 'hello' now, as its text says",
        f"template 'hello' has the id {template_id('hello')} now, not {ID}",
    )


def test_a_template_file_stays_as_it_is():
    text = HELLO.replace('"{{.device_1}}"', "{{.device_1}}")
    result = imported(text, "old/ubuntu.yml")
    assert [(file.path, file.text) for file in result.files] == [("templates/hello.yaml", text)]


def test_a_workflow_row_is_history_and_is_not_imported():
    row = {"id": ID, "template": "x", "hardware": '{"device_1": "08:00:27:00:00:01"}'}
    result = imported(json.dumps({"data": [row]}))
    assert not result.files
    assert result.unsupported[0].startswith(f"workflow {ID}: not imported")


def test_a_request_of_ours_is_kept():
    result = imported("template: x\nhardware: {a: b}\n")
    assert paths(result) == ["workflows/x.yaml"]
    (request,) = decode("workflows/x.yaml", result.files[0].text).requests
    assert (request.id, request.hardware) == (None, {"a": "b"})


def test_kubernetes_objects_are_tidied():
    text = HARDWARE.replace(
        "  labels: {rack: 1}\n",
        "  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}\n"
        "  creationTimestamp: '2026-11-23T10:00:00Z'\n  generation: 5\n  resourceVersion: '7'\n"
        "  managedFields: [{}]\n  uid: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94\n",
    )
    result = imported(text + "status: {state: x}\n")
    (file,) = result.files
    assert file.path == "hardware/machine1.yaml"
    data = read(file.text, path="x").documents[0].data
    assert data["metadata"] == {"name": "machine1", "namespace": "tink"}
    assert "status" not in data
    assert result.changed == (
        "Hardware machine1: left out what the cluster added (creationTimestamp, generation,"
        " managedFields, resourceVersion, uid, last-applied-configuration, status)",
    )


def test_a_list_of_kubectl_becomes_one_file_each():
    objects = [read(text, path="x").documents[0].data for text in (HARDWARE, TEMPLATE, WORKFLOW)]
    result = imported(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    assert paths(result) == [
        "hardware/machine1.yaml",
        "templates/ubuntu.yaml",
        "workflows/wf1.yaml",
    ]
    assert "  data: |\n" in result.files[1].text


def test_a_kubernetes_template_of_the_same_name_becomes_plain_text():
    result = imported(TEMPLATE.replace("inner_name", "ubuntu"))
    assert result.files[0].text.startswith('version: "0.1"\nname: ubuntu\n')
    assert result.changed == ("Template ubuntu: written as plain template text",)


def test_a_workflow_that_has_begun_is_not_imported():
    result = imported(WORKFLOW + "status: {state: STATE_RUNNING}\n")
    assert not result.files
    assert result.unsupported == (
        "workflow wf1: not imported, it has begun already (STATE_RUNNING)",
    )


def test_what_is_not_supported_is_told():
    text = HARDWARE.replace("spec:\n", "spec:\n  bmcRef: {name: x}\n")
    result = imported(f"{text}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n")
    assert result.unsupported == (
        "hardware/machine1.yaml:10: the field 'bmcRef' is not supported and has no effect",
        "Secret s: not imported, Tinkerbell has no use for it here",
    )


def test_what_has_errors_is_not_written():
    result = imported(json.dumps([{**ROW, "id": "x"}, OTHER]))
    assert len(result.files) == 1
    assert [each.code for each in result.problems] == ["hardware.id"]
    broken = imported(HARDWARE.replace("52:54:00:12:34:56", "$MAC"))
    assert not broken.files
    assert broken.unsupported == ("hardware/machine1.yaml: not written, it has errors",)


@pytest.mark.parametrize("text", ["a: [", '{"data": 5}', "5", "", "[5]", '{"data": [[{}]]}', "{"])
def test_what_is_no_document_gives_no_file(text):
    assert not imported(text).files


def test_the_summary_lists_every_file():
    result = imported(f"{HARDWARE}---\n{WORKFLOW}")
    assert list(result.written) == paths(result)
