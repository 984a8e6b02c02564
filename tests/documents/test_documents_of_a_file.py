"""Every document of a file counts, wherever it stands and whatever stands around it."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documents.document_reading import decode


def hardware(number):
    return f"""\
apiVersion: tinkerbell.org/v1alpha1
kind: Hardware
metadata: {{name: n{number}}}
spec:
  interfaces:
    - dhcp: {{mac: "08:00:27:00:00:0{number}", ip: {{address: 10.0.0.{number}}}}}
"""


def template(name):
    return f"""\
apiVersion: tinkerbell.org/v1alpha1
kind: Template
metadata: {{name: {name}}}
spec:
  data: |
    version: "0.1"
    name: {name}
    tasks:
      - name: os
        worker: "{{{{.device_1}}}}"
        actions:
          - {{name: one, image: busybox}}
"""


def workflow(number):
    return f"""\
apiVersion: tinkerbell.org/v1alpha1
kind: Workflow
metadata: {{name: w{number}}}
spec:
  templateRef: t1
  hardwareMap: {{device_1: "08:00:27:00:00:0{number}"}}
"""


DOCUMENTS = [hardware(1), hardware(2), template("t1"), template("t2"), *map(workflow, (1, 2, 3))]
BETWEEN = ["---\n", "---\n# a comment\n---\n", "...\n---\n", "---\n---\n"]
AROUND = ["", "---\n", "# a comment\n", "---\n# a comment\n"]
AFTER = ["", "---\n", "...\n", "---\n# a comment\n"]


def summary(files):
    hardware = sorted(each.id for file in files for each in file.hardware)
    templates = sorted(each.name for file in files for each in file.templates)
    requests = sorted(each.digest for file in files for each in file.requests)
    return hardware, templates, requests


@settings(deadline=None, max_examples=60)
@given(
    st.permutations(DOCUMENTS),
    st.sets(st.integers(1, len(DOCUMENTS) - 1)),
    st.sampled_from(["hardware", "templates", "workflows"]),
    st.data(),
)
def test_documents_mean_the_same_however_they_are_split_into_files(order, cuts, folder, data):
    edges = [0, *sorted(cuts), len(order)]
    files = []
    for start, end in itertools.pairwise(edges):
        text = data.draw(st.sampled_from(AROUND))
        for place, document in enumerate(order[start:end]):
            text += (data.draw(st.sampled_from(BETWEEN)) if place else "") + document
        text += data.draw(st.sampled_from(AFTER))
        files.append(decode(f"{folder}/{start}.yaml", text))
    assert [each.problems for each in files] == [()] * len(files)
    alone = [decode(f"{folder}/x.yaml", each) for each in DOCUMENTS]
    assert summary(files) == summary(alone)
    paths = [each.source.path for file in files for each in file.requests]
    assert len(set(paths)) == len(paths)


def test_the_requests_of_a_file_have_paths_of_their_own():
    found = decode("workflows/all.yaml", workflow(1) + "---\n" + workflow(2))
    assert [each.source.path for each in found.requests] == [
        "workflows/all.yaml#1",
        "workflows/all.yaml#2",
    ]
    [alone] = decode("workflows/all.yaml", workflow(1)).requests
    assert alone.source.path == "workflows/all.yaml"


@pytest.mark.parametrize("kind", ["List", "WorkflowList"])
def test_the_items_of_a_list_count_too(kind):
    items = [
        {
            "apiVersion": "tinkerbell.org/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": f"w{number}"},
            "spec": {"templateRef": "t1", "hardwareMap": {"device_1": f"08:00:27:00:00:0{number}"}},
        }
        for number in (1, 2)
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": kind, "items": items})
    found = decode("workflows/all.json", listed)
    assert len(found.requests) == 2 and not found.problems
