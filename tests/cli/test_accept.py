"""`tink accept`, and what `tink validate` says before one is needed."""

from __future__ import annotations

import subprocess

import pytest

from provisioner.model.event import WorkflowTimedOut
from provisioner.model.state import State
from tests.builders import AT
from tests.services.parts import SITE
from tests.services.reconciled_site import Site
from tests.services.test_desired_head import MANY, another_history, look, numbered, tip
from tests.services.test_reconciler import A, B, C


@pytest.fixture
def served(site):
    opened = Site(site)
    opened.commit({**SITE, **MANY, A: numbered(100)})
    yield opened
    opened.stop()


def test_another_history_is_accepted_by_the_beginning_of_its_id(served, tink):
    good = tip(served)
    other = another_history(served, {**SITE, C: numbered(300)})
    look(served)
    shown = tink("--repo", served.folder, "accept", "--dry-run", other[:10])
    assert f"main at {other[:12]} (another history)" in shown.out
    assert f"leaves out 2 commits up to {good[:12]}" in shown.out
    assert shown.out.count("(pending)") == 20
    assert "deletes 11 more unfinished workflows" in shown.out
    assert "runs 1 new workflow\n" in shown.out
    look(served)
    assert State.CANCELLED not in served.states().values()
    done = tink("--repo", served.folder, "accept", other[:10])
    assert (done.code, done.out) == (
        0,
        f"{shown.out}accepted {other}: the server obeys it within seconds, or when it starts\n",
    )
    look(served)
    assert served.states()[C] is State.PENDING
    assert served.states()[A] is State.CANCELLED


def test_the_branch_may_be_named_instead(served, tink):
    served.commit(gone=MANY)
    look(served)
    assert State.CANCELLED not in served.states().values()
    assert tink("--repo", served.folder, "accept", "main").code == 0
    look(served)
    assert list(served.states().values()).count(State.CANCELLED) == len(MANY)


def test_what_needs_nobody_is_not_accepted(served, tink):
    assert "was applied already" in tink("--repo", served.folder, "accept", "main").err
    assert not served.repo.refs("refs/tink/accept/")


def test_what_was_accepted_is_forgotten_when_it_was_obeyed(served, tink):
    served.git("commit", "-q", "--allow-empty", "-m", "harmless")
    assert tink("--repo", served.folder, "accept", "main").code == 0
    assert served.repo.refs("refs/tink/accept/")
    look(served)
    assert not served.repo.refs("refs/tink/accept/")


def test_what_waits_can_be_accepted_also_when_less_is_left_to_delete(served, tink):
    """The server asked when all were unfinished, and waits for an answer."""
    served.commit(gone=sorted(MANY)[:12])
    look(served)
    for path in sorted(MANY)[:11]:
        workflow = served.status.requests[path]
        gone = WorkflowTimedOut(workflow_id=workflow, at=AT, seconds=1, message="late")
        served.writer.propose(lambda _, event=gone: (event,)).result()
    look(served)
    assert State.CANCELLED not in served.states().values()
    assert tink("--repo", served.folder, "accept", "main").code == 0
    look(served)
    assert served.states()[sorted(MANY)[11]] is State.CANCELLED


def test_what_the_branch_does_not_hold_is_refused(served, tink):
    good = tip(served)
    other = another_history(served, SITE)
    served.git("reset", "-q", "--hard", good)
    result = tink("--repo", served.folder, "accept", other)
    assert result.code == 1
    assert f"does not hold {other[:12]}" in result.err
    assert tink("--repo", served.folder, "accept", "no-such-thing").code == 1


def test_a_clone_that_no_server_serves_is_refused(served, tink, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", served.folder, clone], check=True)
    result = tink("--repo", clone, "accept", "main")
    assert result.code == 1
    assert "no server serves this repository" in result.err


def warnings(result):
    return [line for line in result.out.splitlines() if line.startswith("warning: ")]


def test_a_deletion_is_shown_before_it_is_committed_and_one_too_many_is_said(served, tink):
    workflow = served.status.requests[A]
    (served.folder / A).unlink()
    result = tink("validate", served.folder)
    assert warnings(result) == [
        f"warning: {A}: this deletes workflow {workflow} (pending) [workflow.deleted]"
    ]
    assert result.code == 0
    for path in MANY:
        (served.folder / path).unlink()
    shown = warnings(tink("validate", served.folder))
    assert len(shown) == 32
    assert shown[0].startswith("warning: workflows/: it empties workflows/")


def test_a_branch_that_is_behind_deletes_nothing_that_came_meanwhile(served, tink):
    served.git("branch", "feature")
    served.commit({B: numbered(200)})
    served.commit(gone=[sorted(MANY)[0]])
    served.git("checkout", "-q", "feature")
    assert warnings(tink("validate", served.folder)) == []
    (served.folder / A).unlink()
    served.git("commit", "-qam", "delete one")
    for words in ((), ("--commit", "feature")):
        result = tink("--repo", served.folder, "validate", *words)
        [shown] = warnings(result)
        assert f"this deletes workflow {served.status.requests[A]} (pending)" in shown


def test_another_history_on_the_branch_is_shown_before_it_is_pushed(served, tink):
    another_history(served, {**SITE, **MANY, A: numbered(100)})
    [shown] = warnings(tink("validate", served.folder))
    assert "warning: main: it does not descend from" in shown


def test_the_state_of_a_workflow_says_that_its_machine_may_not_work(served, tink):
    workflow = served.status.requests[sorted(MANY)[0]]
    assert "allow_workflow" not in tink("--repo", served.folder, "workflow", "state", workflow).out
    document = SITE["hardware/one.yaml"].replace("allow_workflow: true", "allow_workflow: false")
    served.commit({"hardware/one.yaml": document})
    for words in ((), ("-o", "json"), ("-o", "wide")):
        shown = tink("--repo", served.folder, "workflow", "state", workflow, *words).out
        assert "allow_workflow is false in hardware/one.yaml" in shown
