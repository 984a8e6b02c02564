"""Nothing that a file holds crashes the reader, hangs it, or fills the memory."""

from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.documents.convert import import_documents
from provisioner.documents.encode import encode_yaml
from provisioner.documents.export import export_kubernetes
from provisioner.documents.hardware_view import hardware_view
from provisioner.documents.workflow_text import parse_workflow
from provisioner.documents.yaml_composer import MAX_PROBLEMS
from provisioner.model.problem import InvalidInput
from tests.documents.document_reading import decode
from tests.documents.test_hardware_documents import MACHINE
from tests.documents.test_kubernetes_documents import HARDWARE, TEMPLATE, WORKFLOW
from tests.documents.test_template_text import HELLO
from tests.documents.test_workflow_requests import REQUEST

PATHS = (
    "hardware/x.yaml",
    "hardware/x.json",
    "templates/x.yaml",
    "templates/x.json",
    "workflows/x.yaml",
)
SEEDS = (MACHINE, HARDWARE, TEMPLATE, WORKFLOW, HELLO, REQUEST)
PIECES = (
    *"-?:,[]{}#&*!|>'\"%@`~= \t\n\r.0aé\\/",
    "\x00", "\x85", "\u2028", "\ufeff", "\U0001f600", "---\n", "...\n", "<<: *a", "&a ", "*a",
    "!!int ", "!!python/object:x ", "%YAML 1.1\n", "{{", "}}", "{{.x}}", "null", "true", "yes",
    ".inf", "0x1F", "1e999", "9" * 50, "'\\ud800'", '"\\ud800"', '"\\x00"', "apiVersion: v1\n",
    "kind: List\n", "items:\n", "kind: Hardware\n", "apiVersion: tinkerbell.org/v1alpha1\n",
    "metadata:\n", "spec:\n", "status: {state: x}\n", "id: x\n", "  ", "- ", "network:\n",
    "name: x\n", "tasks:\n", "version: '0.1'\n", '{"a":', "[[[[", "}}}}",
)  # fmt: skip


def check(path, text):
    decoded = decode(path, text)
    assert len(decoded.problems) <= MAX_PROBLEMS
    for problem in decoded.problems:
        assert problem.path == path
        assert problem.line >= 0 and problem.column >= 0
        str(problem).encode()
    for hardware in decoded.hardware:
        json.dumps(hardware.document, allow_nan=False).encode()
        encode_yaml(hardware.document).encode()
        hardware_view(hardware)
        export_kubernetes(hardware).encode()
    for request in decoded.requests:
        json.dumps(dict(request.hardware), allow_nan=False)
        export_kubernetes(request).encode()
    for template in decoded.templates:
        assert template.name
        export_kubernetes(template)
    return decoded


def check_all(text):
    for path in PATHS:
        check(path, text)
    with contextlib.suppress(InvalidInput, UnicodeError):
        parse_workflow(text if isinstance(text, str) else text.decode(), path="t.yaml")
    import_documents("dump", text if isinstance(text, bytes) else text.encode())


@given(st.binary(max_size=400))
def test_any_bytes_give_values_or_problems(content):
    check_all(content)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_pieces_of_yaml_in_any_order_give_values_or_problems(text):
    check_all(text)


@st.composite
def damaged(draw):
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


@given(damaged())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_damaged_document_gives_values_or_problems(text):
    check_all(text)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "metadata",
                    "network",
                    "interfaces",
                    "dhcp",
                    "mac",
                    "ip",
                    "address",
                    "spec",
                    "kind",
                    "apiVersion",
                    "items",
                    "data",
                    "template",
                    "hardware",
                    "netboot",
                    "osie",
                    "status",
                    "state",
                    "name",
                    "disks",
                    "device",
                    "annotations",
                    "instance",
                    "templateRef",
                    "hardwareMap",
                    "userData",
                    "uid",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_ANYTHING, st.sampled_from(["Hardware", "Template", "Workflow", "List", None]))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_document_of_any_shape_gives_values_or_problems(data, kind):
    if kind:
        data = {
            "apiVersion": "tinkerbell.org/v1alpha1",
            "kind": kind,
            "metadata": {"name": "x"},
        } | (data if isinstance(data, dict) else {"spec": data, "items": data})
    check_all(json.dumps(data))


BIG = 1_040_000
HOSTILE = {
    "open brackets": "[" * BIG,
    "open braces": "{" * BIG,
    "nested keys": "? " * (BIG // 2),
    "nested dashes": "- " * (BIG // 2),
    "many keys": "".join(f"k{at}: v\n" for at in range(90_000)),
    "many interfaces": "id: x\nnetwork:\n  interfaces:\n" + "  - {dhcp: {mac: x}}\n" * 8_000,
    "many objects": "kind: List\napiVersion: v1\nitems:\n" + "- {kind: X, apiVersion: v}\n" * 9_000,
    "many documents": "---\n" * (BIG // 4),
    "many unknown fields": "id: x\n" + "".join(f"netwrk{at}: v\n" for at in range(20_000)),
    "many merges": "a: &a {"
    + "".join(f"k{at}: v, " for at in range(900))
    + "}\nb:\n"
    + "- {<<: *a}\n" * 99,
    "many tabs": "a:\n" + "\t- b\n" * (BIG // 5),
    "many expressions": "a: {{.x}}\n" * (BIG // 10),
    "many variables in many actions": "version: '0.1'\nname: x\ntasks:\n- name: a\n"
    "  environment: {"
    + "".join(f"k{at}: v, " for at in range(6_000))
    + "}\n  actions:\n"
    + "".join(f"  - {{name: n{at}, image: x}}\n" for at in range(6_000)),
    "a long number": "a: " + "1" * BIG,
    "a long text": "a: " + "b " * (BIG // 2),
    "a long key": "? " + "a" * BIG,
    "long escapes": 'a: "' + "\\x41" * (BIG // 4) + '"',
    "a name and spaces": "name: a" + " " * BIG + "b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.timeout(30)
def test_a_hostile_file_is_bounded_in_memory(text):
    tracemalloc.start()
    try:
        for path in PATHS[:3]:
            check(path, text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 1_048_576
