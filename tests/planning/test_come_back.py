"""What a machine has done is not done again because git moved a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.ids import WorkflowId
from provisioner.model.problem import Severity
from provisioner.model.state import State
from tests.builders import MACS, ONE, TWO, report, request
from tests.planning.test_planner import A, B, C, Site, codes, site

D = "workflows/d.yaml"
OWN = "11111111-2222-4333-8444-555555555555"
MINE = WorkflowId("a8984b09-566d-47ba-b6c5-fbe482d8ad7f")


def finish(story):
    """Let every machine do its work."""
    for workflow, entry in story.status.workflows.items():
        if not entry.state.value.endswith("PENDING"):
            continue
        for state in (State.RUNNING, State.SUCCESS):
            told = report(0, state, workflow=workflow, worker=entry.record.workers[0].id)
            story.status = story.status.apply(told)


@pytest.mark.parametrize("identity", [None, MINE])
@pytest.mark.parametrize("path", [A, B])
def test_a_request_that_comes_back_does_not_run_again(path, identity):
    story = site(request(A, id=identity))
    finish(story)
    [workflow] = story.status.workflows
    story.commit(gone=[A])
    plan = story.commit(request(path, id=identity))
    assert not plan.creations
    [problem] = plan.problems
    assert (problem.path, problem.code) == (path, "workflow.come-back")
    assert problem.severity is Severity.WARNING
    assert f"looks like workflow {workflow}, which ended in STATE_SUCCESS" in problem.message
    assert "id" in problem.hint
    assert codes(story.commit(full=True)) == ["workflow.come-back"]


def test_what_comes_back_with_an_id_of_its_own_runs():
    story = site(request(A))
    story.commit(gone=[A])
    assert len(story.commit(request(A, id=MINE, digest="with an id")).creations) == 1


def test_another_request_can_not_take_the_id_of_a_deleted_one():
    story = site(request(A, id=MINE))
    story.commit(gone=[A])
    plan = story.commit(request(A, id=MINE, digest="another"))
    assert codes(plan) == ["workflow.id-taken"]
    assert not plan.creations


def test_another_request_at_the_path_of_a_deleted_one_runs():
    story = site(request(A))
    story.commit(gone=[A])
    assert len(story.commit(request(A, devices={"device_1": MACS[TWO]})).creations) == 1


def test_a_copy_beside_the_first_runs():
    story = site(request(A))
    assert len(story.commit(request(B)).creations) == 1


def test_a_rename_over_two_commits_runs_nothing_although_one_of_its_content_stands():
    story = site(request(A), request(B))
    story.commit(gone=[B])
    plan = story.commit(request(C))
    assert codes(plan) == ["workflow.come-back"]
    assert not plan.creations
    assert len(story.commit(request(C, id=OWN, digest="with an id")).creations) == 1


def test_a_copy_that_was_deleted_comes_back_beside_the_first_and_does_not_run():
    story = site(request(A), request(B))
    story.commit(gone=[B])
    plan = story.commit(request(B))
    assert codes(plan) == ["workflow.come-back"]
    assert not plan.creations


def test_two_that_come_back_together_are_no_copies_of_each_other():
    story = site(request(A), request(B))
    story.commit(gone=[A, B])
    plan = story.commit(request(A), request(C))
    assert codes(plan) == ["workflow.come-back"] * 2
    assert not plan.creations


def test_a_disabled_request_that_comes_back_is_no_problem_before_it_is_enabled():
    story = site(request(A))
    story.commit(gone=[A])
    assert codes(story.commit(request(A, disabled=True))) == []
    assert codes(story.commit(request(A))) == ["workflow.come-back"]


def test_a_renamed_request_is_not_made_again_when_another_takes_its_old_name():
    story = site(request(A))
    [workflow] = story.status.workflows
    plan = story.commit(request(B), request(A, devices={"device_1": MACS[TWO]}))
    assert [(each.workflow_id, each.request_path) for each in plan.moves] == [(workflow, B)]
    assert [each.record.request_path for each in plan.creations] == [A]
    assert not plan.deletions and not plan.problems


def test_names_that_change_places_are_edits_and_run_nothing():
    other: dict[str, object] = {"device_1": MACS[TWO]}
    story = site(request(A), request(B, devices=other))
    plan = story.commit(request(A, devices=other), request(B))
    assert codes(plan) == ["workflow.immutable"] * 2
    assert not plan.creations and not plan.deletions


def test_an_edited_request_whose_old_text_turns_up_elsewhere_is_found_there():
    story = site(request(A))
    [workflow] = story.status.workflows
    story.commit(request(A, devices={"device_1": MACS[TWO]}))
    for full in (False, True):
        again = Site.__new__(Site)
        again.__dict__.update(story.__dict__)
        plan = again.commit(request(B), full=full)
        assert [each.workflow_id for each in plan.moves] == [workflow]
        assert [each.record.request_path for each in plan.creations] == [A]


PATHS = (A, B, C, D)
OTHER = WorkflowId("a8984b09-566d-47ba-b6c5-fbe482d8ad70")
CONTENTS = tuple(
    ({"device_1": MACS[machine]}, identity)
    for machine, own in ((ONE, MINE), (TWO, OTHER))
    for identity in (None, own)
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(PATHS), st.integers(0, len(CONTENTS) - 1)),
        st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
        st.tuples(st.just("delete"), st.sampled_from(PATHS), st.none()),
        st.tuples(st.just("go back"), st.integers(1, 6), st.none()),
        st.tuples(st.just("push"), st.booleans(), st.booleans()),
    ),
    min_size=4,
    max_size=30,
)


def changed(trees, step):
    """The files after a step; what is done to a file that is not there does nothing."""
    files = dict(trees[-1])
    match step:
        case ("write", path, content):
            files[path] = content
        case ("rename", old, new) if old in files:
            files[new] = files.pop(old)
        case ("delete", path, _):
            files.pop(path, None)
        case ("go back", count, _):
            files = dict(trees[max(0, len(trees) - 1 - count)])
    return files


def request_of(path, content):
    devices, identity = CONTENTS[content]
    made = request(path, devices=devices, id=identity)
    return replace(made, digest=f"{made.digest} {identity}")


@settings(max_examples=120, deadline=None)
@given(steps)
def test_no_order_of_pushes_deletions_reverts_and_renames_runs_a_request_twice(steps):
    story = site()
    trees, pushed = [{}], {}
    ran: Counter[int] = Counter()
    deleted_at: set[tuple[int, str]] = set()
    for step in [*steps, ("push", True, True)]:
        if step[0] != "push":
            trees.append(changed(trees, step))
            continue
        _, is_full, is_finishing = step
        files = trees[-1]
        documents = [request_of(*each) for each in files.items() if each not in pushed.items()]
        plan = story.commit(*documents, gone=pushed.keys() - files.keys(), full=is_full)
        for made in plan.creations:
            path = made.record.request_path
            content = files[path]
            is_copy = list(files.values()).count(content) > 1 and CONTENTS[content][1] is None
            assert not ran[content] or (is_copy and (content, path) not in deleted_at)
            ran[content] += 1
        for each in plan.deletions:
            record = story.status.workflows[each.workflow_id].record
            [content] = (n for n in range(len(CONTENTS)) if _is_of(n, record))
            deleted_at.add((content, each.message.removesuffix(" was deleted")))
        for path, content in files.items():  # what never ran is not refused
            found = (plan.problems, *story.desired.problems.values())
            held = {each.path: each.code for problems in found for each in problems}
            assert ran[content] or held.get(path) in ("workflow.immutable", "workflow.id-taken")
        assert sorted(story.status.requests.values()) == sorted(set(story.status.requests.values()))
        if is_finishing:
            finish(story)
        pushed = files


def _is_of(content, record):
    return request_of(record.request_path, content).digest == record.request_digest
