"""`.Hardware` against what real Go makes of the same texts; see hardware_oracle."""

from __future__ import annotations

import json

import pytest

from gotemplate.errors import InvalidTemplate
from gotemplate.template import parse
from provisioner.documents.hardware_view import hardware_view
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS
from provisioner.model.hardware import Hardware, Source
from provisioner.model.ids import HardwareId
from tests.documents.hardware_oracle import GOLDENS, MACHINES, texts

CASES = json.loads(GOLDENS.read_text())


def view_of(spec):
    machine = Hardware(
        id=HardwareId("x"),
        document={},
        kubernetes={"metadata": {"name": "x"}, "spec": spec},
        source=Source(path="hardware/x.yaml", blob_id="b"),
    )
    return hardware_view(machine)


def difference(case):
    try:
        template = parse(case["template"], name="golden", functions=TEMPLATE_FUNCTIONS)
        text = template.render(view_of(MACHINES[case["machine"]]))
    except InvalidTemplate as failure:
        return "" if "error" in case else f"Go writes {case['output']!r}, ours fails: {failure}"
    if "error" in case:
        return f"Go fails with {case['error']!r}, ours writes {text!r}"
    return "" if text == case["output"] else f"Go writes {case['output']!r}, ours {text!r}"


@pytest.mark.parametrize("machine", MACHINES)
def test_we_write_what_go_writes_of_its_structs(machine):
    cases = [case for case in CASES if case["machine"] == machine]
    assert [case["template"] for case in cases] == texts()
    found = {case["template"]: difference(case) for case in cases}
    assert {text: each for text, each in found.items() if each} == {}
