"""A rendered workflow is read by classic tink's rules, told in its words and at the place."""

from __future__ import annotations

import pytest

from provisioner.documents import workflow_text
from provisioner.documents.workflow_text import parse_workflow
from provisioner.model.ids import HardwareId
from provisioner.model.problem import InvalidInput
from tests.documents.document_reading import shown

HELLO = """\
version: "0.1"
name: hello_world_workflow
global_timeout: 600
tasks:
  - name: "hello world"
    worker: "08:00:27:00:00:01"
    actions:
      - name: "hello_world"
        image: hello-world
        timeout: 60
"""


def parse(text):
    return parse_workflow(text, path="t.yaml")


def action_of(text):
    return parse(text).tasks[0].actions[0]


def refused(text, **options):
    with pytest.raises(InvalidInput) as caught:
        parse_workflow(text, path="t.yaml", **options)
    return caught.value.problems


def with_action(*lines):
    return HELLO + "".join(f"        {line}\n" for line in lines)


def test_the_documented_example_is_read():
    parsed = parse(HELLO)
    (task,) = parsed.tasks
    (action,) = task.actions
    assert (parsed.version, parsed.name) == ("0.1", "hello_world_workflow")
    assert parsed.global_timeout_seconds == 600
    assert (task.name, task.worker) == ("hello world", "08:00:27:00:00:01")
    assert (action.name, action.image, action.timeout_seconds) == ("hello_world", "hello-world", 60)


def test_a_task_says_where_its_worker_stands():
    (task,) = parse(HELLO).tasks
    assert (task.line, task.column) == (6, 13)


def test_an_action_holds_all_fields():
    action = action_of(
        with_action(
            'command: ["sh", "-c", "echo 1"]',
            "on-timeout: [echo, late]",
            "on-failure: [echo, bad]",
            "volumes: [/a:/b]",
            "environment: {A: b}",
            "pid: host",
        )
    )
    assert action.command == ("sh", "-c", "echo 1")
    assert action.on_timeout == ("echo", "late")
    assert action.on_failure == ("echo", "bad")
    assert action.volumes == ("/a:/b",)
    assert action.environment == (("A", "b"),)
    assert action.pid == "host"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1", "1"),
        ("true", "true"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("1.50", "1.50"),
        ("0700", "0700"),
        ("~", ""),
        ("null", ""),
        ("", ""),
        ("'1'", "1"),
        ("2026-11-23", "2026-11-23"),
    ],
)
def test_an_environment_value_keeps_what_was_written(written, kept):
    assert action_of(with_action("environment:", f"  A: {written}")).environment == (("A", kept),)


def test_environment_names_may_be_numbers():
    assert action_of(with_action("environment: {1: a}")).environment == (("1", "a"),)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("60", 60), ("1.5", 1), ("6_000", 6000), ("", 3600), ("0", 3600), ("-5", 3600), ("~", 3600)],
)
def test_a_timeout_is_a_number_of_seconds_and_an_hour_without_one(written, seconds):
    text = HELLO.replace("timeout: 60\n", f"timeout: {written}\n", 2)
    text = text.replace(f"global_timeout: {written}0", "global_timeout: 600")
    assert action_of(text).timeout_seconds == seconds


def test_a_timeout_longer_than_a_life_is_cut():
    text = with_action().replace(" timeout: 60\n", f" timeout: {2**62}\n")
    assert action_of(text).timeout_seconds == workflow_text.LONGEST_SECONDS


def test_start_timeout_and_max_attempts_are_read_and_have_defaults():
    parsed = parse(HELLO)
    assert parsed.start_timeout_seconds == 0
    assert parsed.tasks[0].actions[0].max_attempts == 5
    parsed = parse(HELLO.replace("tasks:", "start_timeout: 3600\ntasks:"))
    assert parsed.start_timeout_seconds == 3600
    assert action_of(with_action("max_attempts: 1")).max_attempts == 1
    assert action_of(with_action("max_attempts: 100")).max_attempts == 100
    assert action_of(with_action("max_attempts: 0")).max_attempts == 5


@pytest.mark.parametrize("written", ["101", "-1", "nine", '"3"'])
def test_max_attempts_out_of_bounds_is_a_problem_at_its_place(written):
    text = with_action(f"max_attempts: {written}")
    [problem] = refused(text)
    assert problem.code in ("template.max-attempts", "template.type")
    assert text.splitlines()[problem.line - 1].strip() == f"max_attempts: {written}"


def test_a_negative_start_timeout_is_a_problem():
    [problem] = refused(HELLO.replace("tasks:", "start_timeout: -1\ntasks:"))
    assert problem.code == "template.start-timeout"


def test_no_global_timeout_is_no_limit():
    assert parse(HELLO.replace("global_timeout: 600\n", "")).global_timeout_seconds == 0
    assert parse(HELLO.replace(": 600", ": -1")).global_timeout_seconds == 0


def test_an_actions_environment_wins_and_is_sorted():
    text = with_action("environment: {Z: 1, B: action}").replace(
        "    actions:", "    environment: {B: task, A: task}\n    actions:"
    )
    assert action_of(text).environment == (("A", "task"), ("B", "action"), ("Z", "1"))


def test_volumes_merge_by_host_path_in_the_order_of_first_mention():
    text = with_action("volumes: [/b:/action, /c:/c, /c:/last]").replace(
        "    actions:", "    volumes: [/a:/a, /b:/task]\n    actions:"
    )
    assert action_of(text).volumes == ("/a:/a", "/b:/action", "/c:/last")


def test_anchors_and_merge_keys_work():
    text = with_action("environment: &env {A: 1}") + (
        "      - name: second\n        image: x\n        environment: {<<: *env, B: 2}\n"
    )
    assert parse(text).tasks[0].actions[1].environment == (("A", "1"), ("B", "2"))


def test_only_the_first_document_counts():
    assert parse(HELLO + "---\nanything: here\n").name == "hello_world_workflow"


def test_a_template_id_is_accepted_and_ignored():
    assert parse("id: 7\n" + HELLO).name == "hello_world_workflow"


def test_a_version_without_quotes_is_fine():
    assert parse(HELLO.replace('"0.1"', "0.1")).version == "0.1"


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("timeout: 60\n", "timeout: 60s\n", "10:18", "cannot unmarshal !!str `60s` into int64"),
        ("timeout: 60\n", 'timeout: "60"\n', "10:18", "cannot unmarshal !!str `60` into int64"),
        ("timeout: 60\n", "timeout: true\n", "10:18", "cannot unmarshal !!bool `true` into int64"),
        (
            "timeout: 60\n",
            f"timeout: {2**63}\n",
            "10:18",
            f"cannot unmarshal !!int `{2**63}` into int64",
        ),
        ("timeout: 60", "retries: 3", "10:9", "field retries not found in type workflow.Action"),
        ("    worker:", "    wroker:", "6:5", "field wroker not found in type workflow.Task"),
        ("version:", "x-a: 1\nversion:", "1:1", "field x-a not found in type workflow.Workflow"),
        (
            "timeout: 60\n",
            "command: ls -l\n",
            "10:18",
            "cannot unmarshal !!str `ls -l` into []string",
        ),
        (
            "timeout: 60\n",
            "environment: [A=b]\n",
            "10:22",
            "cannot unmarshal !!seq into map[string]string",
        ),
        (
            "timeout: 60\n",
            "environment: {A: {b: c}}\n",
            "10:26",
            "cannot unmarshal !!map into string",
        ),
        ("image: hello-world", "image: [x]", "9:16", "cannot unmarshal !!seq into string"),
        ('"0.1"', '"0.2"', "1:10", "invalid template version: 0.2"),
        ("name: hello_world_workflow\n", "", "1:1", "name cannot be empty"),
        ('name: "hello world"', 'name: ""', "5:11", "name cannot be empty"),
        ('name: "hello_world"', "name:", "8:14", "name cannot be empty"),
        (
            "hello_world_workflow",
            "n" * 200,
            "2:7",
            f"name cannot have more than 200 characters: {'n' * 200}",
        ),
        ("image: hello-world", "image: Hello", "9:16", "invalid action image: Hello"),
        ("        image: hello-world\n", "", "8:9", "invalid action image: "),
        ('worker: "08:00:27:00:00:01"', 'worker: ""', "6:13", "task 'hello world' has no worker"),
        ("timeout: 60\n", "volumes: [/c]\n", "10:18", "volume '/c' has no colon"),
    ],
)
def test_a_mistake_is_told_at_its_place(old, new, place, message):
    assert old in HELLO
    start, _, end = HELLO.rpartition(old)
    (problem,) = refused(start + new + end)
    assert (f"{problem.line}:{problem.column}", problem.message) == (place, message)


def test_a_name_of_199_bytes_is_the_longest():
    assert parse(HELLO.replace("hello_world_workflow", "n" * 199)).name == "n" * 199
    assert refused(HELLO.replace("hello_world_workflow", "é" * 100))[0].code == "template.name"


def test_a_timeout_with_a_unit_says_what_to_write():
    (problem,) = refused(HELLO.replace(" timeout: 60", " timeout: 60s"))
    assert problem.hint == "write the seconds as a plain number: 60"


def test_a_misspelt_field_gets_a_suggestion():
    (problem,) = refused(HELLO.replace("image:", "imgae:"))
    assert problem.hint == "did you mean 'image'?"


def test_every_mistake_is_told():
    text = HELLO.replace("timeout: 60\n", "retries: 1\n        timeout: x\n", 2)
    text = text.replace("global_retries", "global_timeout").replace("worker:", "wroker:")
    codes = [each.code for each in refused(text)]
    assert codes.count("template.unknown") >= 2
    assert "template.type" in codes


def test_the_rules_are_told_in_classic_order():
    text = "version: '2'\ntasks:\n  - actions: [{image: X}, {name: a, image: x}, {name: a}]\n"
    assert [each.message for each in refused(text)] == [
        "name cannot be empty",
        "invalid template version: 2",
        "name cannot be empty",
        "task '' has no worker",
        "name cannot be empty",
        "invalid action image: X",
        "invalid action image: ",
        "two actions in a task cannot have same name: a",
    ]


def test_an_empty_text_has_no_name():
    assert refused("")[0].message == "name cannot be empty"


@pytest.mark.parametrize("tasks", ["[]", "", "~"])
def test_no_tasks_are_refused(tasks):
    (problem,) = refused(f"version: '0.1'\nname: x\ntasks: {tasks}\n")
    assert problem.message == "template must have at least one task defined"


def test_no_actions_in_any_task_are_refused():
    (problem,) = refused("version: '0.1'\nname: x\ntasks: [{name: a, worker: b}]\n")
    assert problem.message == "template must have at least one action defined"


def test_a_task_without_actions_beside_one_with_actions_is_fine():
    text = HELLO + "  - name: empty\n    worker: 1.2.3.4\n"
    assert [len(task.actions) for task in parse(text).tasks] == [1, 0]


def test_two_tasks_of_one_name_are_refused():
    text = HELLO + HELLO[HELLO.index("  - name") :]
    (problem,) = refused(text)
    assert problem.message == "two tasks in a template cannot have same name: hello world"
    assert problem.line == 11


def test_two_actions_of_one_name_may_stand_in_two_tasks():
    text = HELLO + HELLO[HELLO.index("  - name") :].replace("hello world", "again")
    assert len(parse(text).tasks) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "2:1 yaml.duplicate"),
        ("tasks:\n\t- x\n", "2:1 yaml.tab"),
        ("worker: x: y\n", "1:10 yaml.syntax"),
        ("[]", "1:1 template.type"),
        ("tasks: [1]", "1:9 template.type"),
        ("tasks: {}", "1:8 template.type"),
    ],
)
def test_what_is_no_workflow_is_refused(text, problem):
    assert shown(refused(text)) == [problem]


def test_places_are_those_of_the_template_when_its_lines_are_known():
    (problem,) = refused(HELLO.replace('"0.1"', "2"), line_of=lambda line: line + 100)
    assert problem.line == 101


def test_a_workers_place_is_that_of_the_template_when_its_lines_are_known():
    parsed = parse_workflow(HELLO, path="t.yaml", line_of=lambda line: line * 2)
    assert parsed.tasks[0].line == 12


def today(text):
    """As the text of a Kubernetes-era Template."""
    return parse_workflow(text, path="t.yaml", is_classic=False)


def test_unknown_fields_are_warnings_in_todays_templates():
    parsed = today(with_action("extra: 1"))
    assert shown(parsed.warnings) == ["11:9 template.unknown"]
    assert refused(with_action("extra: 1"))


def test_fields_of_ones_own_are_free_in_todays_templates():
    assert not today(with_action("x-owner: {team: [a, b]}")).warnings
    assert refused(with_action("x-owner: me"))


@pytest.mark.parametrize("version", ["", 'version: "0.2"\n'])
def test_todays_templates_need_no_version(version):
    text = HELLO.replace('version: "0.1"\n', version)
    assert text != HELLO and today(text).tasks
    (problem,) = refused(text)
    assert problem.code == "template.version"


def test_volumes_are_appended_in_todays_templates_and_merged_by_host_path_in_classic_ones():
    """One host path may be mounted in several places; docker wants no mount twice."""
    text = with_action("volumes: ['/dev:/host/dev', '/dev:/dev2', '/a:/a']")
    text = text.replace("    actions:", "    volumes: ['/dev:/dev', '/a:/a']\n    actions:", 1)
    ((classic,),) = (task.actions for task in parse(text).tasks)
    ((now,),) = (task.actions for task in today(text).tasks)
    assert classic.volumes == ("/dev:/dev2", "/a:/a")
    assert now.volumes == ("/dev:/dev", "/a:/a", "/dev:/host/dev", "/dev:/dev2")


@pytest.mark.parametrize(
    ("written", "network", "pid"),
    [
        ("namespaces: {network: host, pid: host}", "host", "host"),
        ("pid: host\n        namespaces: {network: none}", "none", "host"),
        ("pid: host\n        namespaces: {pid: 'container:x'}", "", "container:x"),
        ("namespaces:", "", ""),
    ],
)
def test_name_spaces_are_taken_as_they_stand(written, network, pid):
    ((action,),) = (task.actions for task in parse(with_action(written)).tasks)
    assert (action.network, action.pid) == (network, pid)


def test_a_name_space_that_nobody_knows_is_named():
    (problem,) = refused(with_action("namespaces: {netwrk: host}"))
    assert "did you mean 'network'?" in problem.hint


def test_actions_are_flattened_with_the_worker_of_their_task():
    text = HELLO + HELLO[HELLO.index("  - name") :].replace("hello world", "again")
    workers = [HardwareId("one"), HardwareId("two")]
    actions = parse(text).actions_for(workers)
    assert [(each.index, each.task_name, each.worker_id) for each in actions] == [
        (0, "hello world", "one"),
        (1, "again", "two"),
    ]
