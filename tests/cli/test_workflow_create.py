"""`tink workflow create`: checked as the server checks, then committed."""

from __future__ import annotations

import re

import pytest

from tests.cli.repository import HELLO, git

DEVICES = '{"device_1":"08:00:27:00:00:01"}'


def test_create_commits_a_request_and_prints_the_id(tink, home):
    result = tink("workflow", "create", "-t", HELLO, "-r", DEVICES)
    assert result.code == 0
    found = re.fullmatch(r"Created Workflow:  ([0-9a-f-]{36})\n", result.out)
    assert found
    told = re.search(r"^committed (workflows/\S+\.yaml) on branch main$", result.err, re.M)
    assert told
    text = (home / told[1]).read_text()
    assert f"id: {found[1]}\n" in text
    assert "08:00:27:00:00:01" in text
    assert git(home, "log", "-1", "--format=%s") == "Ask for hello_world_workflow on n1\n"


def test_the_id_is_a_uuid_of_version_7(tink, home):
    out = tink("workflow", "create", "-t", HELLO, "-r", DEVICES).out
    assert out.split()[-1][14] == "7"


def test_a_template_is_named_by_id_or_by_name(tink, home):
    result = tink("workflow", "create", "-t", "hello_world_workflow", "-r", DEVICES)
    assert result.code == 0


def test_a_request_may_say_how_long_it_waits_for_its_start(tink, home):
    words = ("workflow", "create", "-t", HELLO, "-r", DEVICES, "--start-timeout")
    assert tink(*words, "600").code == 0
    [path] = (home / "workflows").glob("*.yaml")
    assert "start_timeout: 600\n" in path.read_text()
    assert tink(*words, "-1").code == 2


@pytest.mark.waits
def test_waiting_for_a_server_that_does_not_come_ends_with_what_to_do(tink, home):
    result = tink("workflow", "create", "-t", HELLO, "-r", DEVICES, "--wait", "1")
    [workflow] = re.findall(r"Created Workflow:  (\S+)", result.out)
    assert result.code == 1
    assert f"no server has created workflow {workflow} within 1 s" in result.err
    assert "does tink serve run on this repository?" in result.err
    assert len(list((home / "workflows").glob("*.yaml"))) == 1


def test_every_request_is_a_file_of_its_own(tink, home):
    for _ in range(3):
        assert tink("workflow", "create", "-t", HELLO, "-r", DEVICES).code == 0
    assert len(list((home / "workflows").glob("*.yaml"))) == 3


def test_a_request_may_be_committed_on_another_branch(tink, home):
    git(home, "branch", "review")
    result = tink("--branch", "review", "workflow", "create", "-t", HELLO, "-r", DEVICES)
    assert "on branch review" in result.err
    assert "workflows/hello" in git(home, "ls-tree", "-r", "--name-only", "review")
    assert "workflows/hello" not in git(home, "ls-tree", "-r", "--name-only", "main")


@pytest.mark.parametrize(
    ("template", "devices", "words"),
    [
        ("nobody", DEVICES, ("there is no template 'nobody'", "tink template list")),
        (HELLO, "{}", ("templates/hello_world_workflow.yaml:6:", "device_1")),
        (HELLO, '{"device_1": "08:00:27:00:00:99"}', ("no worker found", "08:00:27:00:00:99")),
        (HELLO, '{"device_1": "n1"}', ("n1",)),
        (HELLO, '{"device_1": "a\\"b"}', ("templates/hello_world_workflow.yaml",)),
        (HELLO, "{device_1}", ("-r:1:2", "Hint: give a JSON object")),
        (HELLO, "[]", ("-r", "array")),
    ],
)
def test_what_can_not_become_a_workflow_is_told_and_not_committed(
    tink, home, template, devices, words
):
    before = git(home, "rev-parse", "main")
    result = tink("workflow", "create", "-t", template, "-r", devices)
    assert result.code == 1
    assert result.out == ""
    assert all(word in result.err for word in words), result.err
    assert "Traceback" not in result.err
    assert git(home, "rev-parse", "main") == before


@pytest.mark.parametrize("words", [(), ("-t", HELLO), ("-r", DEVICES)])
def test_template_and_hardware_must_be_given(tink, home, words):
    result = tink("workflow", "create", *words)
    assert result.code == 2
    assert "Missing option" in result.err


def test_deleting_a_request_that_was_not_taken_up_yet_removes_its_file(tink, home):
    workflow = tink("workflow", "create", "-t", HELLO, "-r", DEVICES).out.split()[-1]
    result = tink("workflow", "delete", workflow)
    assert result.out == f"Deleted\t{workflow}\n"
    assert not list((home / "workflows").glob("*.yaml"))
    assert git(home, "log", "-1", "--format=%s") == f"Delete workflow {workflow}\n"


def test_deleting_an_unknown_workflow_is_told(tink, home):
    nobody = "00000000-0000-0000-0000-000000000000"
    result = tink("workflow", "delete", nobody)
    assert result.code == 1
    assert result.err == f"Error\t{nobody}\tnot found\n"


def test_a_machine_that_may_run_no_workflow_is_named_when_one_is_asked_for(tink, home):
    machine = home / "hardware" / "n1.yaml"
    text = machine.read_text().replace("allow_workflow: true", "allow_workflow: false")
    assert tink("hardware", "push", piped=text).code == 0
    result = tink("workflow", "create", "-t", HELLO, "-r", '{"device_1": "08:00:27:00:00:01"}')
    assert result.code == 0
    assert "Warning: worker 08:00:27:00:00:01 runs no workflow: allow_workflow is false in " in (
        result.err
    )
    assert "n1.yaml" in result.err
