"""From two states to a plan: what is made, moved, deleted, refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import DesiredState, StatusView, path_of
from provisioner.planning import desired as desired_planning
from provisioner.planning import planner
from provisioner.planning.desired import file_of
from tests import builders
from tests.builders import AT, COMMIT, HELLO, MACS, ONE, TWO, hardware, request, template
from tests.planning.test_desired import broken, file

TWO_WORKERS = (
    HELLO
    + """\
  - name: "second"
    worker: {{.device_2}}
    actions:
      - name: "again"
        image: hello-world
        environment:
          MAC: {{.device_2}}
"""
)
A, B, C = "workflows/a.yaml", "workflows/b.yaml", "workflows/c.yaml"


class Site:
    """A desired branch and the status branch that follows it."""

    def __init__(self, *documents):
        self.desired = DesiredState()
        self.status = StatusView()
        self.plan = planner.Plan()
        self._ids = count(1)
        self.commit(*documents)

    def commit(self, *documents, gone=(), full=False):
        files: dict = {}
        for each in documents:
            files.setdefault(file_of(each.source.path), []).append(each)
        changed = {path: file(*each, blob=str(next(self._ids))) for path, each in files.items()}
        changed |= dict.fromkeys(gone)
        update = desired_planning.update(self.desired, changed, commit=COMMIT)
        self.desired = update.state
        self.plan = planner.plan(
            self.desired,
            self.status,
            changed_paths=None if full else update.changed,
            now=AT,
            new_id=self.new_id,
            pending=self.plan.pending,
            touched=update.touched,
        )
        plan = self.plan
        self.status = builders.after(self.status, (*plan.moves, *plan.creations, *plan.deletions))
        return plan

    def new_id(self):
        return WorkflowId(f"0190a5c0-0000-7000-8000-{next(self._ids):012d}")


def site(*more):
    return Site(hardware(ONE), hardware(TWO), template(), *more)


def codes(plan):
    return [each.code for each in plan.problems]


def test_a_request_becomes_a_workflow_with_the_mac_filled_in():
    [made] = site(request(A)).plan.creations
    assert 'worker: "08:00:27:00:00:01"' in made.rendered
    assert made.record.name == "hello_world_workflow"
    assert made.record.request_path == A
    assert made.record.actions[0].worker_id == ONE
    assert made.record.actions[0].timeout_seconds == 60
    assert made.record.global_timeout_seconds == 600
    assert [(each.id, each.macs) for each in made.record.workers] == [(ONE, (MACS[ONE],))]
    assert made.record.hardware[ONE]["id"] == ONE


@pytest.mark.parametrize(
    ("of_template", "of_request", "seconds"), [(0, None, 0), (60, None, 60), (60, 5, 5), (60, 0, 0)]
)
def test_start_timeout_is_the_requests_or_else_the_templates(of_template, of_request, seconds):
    text = HELLO.replace("tasks:", f"start_timeout: {of_template}\ntasks:")
    story = Site(hardware(ONE), hardware(TWO), template(text))
    for path, device in ((A, MACS[ONE]), (B, MACS[TWO])):  # the second is made of the same shape
        wanted = request(path, devices={"device_1": device}, start_timeout_seconds=of_request)
        [made] = story.commit(wanted).creations
        assert made.record.start_timeout_seconds == seconds


def test_a_request_with_an_id_keeps_it():
    mine = WorkflowId("a8984b09-566d-47ba-b6c5-fbe482d8ad7f")
    [made] = site(request(A, id=mine)).plan.creations
    assert made.record.id == mine


@pytest.mark.parametrize("spelling", ["08-00-27-00-00-01", "0800.2700.0001", "192.168.1.5"])
def test_a_worker_may_be_spelt_in_any_usual_way(spelling):
    [made] = site(request(A, devices={"device_1": spelling})).plan.creations
    assert made.record.actions[0].worker_id == ONE
    assert made.record.actions[0].worker == spelling


def test_the_template_may_be_named_by_its_id():
    assert site(request(A, template=template().id)).plan.creations


def test_a_workflow_of_two_machines_names_the_worker_of_each_action():
    story = Site(hardware(ONE), hardware(TWO), template(TWO_WORKERS))
    plan = story.commit(request(A, devices={"device_1": MACS[ONE], "device_2": MACS[TWO]}))
    [made] = plan.creations
    assert [each.worker_id for each in made.record.actions] == [ONE, TWO]
    assert made.record.actions[1].environment == (("MAC", MACS[TWO]),)


def test_nothing_is_made_twice():
    story = site(request(A))
    assert story.commit(full=True) == planner.Plan()
    assert story.commit(request(A)) == planner.Plan()


def test_editing_a_template_or_the_hardware_changes_no_workflow():
    story = site(request(A))
    before = dict(story.status.workflows)
    plan = story.commit(
        template(HELLO.replace("600", "700")), hardware(ONE, mac=MACS[ONE], ip="10.9.9.9")
    )
    assert plan == planner.Plan()
    assert dict(story.status.workflows) == before


def test_an_edit_of_a_request_is_a_problem_and_changes_nothing():
    story = site(request(A))
    plan = story.commit(request(A, devices={"device_1": MACS[TWO]}))
    assert codes(plan) == ["workflow.immutable"]
    assert not plan.creations and not plan.deletions
    assert codes(story.commit()) == ["workflow.immutable"]
    assert codes(story.commit(request(A))) == []


@pytest.mark.parametrize("was", [True, False])
def test_an_edit_of_toggle_allow_netboot_is_a_problem_too(was):
    """It is not in the digest, as records of an older program have none with it."""
    story = site(request(A, toggles_netboot=was))
    plan = story.commit(request(A, toggles_netboot=not was))
    assert codes(plan) == ["workflow.immutable"]
    # A server that starts asks only the records of requests that toggle.
    assert codes(story.commit(full=True)) == ([] if was else ["workflow.immutable"])
    assert codes(story.commit(request(A, toggles_netboot=was))) == []
    assert codes(story.commit(request(B, toggles_netboot=not was), gone=[A])) == [
        "workflow.immutable"
    ]


def test_and_also_when_its_workflow_has_ended():
    story = site(request(A, toggles_netboot=True))
    [workflow] = story.status.workflows
    story.status = builders.after(
        story.status,
        [builders.report(0, state, workflow=workflow) for state in (State.RUNNING, State.SUCCESS)],
    )
    assert story.status.workflows[workflow].state is State.SUCCESS
    assert codes(story.commit(request(A, toggles_netboot=False))) == ["workflow.immutable"]


def test_a_record_that_does_not_say_whether_it_toggles_is_not_held_against_its_request():
    story = site(request(A, toggles_netboot=True))
    [entry] = story.status.workflows.values()
    older = replace(entry.record, installs_os=None, allows_netboot=False)
    story.status = builders.status(older)
    assert codes(story.commit(full=True)) == []
    assert story.plan == planner.Plan()


def test_a_renamed_request_is_a_move_also_for_a_server_that_was_away():
    for full in (False, True):
        story = site(request(A))
        [workflow] = story.status.workflows
        plan = story.commit(request(B), gone=[A], full=full)
        assert [each.request_path for each in plan.moves] == [B]
        assert not plan.creations and not plan.deletions
        assert dict(story.status.requests) == {B: workflow}


def test_a_request_with_an_id_is_moved_by_its_id():
    mine = WorkflowId("a8984b09-566d-47ba-b6c5-fbe482d8ad7f")
    story = site(request(A, id=mine))
    plan = story.commit(request(B, id=mine, digest="another"), gone=[A])
    assert [each.workflow_id for each in plan.moves] == [mine]
    assert codes(plan) == ["workflow.immutable"]


def test_the_same_content_at_a_second_path_runs_again():
    story = site(request(A))
    assert len(story.commit(request(B)).creations) == 1


def test_two_renamed_requests_of_one_content_keep_their_two_workflows():
    story = site(request(A), request(B))
    plan = story.commit(request("workflows/c.yaml"), request("workflows/d.yaml"), gone=[A, B])
    assert len(plan.moves) == 2
    assert not plan.creations and not plan.deletions
    assert len(story.status.requests) == 2


def test_deleting_the_file_deletes_the_workflow():
    story = site(request(A))
    [workflow] = story.status.workflows
    [deletion] = story.commit(gone=[A]).deletions
    assert deletion.workflow_id == workflow
    assert story.status.workflows[workflow].context.is_deleted
    assert story.commit(full=True) == planner.Plan()


def test_a_file_that_became_bad_deletes_nothing():
    story = site(request(A))
    bad = desired_planning.update(story.desired, {A: broken(A)}, commit=COMMIT)
    for paths in ([A], None):
        plan = planner.plan(
            bad.state, story.status, changed_paths=paths, now=AT, new_id=story.new_id
        )
        assert not plan.deletions


def test_of_several_requests_in_one_file_each_lives_its_own_life():
    two = [request(f"{A}#1"), request(f"{A}#2", devices={"device_1": MACS[TWO]})]
    story = site(*two)
    assert len(story.plan.creations) == 2
    [deletion] = story.commit(request(A, devices={"device_1": MACS[TWO]})).deletions
    assert story.status.workflows[deletion.workflow_id].record.request_path == f"{A}#1"
    assert list(story.status.requests) == [A]


def test_a_disabled_request_waits_until_it_is_enabled():
    story = site(request(A, disabled=True))
    assert story.plan == planner.Plan()
    assert len(story.commit(request(A)).creations) == 1


def test_an_unknown_template_is_told_and_the_request_runs_when_it_comes():
    story = Site(hardware(ONE), request(A))
    assert codes(story.plan) == ["workflow.template-unknown"]
    assert len(story.commit(template()).creations) == 1
    assert codes(story.plan) == []


def test_an_unknown_worker_is_told_as_classic_tink_told_it_with_its_place():
    story = Site(template(), request(A))
    [problem] = story.plan.problems
    assert problem.path == A
    assert "no worker found: mac: 08:00:27:00:00:01" in problem.message
    assert "templates/hello.yaml:6" in problem.message
    assert not story.commit(hardware(TWO)).creations
    assert len(story.commit(hardware(ONE)).creations) == 1


def test_what_is_no_address_is_told():
    story = site(request(A, devices={"device_1": "the left one"}))
    assert "invalid worker address: the left one" in story.plan.problems[0].message


def test_a_missing_key_is_told_in_the_template_and_names_the_request():
    story = site(request(A, devices={"device_9": MACS[ONE]}))
    [problem] = story.plan.problems
    assert (problem.path, problem.line) == ("templates/hello.yaml", 6)
    assert 'no value for "device_1"' in problem.message
    assert A in problem.message


def test_a_value_that_breaks_the_rendered_yaml_is_told_at_its_line():
    story = site(request(A, devices={"device_1": 'x" y: ['}))
    [problem, *_] = story.plan.problems
    assert (problem.path, problem.line) == ("templates/hello.yaml", 6)
    assert len(story.commit(request(B)).creations) == 1


def test_the_first_line_of_a_kubernetes_template_is_counted():
    text = HELLO.replace("device_1", "nothing")
    story = Site(hardware(ONE), template(text, first_line=12, indent=4), request(A))
    assert story.plan.problems[0].line == 6 + 11


def test_a_kubernetes_era_template_sees_its_machine():
    text = HELLO.replace('"{{.device_1}}"', "{{.device_1}}").replace(
        "hello-world", "{{index .Hardware.Disks 0}}-{{.hardware.metadata.name}}"
    )
    machine = hardware(
        ONE, kubernetes={"metadata": {"name": "m1"}, "spec": {"disks": [{"device": "alpine"}]}}
    )
    story = Site(machine, template(text, is_kubernetes=True), request(A))
    assert story.plan.creations[0].record.actions[0].image == "alpine-m1"


@pytest.mark.parametrize("devices", [3, 40])
def test_workflows_of_one_template_differ_only_in_their_addresses(devices):
    machines = [
        hardware(
            HardwareId(f"{number:08d}-1111-4111-8111-111111111111"),
            mac=f"52:54:00:12:34:{number:02x}",
            ip=f"10.0.0.{number}",
            path=f"hardware/{number}.yaml",
        )
        for number in range(devices)
    ]
    story = Site(template(), *machines)
    plan = story.commit(
        *(
            request(f"workflows/{number}.yaml", devices={"device_1": each.macs[0]})
            for number, each in enumerate(machines)
        )
    )
    made = {each.record.request_path: each for each in plan.creations}
    for number, machine in enumerate(machines):
        record = made[f"workflows/{number}.yaml"].record
        assert record.actions[0].worker == machine.macs[0]
        assert record.actions[0].worker_id == machine.id
        assert machine.macs[0] in made[f"workflows/{number}.yaml"].rendered


def test_the_path_of_a_moved_workflow_is_its_newest():
    story = site(request(A))
    story.commit(request(B), gone=[A])
    [entry] = story.status.workflows.values()
    assert path_of(entry) == B


def test_workflows_can_be_written_before_the_rest_of_a_plan_is_rendered():
    story = site()
    unknown = request("workflows/b.yaml", template="unknown")
    update = desired_planning.update(
        story.desired,
        {each.source.path: file(each, blob="new") for each in (request(A), unknown, request(C))},
        commit=COMMIT,
    )
    made = []

    def new_id():
        made.append(story.new_id())
        return made[-1]

    planning = planner.begin(
        update.state, story.status, changed_paths=update.changed, now=AT, new_id=new_id
    )
    assert made == []
    creations = planning.creations()
    first = next(creations)
    assert made == [first.record.id]
    plan = planning.finish()
    assert [each.record.request_path for each in plan.creations] == [A, C]
    assert plan.creations[0] is first
    assert codes(plan) == ["workflow.template-unknown"]
    assert list(plan.pending) == ["workflows/b.yaml"]
