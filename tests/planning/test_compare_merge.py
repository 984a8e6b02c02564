"""What a merge would do, by the planning of a server before and after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.state import State
from provisioner.model.views import StatusView
from provisioner.planning import compare_merge
from provisioner.planning.boot_decision import Boot
from provisioner.planning.merge_plan import DiskWrite, Edit
from tests import builders
from tests.builders import HELLO, MACS, ONE, TWO, hardware, request, template
from tests.planning.test_planner import A, B, Site

INSTALL = HELLO.replace("hello_world_workflow", "install").replace(
    "image: hello-world", "image: quay.io/tinkerbell/actions/image2disk:v1.0.0"
)


class Branches:
    """A desired branch, what a server made of it, and a branch that would be merged."""

    def __init__(self, *documents):
        self._site = Site(hardware(ONE), hardware(TWO), template(), *documents)
        self.base, self.status = self._site.desired, self._site.status

    def plan(self, *documents, gone=(), status=None, **options):
        merged = Site.__new__(Site)
        merged.__dict__ = dict(self._site.__dict__)
        merged.commit(*documents, gone=gone)
        status = self.status if status is None else status
        return compare_merge.compare(self.base, merged.desired, status, **options)


def test_a_merge_that_changes_nothing_has_no_changes():
    plan = Branches(request(A)).plan()
    assert not plan.has_changes
    assert (plan.unchanged, plan.problems, plan.standing_problems) == (1, (), 0)


def test_a_new_request_is_a_workflow_with_its_machine_and_actions():
    [created] = Branches(request(A)).plan(request(B)).creations
    assert created.record.request_path == B
    assert [machine.id for machine in created.machines] == [ONE]
    assert [planned.action.image for planned in created.actions] == ["hello-world"]
    assert not created.is_destructive


def test_what_the_base_brings_and_no_server_took_up_yet_is_not_the_merges():
    """The server is late: the merge creates one workflow, not two."""
    plan = Branches(request(A)).plan(request(B), status=StatusView())
    assert [created.record.request_path for created in plan.creations] == [B]


def test_a_workflow_that_is_to_write_a_disk_is_destructive():
    branches = Branches(template(INSTALL, name="install", path="templates/install.yaml"))
    [created] = branches.plan(request(B, template="install")).creations
    assert created.is_destructive
    assert created.reinstalls == ()


@pytest.mark.parametrize(
    ("image", "volumes", "expected"),
    [
        ("alpine", (), DiskWrite.NO),
        ("alpine", ("/devices:/devices", "/tmp:/dev"), DiskWrite.NO),
        ("alpine", ("/dev:/dev",), DiskWrite.MAY),
        ("alpine", ("/dev/sda:/disk:rw",), DiskWrite.MAY),
        ("host:5000/actions/rootio:v1@sha256:ab", (), DiskWrite.YES),
        ("archive2disk", (), DiskWrite.YES),
        ("disk-wipe:v1", ("/dev:/dev",), DiskWrite.YES),
    ],
)
def test_an_action_writes_a_disk_by_its_image_or_may_by_its_devices(image, volumes, expected):
    action = replace(builders.action(0), image=image, volumes=volumes)
    assert compare_merge.disk_write(action) is expected


def test_a_machine_that_is_installed_is_said_to_be_installed_anew():
    branches = Branches(
        template(INSTALL, name="install", path="templates/install.yaml"),
        request(A, template="install"),
    )
    workflow = branches.status.requests[A]
    events = [
        builders.report(0, state, workflow=workflow) for state in (State.RUNNING, State.SUCCESS)
    ]
    status = builders.after(branches.status, events)
    [created] = branches.plan(request(B, template="install"), status=status).creations
    assert [(machine.id, by) for machine, by in created.reinstalls] == [(ONE, workflow)]


def test_a_machine_whose_installation_failed_is_not_installed_anew():
    branches = Branches(
        template(INSTALL, name="install", path="templates/install.yaml"),
        request(A, template="install"),
    )
    workflow = branches.status.requests[A]
    events = [
        builders.report(0, state, workflow=workflow) for state in (State.RUNNING, State.FAILED)
    ]
    status = builders.after(branches.status, events)
    [created] = branches.plan(request(B, template="install"), status=status).creations
    assert created.reinstalls == ()
    assert created.is_destructive  # it writes the disk all the same


def test_deleting_the_request_of_a_workflow_that_waits_cancels_it():
    branches = Branches(request(A))
    plan = branches.plan(gone=[A])
    [deletion] = plan.deletions
    assert (deletion.workflow, deletion.request_path) == (branches.status.requests[A], A)
    assert deletion.cancels and plan.cancelled == 1
    assert deletion.state is State.PENDING


def test_deleting_the_request_of_a_workflow_that_ended_cancels_nothing():
    branches = Branches(request(A))
    workflow = branches.status.requests[A]
    events = [
        builders.report(0, state, workflow=workflow) for state in (State.RUNNING, State.FAILED)
    ]
    plan = branches.plan(gone=[A], status=builders.after(branches.status, events))
    assert (plan.cancelled, len(plan.deletions)) == (0, 1)


def test_without_a_status_branch_the_requests_of_the_base_count_as_workflows():
    plan = Branches(request(A)).plan(gone=[A], status=StatusView(), knows_status=False)
    [deletion] = plan.deletions
    assert deletion.state is None and deletion.cancels
    edited = Branches(request(A)).plan(
        request(A, devices={"device_1": MACS[TWO]}), status=StatusView(), knows_status=False
    )
    assert [problem.code for problem in edited.problems] == ["workflow.immutable"]
    assert edited.creations == ()


def test_a_problem_of_the_base_is_counted_and_not_blamed_on_the_merge():
    branches = Branches(request(A, template="nothing"))
    plan = branches.plan(request(B))
    assert plan.problems == ()
    assert plan.standing_problems == 1


def test_a_problem_that_the_merge_brings_is_shown():
    plan = Branches(request(A)).plan(request(B, template="nothing"))
    [problem] = plan.errors
    assert problem.path == B
    assert plan.standing_problems == 0


def test_a_request_that_only_moved_goes_on():
    branches = Branches(request(A))
    plan = branches.plan(request(B), gone=[A])
    assert plan.moves == ((branches.status.requests[A], B),)
    assert (plan.creations, plan.deletions) == ((), ())


def test_edits_of_hardware_and_templates_are_listed_with_whether_a_workflow_uses_them():
    changed = template(HELLO.replace("timeout: 60", "timeout: 61"))
    branches = Branches(request(A))
    plan = branches.plan(changed, hardware(TWO, name="other"), request(B))
    found = {(edit.kind, edit.edit, edit.in_workflows) for edit in plan.edits}
    assert found == {("Hardware", Edit.CHANGED, False), ("Template", Edit.CHANGED, True)}


def test_a_file_that_was_only_written_anew_is_no_edit():
    same = hardware(ONE)
    source = replace(same.source, blob_id="another")
    assert Branches().plan(replace(same, source=source)).edits == ()


def test_a_machine_that_gets_its_first_workflow_boots_another_way():
    [change] = Branches().plan(request(B)).boots
    assert (change.mac, change.before.boot, change.after.boot) == (
        MACS[ONE],
        Boot.IGNORE,
        Boot.MEMORY,
    )
    assert Branches().plan(request(B), idle="memory").boots == ()


def test_a_machine_that_loses_its_workflow_boots_another_way():
    [change] = Branches(request(A)).plan(gone=[A]).boots
    assert (change.before.boot, change.after.boot) == (Boot.MEMORY, Boot.IGNORE)


def test_deleting_much_is_said_to_wait_for_a_person():
    paths = [f"workflows/{number}.yaml" for number in range(12)]
    branches = Branches(*(request(path) for path in paths))
    plan = branches.plan(gone=paths)
    assert [problem.code for problem in plan.warnings] == ["desired.not-accepted"]
    assert plan.standing_problems == 0
