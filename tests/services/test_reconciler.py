"""From a commit to workflows, on real git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import Unavailable, UserError
from provisioner.model.state import State
from provisioner.planning import render_costs
from provisioner.services.queries import Queries
from provisioner.store.fsck import fsck
from provisioner.store.upkeep import retention
from tests.builders import HELLO, MACS, ONE, TWO
from tests.services.parts import SITE, hardware_file, request_file
from tests.services.reconciled_site import Site

A, B, C = "workflows/a.yaml", "workflows/b.yaml", "workflows/c.yaml"


@pytest.fixture
def site(site):
    opened = Site(site)
    yield opened
    opened.stop()


def test_a_commit_with_a_request_becomes_a_workflow_in_one_commit(site):
    outcome = site.commit({**SITE, A: request_file()})
    assert outcome.created == 1
    [workflow] = site.status.workflows
    assert site.states() == {A: State.PENDING}
    kept = site.writer.store.read_rendered(workflow)
    assert kept == HELLO.replace("{{.device_1}}", MACS[ONE])
    assert site.git("rev-list", "--count", "status^").strip() == "1", "the commit that began it"
    report = site.writer.store.read_reconcile()
    assert report.desired_commit == site.git("rev-parse", "main").strip()
    assert report.problems == ()


def test_nothing_new_is_nothing_to_do(site):
    site.commit({**SITE, A: request_file()})
    assert site.reconciler.reconcile() is None


def test_a_repository_without_a_desired_branch_is_waited_for(tmp_path, site):
    site.git("checkout", "-q", "--orphan", "other")
    site.git("branch", "-q", "-D", "main")
    assert site.reconciler.reconcile() is None


def test_problems_stand_in_reconcile_json_and_good_files_take_effect(site):
    site.commit(
        {**SITE, A: request_file(), B: request_file("nothing"), "hardware/x.yaml": "\tid: x"}
    )
    assert list(site.states()) == [A]
    problems = site.writer.store.read_reconcile().problems
    assert {each.path for each in problems} == {B, "hardware/x.yaml"}
    bad = next(each for each in problems if each.path == "hardware/x.yaml")
    assert bad.line == 1


def test_a_text_that_is_no_template_is_told_before_a_request_uses_it(site):
    broken = HELLO.replace("hello_world_workflow", "other").replace("}}", "}", 1)
    site.commit({**SITE, "templates/other.yaml": broken})
    assert [(path, line) for path, line, _ in site.codes] == [("templates/other.yaml", 6)]
    site.restart()
    site.commit({A: request_file()})
    assert [(path, line) for path, line, _ in site.codes] == [("templates/other.yaml", 6)]
    site.commit({"templates/other.yaml": HELLO.replace("hello_world_workflow", "other")})
    assert site.codes == []


def test_two_machines_with_one_mac_are_told_with_both_places(site):
    site.commit(
        {**SITE, "hardware/zwei.yaml": hardware_file(TWO[:-1] + "3", mac=MACS[ONE], ip="10.0.0.1")}
    )
    [problem] = site.status.reconcile.problems
    assert problem.path == "hardware/zwei.yaml"
    assert (problem.line, problem.column) == (5, 14)
    assert "hardware/one.yaml:5" in problem.message


def test_editing_or_renaming_what_was_used_changes_no_workflow(site):
    site.commit({**SITE, A: request_file()})
    before = site.git("rev-parse", "status:workflows")
    site.commit(
        {
            "templates/new-name.yaml": HELLO.replace("600", "900"),
            "hardware/one.yaml": hardware_file(ip="10.1.1.1"),
        },
        gone=["templates/hello.yaml"],
    )
    assert site.codes == []
    assert site.git("rev-parse", "status:workflows") == before


def test_editing_a_request_is_told_and_runs_nothing(site):
    site.commit({**SITE, A: request_file()})
    site.commit({A: request_file(device_1=MACS[TWO])})
    assert site.codes == [(A, 0, "workflow.immutable")]
    assert len(site.status.workflows) == 1


@pytest.mark.parametrize("now", ["false", "true"])
def test_a_machine_that_waits_is_woken_when_its_document_changes(site, now):
    before = {"true": "false", "false": "true"}[now]
    document = hardware_file().replace("allow_workflow: true", "allow_workflow: {}")
    site.commit({**SITE, "hardware/one.yaml": document.format(before), A: request_file()})
    woken = []
    queries = Queries(site.snapshots.current)
    site.snapshots.wait(queries.names_of(MACS[ONE]), lambda: woken.append("one"))
    site.snapshots.wait(queries.names_of(MACS[TWO]), lambda: woken.append("two"))
    site.commit({"hardware/one.yaml": document.format(now)})
    assert woken == ["one"]
    offer = Queries(site.snapshots.current).offer(MACS[ONE])
    assert (offer is not None) is (now == "true")
    assert site.codes == []


def test_reformatting_a_request_is_no_edit(site):
    site.commit({**SITE, A: request_file()})
    site.commit({A: "# a comment\n\n" + request_file().replace('"', "'")})
    assert site.codes == []


@pytest.mark.parametrize("was_away", [False, True])
def test_a_renamed_request_is_the_same_workflow_also_over_a_restart(site, was_away):
    site.commit({**SITE, A: request_file()})
    [workflow] = site.status.workflows
    if was_away:
        site.restart()
    site.commit({B: request_file()}, gone=[A])
    assert list(site.status.workflows) == [workflow]
    assert dict(site.status.requests) == {B: workflow}
    site.restart()
    assert dict(site.status.requests) == {B: workflow}
    assert site.reconciler.reconcile().created == 0


@pytest.mark.parametrize("was_away", [False, True])
def test_deleting_a_request_cancels_its_workflow(site, was_away):
    site.commit({**SITE, A: request_file()})
    if was_away:
        site.restart()
    site.commit(gone=[A])
    assert site.states() == {A: State.CANCELLED}


@pytest.mark.parametrize("path", [A, B])
def test_a_request_that_comes_back_after_a_restart_does_not_run_again(site, path):
    site.commit({**SITE, A: request_file()})
    site.commit(gone=[A])
    site.restart()
    site.commit({path: request_file()})
    assert site.states() == {A: State.CANCELLED}
    assert site.codes == [(path, 0, "workflow.come-back")]
    site.restart()
    site.reconciler.reconcile()
    assert site.codes == [(path, 0, "workflow.come-back")]


def test_a_reverted_clean_up_runs_nothing_again_also_of_what_was_archived(site):
    stays = request_file(device_1=MACS[TWO])
    site.commit({**SITE, A: request_file(), B: request_file(), C: stays})
    site.commit(gone=[A, B])
    retention.run(site.writer, ended_before="9999", at_seconds=1_795_435_300)
    site.git("revert", "--no-edit", "HEAD")
    site.reconciler.reconcile()
    site.restart()
    site.reconciler.reconcile()
    assert site.states() == {A: State.CANCELLED, B: State.CANCELLED, C: State.PENDING}
    assert [code for _, _, code in site.codes] == ["workflow.come-back"] * 2


def test_files_that_change_places_in_one_commit_keep_their_workflows(site):
    """As a rotation of names does it: b becomes c, a becomes b, and a is new."""
    one, two, three = (request_file(device_1=MACS[ONE], n=n) for n in "123")
    site.commit({**SITE, A: one, B: two})
    [first, second] = (site.status.requests[path] for path in (A, B))
    assert site.commit({C: two, B: one, A: three}).created == 1
    assert site.codes == []
    assert (site.status.requests[B], site.status.requests[C]) == (first, second)
    assert len(site.status.workflows) == 3
    site.restart()
    assert site.reconciler.reconcile().created == 0
    assert (site.status.requests[B], site.status.requests[C]) == (first, second)
    report = fsck.check(site.repo)
    assert report.events == 2 and not report.problems


def test_a_finished_workflow_is_not_run_again_by_a_restart(site):
    site.commit({**SITE, A: request_file()})
    site.restart()
    site.reconciler.reconcile()
    assert len(site.status.workflows) == 1


def test_of_a_broken_file_the_last_good_version_survives_a_restart(site):
    site.commit(SITE)
    site.commit({"hardware/one.yaml": "id: [", A: request_file()})
    assert site.states() == {A: State.PENDING}
    site.restart()
    site.commit({B: request_file()})
    assert site.states() == {A: State.PENDING, B: State.PENDING}
    assert [path for path, _, _ in site.codes] == ["hardware/one.yaml"]


def test_a_machine_stays_its_owners_over_a_restart(site):
    site.commit(SITE)
    thief = hardware_file(TWO[:-1] + "3", mac=MACS[ONE], ip="10.0.0.1")
    site.commit({"hardware/a-thief.yaml": thief})
    site.restart()
    site.reconciler.reconcile()
    assert site.snapshots.current.desired.hardware_by_mac[MACS[ONE]] == ONE
    assert [path for path, _, _ in site.codes] == ["hardware/a-thief.yaml"]


def test_a_pending_request_runs_when_what_it_needs_is_committed(site):
    site.commit({"templates/hello.yaml": HELLO, A: request_file()})
    assert [code for _, _, code in site.codes] == ["workflow.worker-unknown"]
    site.commit({"hardware/one.yaml": hardware_file()})
    assert site.states() == {A: State.PENDING}
    assert site.codes == []


def test_links_submodules_and_odd_names_are_told_and_block_nothing(site):
    (site.folder / "hardware").mkdir()
    (site.folder / "hardware/link.yaml").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(site.folder) + b"/hardware/\xff.yaml")).write_text("id: x")
    (site.folder / "hardware/back\\slash.yaml").write_text("id: x")
    site.commit({**SITE, A: request_file()})
    assert site.states() == {A: State.PENDING}
    assert sorted(code for _, _, code in site.codes) == ["file.name", "file.name", "file.symlink"]
    site.restart()
    assert site.reconciler.reconcile().created == 0


def test_many_requests_are_written_in_bounded_commits_and_in_their_order(site):
    count = 450
    requests = {f"workflows/{number:04}.yaml": request_file() for number in range(count)}
    assert site.commit({**SITE, **requests}).created == count
    # At most two chunks of 200 share a commit, so that reports get their turn.
    assert 2 <= int(site.git("rev-list", "--count", "status^")) <= 3
    queue = [site.status.workflows[each].record.request_path for each in site.status.queues[ONE]]
    assert queue == sorted(requests)


def test_a_pass_that_took_long_lets_the_next_push_in_and_is_finished_later(site, monkeypatch):
    monkeypatch.setattr(render_costs, "SLOW_SECONDS", -1.0)  # every request is a slow one
    monkeypatch.setattr(render_costs, "PASS_SECONDS", 0.0)  # one a pass
    requests = {f"workflows/{number}.yaml": request_file() for number in range(1, 5)}
    assert site.commit({**SITE, **requests}).created == 1
    assert site.commit({"workflows/0.yaml": request_file()}).created == 1
    assert "workflows/0.yaml" in site.states()
    counts = []
    while (outcome := site.reconciler.reconcile()) is not None:
        counts.append(outcome.created)
    assert counts == [1, 1, 1]
    assert set(site.states()) == {"workflows/0.yaml", *requests}
    assert site.codes == []


def test_a_pass_that_broke_off_is_finished_later_and_makes_nothing_twice(site):
    class FullDiskOnce:
        """The second commit fails."""

        def __init__(self, writer):
            self.writer, self.asked = writer, 0

        def propose(self, proposal, *, is_bulk=False):
            self.asked += 1
            if self.asked == 2:
                return self.writer.propose(_no_space)
            return self.writer.propose(proposal)

    site.stop()
    site.start(FullDiskOnce)
    requests = {f"workflows/{number:04}.yaml": request_file() for number in range(300)}
    with pytest.raises(Unavailable):
        site.commit({**SITE, **requests})
    assert site.reconciler.reconcile().created == 100
    assert len(site.status.workflows) == 300
    assert len({each.record.request_path for each in site.status.workflows.values()}) == 300
    assert site.reconciler.reconcile() is None


def _no_space(view):
    raise Unavailable("No space left on device")


def test_somebody_elses_commit_on_the_status_branch_is_built_upon(site):
    site.commit(SITE)
    site.git("checkout", "-q", "status")
    (site.folder / "note.txt").write_text("hello")
    site.git("add", "note.txt")
    site.git("commit", "-q", "-m", "a note")
    site.git("checkout", "-q", "main")
    site.commit({A: request_file()})
    assert site.git("show", "status:note.txt") == "hello"
    assert len(site.writer.store.list_workflows()) == 1


def workflow_document(device):
    return f"""\
apiVersion: tinkerbell.org/v1alpha1
kind: Workflow
metadata: {{name: w}}
spec: {{templateRef: hello_world_workflow, hardwareMap: {{device_1: "{device}"}}}}
"""


def test_each_request_of_a_file_becomes_a_workflow_and_keeps_it_when_others_come_and_go(site):
    one, two = workflow_document(MACS[ONE]), workflow_document(MACS[TWO])
    assert site.commit({**SITE, A: two}).created == 1
    [first] = site.status.workflows
    outcome = site.commit({A: f"{one}---\n{two}"})
    assert (outcome.created, outcome.moved, outcome.deleted) == (1, 1, 0)
    assert site.status.requests.get(f"{A}#2") == first
    outcome = site.commit({A: two})
    assert (outcome.created, outcome.moved, outcome.deleted) == (0, 1, 1)
    assert dict(site.status.requests) == {A: first}


def test_a_machine_is_found_by_its_agents_name_also_when_it_comes_later(site):
    """In the template's `worker`, and when the agent asks for its action."""
    machine = """\
apiVersion: tinkerbell.org/v1alpha1
kind: Hardware
metadata: {name: r3u7}
spec: {agentID: rack3-u07}
"""
    files = {key: text for key, text in SITE.items() if key.startswith("templates/")}
    outcome = site.commit({**files, A: workflow_document("rack3-u07")})
    assert [each.code for each in outcome.report.problems] == ["workflow.worker-invalid"]
    assert site.commit({"hardware/r3u7.yaml": machine}).created == 1
    queries = Queries(site.snapshots.current)
    offer = queries.offer("rack3-u07")
    assert offer is not None and offer.action.worker == "rack3-u07"
    with pytest.raises(UserError, match="names no worker"):
        queries.offer("rack3-u08")


def test_a_request_whose_template_is_broken_is_told_where(site):
    broken = {"templates/hello.yaml": "tasks: ["}
    outcome = site.commit({**SITE, **broken, A: request_file()})
    [problem] = [each for each in outcome.report.problems if each.path == A]
    assert problem.code == "workflow.template-unknown"
    assert problem.hint.startswith("templates/hello.yaml can't be used")
