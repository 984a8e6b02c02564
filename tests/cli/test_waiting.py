"""What waits says for whom: `tink workflow state` and `tink workflow list -o wide`."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from provisioner.model.ids import WorkflowId
from provisioner.store.writer.status_writer import StatusWriter
from tests.builders import MACS, ONE, TWO, record
from tests.store import sites

FIRST = WorkflowId("0190a5c0-0000-7000-8000-0000000000a1")
BEHIND = WorkflowId("0190a5c0-0000-7000-8000-0000000000a2")
REASON = f"waiting behind workflow {FIRST}, which waits for worker {MACS[TWO]} to ask"


@pytest.fixture
def line(tmp_path):
    """A workflow that waits for the machine TWO, and one for ONE, which is in it too."""
    with closing(sites.bare(tmp_path / "site")) as repo, closing(StatusWriter(repo)) as writer:
        records = record(TWO, ONE, workflow=FIRST), record(ONE, workflow=BEHIND)
        sites.result(writer.propose(sites.create(*records)))
    return str(tmp_path / "site")


def test_the_state_says_for_whom_a_workflow_waits(tink, line):
    out = tink("--repo", line, "workflow", "state", BEHIND).out
    assert FIRST in out
    assert REASON in out
    told = json.loads(tink("--repo", line, "workflow", "state", BEHIND, "-o", "json").out)
    assert told["waits_for"] == FIRST
    assert told["waiting_reason"].startswith(REASON)


def test_a_workflow_that_leads_its_line_says_so_in_the_wide_form_alone(tink, line):
    assert "Waiting" not in tink("--repo", line, "workflow", "state", FIRST).out
    wide = tink("--repo", line, "workflow", "state", FIRST, "-o", "wide").out
    assert f"waiting for worker {MACS[TWO]} to ask for action 'action_0'" in wide


def test_the_wide_list_says_for_whom_each_workflow_waits(tink, line):
    rows = tink("--repo", line, "workflow", "list", "-o", "wide").out.splitlines()
    [first] = [row for row in rows if row.startswith(f"| {FIRST}")]
    [behind] = [row for row in rows if row.startswith(f"| {BEHIND}")]
    assert f"waiting for worker {MACS[TWO]}" in first
    assert REASON in behind
