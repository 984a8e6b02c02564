"""`tink plan` and `tink apply`: what a merge does, before it is done, and exactly that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

from provisioner import resources
from provisioner.cli import plan_markdown
from tests.cli.repository import EXAMPLES, N1, git
from tests.services.reconciled_site import Site as Reconciled

DEVICES = '{"device_1":"08:00:27:00:00:01"}'
CREATE = ("workflow", "create", "-t", "hello_world_workflow", "-r", DEVICES)
SCHEMA = json.loads(resources.schema_text("read/v1/plan.json"))


@pytest.fixture
def feature(tink, home):
    """A branch with one new workflow request, checked out."""
    git(home, "switch", "--quiet", "--create", "feature")
    assert tink(*CREATE).code == 0
    return home


def last_line(result):
    return result.out.splitlines()[-1]


def test_a_new_request_is_shown_with_machine_addresses_and_actions(tink, feature):
    result = tink("plan")
    assert result.code == 0
    assert "on n1 (08:00:27:00:00:01, 192.168.1.5)\n" in result.out
    assert "1. hello world / hello_world: hello-world\n" in result.out
    assert "boot of n1 08:00:27:00:00:01: ignore -> memory" in result.out
    assert last_line(result) == "Plan: 1 to create, 0 to cancel, 0 problems, 0 unchanged."


def test_a_plan_writes_nothing_to_the_repository(tink, feature):
    """Not even the objects of a merge that is none of the two commits."""
    git(feature, "switch", "--quiet", "main")
    git(feature, "commit", "--quiet", "--allow-empty", "-m", "main goes on")
    before = git(feature, "for-each-ref"), git(feature, "count-objects", "-v")
    result = tink("plan", "--head", "feature")
    assert last_line(result).startswith("Plan: 1 to create")
    assert (git(feature, "for-each-ref"), git(feature, "count-objects", "-v")) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--head", "main"), 0),
        ((), 2),
        (("--typo",), 1),
        (("--head", "nothing"), 1),
    ],
)
def test_the_detailed_exit_code_tells_changes_from_errors(tink, feature, words, code):
    assert tink("plan", "--detailed-exitcode", *words).code == code


def test_a_problem_is_exit_code_1_with_and_without_the_detailed_one(tink, feature):
    (feature / "workflows" / "bad.yaml").write_text("template: nothing\nhardware: {}\n")
    git(feature, "add", ".")
    git(feature, "commit", "--quiet", "-m", "bad")
    for words in ((), ("--detailed-exitcode",)):
        result = tink("plan", *words)
        assert result.code == 1
        assert "workflows/bad.yaml" in result.out
        assert last_line(result).startswith("Plan: 1 to create, 0 to cancel, 1 problem,")


def test_the_plan_is_of_the_merge_and_not_of_the_head_alone(tink, feature):
    """main went on: it has a template that the branch lacks, and the machine's file is gone."""
    git(feature, "switch", "--quiet", "main")
    assert tink("hardware", "delete", N1).code == 0
    git(feature, "switch", "--quiet", "feature")
    result = tink("plan")
    assert result.code == 1
    assert "08:00:27:00:00:01" in result.out
    assert last_line(result).startswith("Plan: 0 to create, 0 to cancel, 1 problem,")


def test_what_main_got_meanwhile_is_not_undone_by_a_branch_that_is_behind(tink, feature):
    git(feature, "switch", "--quiet", "main")
    assert tink(*CREATE).code == 0
    git(feature, "switch", "--quiet", "feature")
    assert last_line(tink("plan")) == "Plan: 1 to create, 0 to cancel, 0 problems, 1 unchanged."


def test_a_merge_that_git_can_not_make_is_an_error_with_the_paths(tink, home):
    machine = home / "hardware" / "n1.yaml"
    old = machine.read_text()
    for branch in ("feature", "main"):
        git(home, "switch", "--quiet", *(["--create"] if branch == "feature" else []), branch)
        machine.write_text(old + f"# {branch}\n")
        git(home, "commit", "--quiet", "-am", branch)
    result = tink("plan", "--head", "feature", "--detailed-exitcode")
    assert result.code == 1
    assert "both changed hardware/n1.yaml" in result.err


def test_the_data_is_as_its_schema_says(tink, feature):
    (feature / "workflows" / "bad.yaml").write_text("template: nothing\nhardware: {}\n")
    git(feature, "add", ".")
    git(feature, "rm", "--quiet", "hardware/n2.yaml")
    git(feature, "commit", "--quiet", "-m", "bad")
    found = json.loads(tink("plan", "-o", "json").out)
    jsonschema.Draft7Validator(SCHEMA).validate(found)
    assert found["summary"] | {"unchanged": 0} == {
        "create": 1,
        "cancel": 0,
        "delete": 0,
        "problems": 1,
        "warnings": 0,
        "unchanged": 0,
        "standing_problems": 0,
        "destructive": 0,
    }
    assert [edit["edit"] for edit in found["edits"]] == ["removed"]


def test_on_the_branch_itself_what_was_not_pushed_is_planned(tink, home, tmp_path):
    git(home, "clone", "--quiet", "--bare", str(home), str(tmp_path / "forge.git"))
    git(home, "remote", "add", "origin", str(tmp_path / "forge.git"))
    git(home, "fetch", "--quiet", "origin")
    assert tink(*CREATE).code == 0
    result = tink("plan")
    assert "into origin/main" in result.out
    assert last_line(result).startswith("Plan: 1 to create")


def test_a_base_behind_the_server_is_not_where_the_plan_starts(tink, home):
    """From there, what the server has taken up would seem to be deleted, and to come back."""
    old = git(home, "rev-parse", "main").strip()
    assert tink(*CREATE).code == 0
    server = Reconciled(SimpleNamespace(path=home))
    try:
        server.reconciler.reconcile()
    finally:
        server.stop()
    result = tink("plan", "--base", old, "--head", "main")
    assert last_line(result) == "Plan: 0 to create, 0 to cancel, 0 problems, 1 unchanged."
    assert f"{old} is behind the server, which has applied " in result.err


def test_without_a_status_branch_the_plan_says_what_it_could_not_know(tink, feature, tmp_path):
    git(feature, "branch", "-D", "status")
    assert tink(*CREATE).code == 0
    result = tink("plan", "--base", "HEAD~1", "--head", "HEAD")
    assert "There is no branch status here" in result.err
    assert last_line(result) == "Plan: 1 to create, 0 to cancel, 0 problems, 1 unchanged."


def test_a_shallow_clone_that_lacks_the_history_is_an_error(tink, feature, tmp_path):
    git(feature, "switch", "--quiet", "main")
    (feature / "notes.txt").write_text("beside it\n")
    git(feature, "add", ".")
    git(feature, "commit", "--quiet", "-m", "more")
    shallow = tmp_path / "shallow"
    git(
        feature,
        "clone",
        "--quiet",
        "--depth=1",
        "--no-single-branch",
        f"file://{feature}",
        str(shallow),
    )
    result = tink("plan", "--repo", shallow, "--head", "origin/feature")
    assert result.code == 1
    assert "fetch-depth: 0" in result.err


def test_secrets_in_commands_are_masked_everywhere(tink, home):
    text = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    text = text.replace("hello_world_workflow", "secret").replace(
        "        timeout: 60",
        "        timeout: 60\n        command: [join, --token, hunter2, --password=hunter2]",
    )
    (home / "templates" / "secret.yaml").write_text(text)
    (home / "workflows" / "s.yaml").write_text(f"template: secret\nhardware: {DEVICES}\n")
    git(home, "switch", "--quiet", "--create", "feature")
    git(home, "add", ".")
    git(home, "commit", "--quiet", "-m", "secret")
    for form in ("text", "json", "markdown", "yaml"):
        result = tink("plan", "-o", form)
        assert "--token" in result.out
        assert "hunter2" not in result.out + result.err


def test_a_comment_has_its_marker_folds_each_machine_and_escapes_names(tink, home):
    machine = home / "hardware" / "n1.yaml"
    evil = "</code></summary><img src=x> @everyone [x](http://x)"
    machine.write_text(machine.read_text().replace("hostname: n1", f'hostname: "{evil}"'))
    git(home, "switch", "--quiet", "--create", "feature")
    git(home, "commit", "--quiet", "-am", "evil")
    assert tink(*CREATE).code == 0
    text = tink("plan", "-o", "markdown").out
    assert text.startswith(plan_markdown.MARKER)
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert text.count("<details") == outside.count("<details") == outside.count("</details>")
    assert "<img" not in outside and "@" not in outside and "](" not in outside


def test_no_text_of_a_file_ends_the_block_that_it_stands_in(tink, home):
    text = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    text = text.replace("hello_world_workflow", "failing")
    text += '{{ fail "a\\n```\\n<img src=x>" }}\n'
    (home / "templates" / "failing.yaml").write_text(text)
    (home / "workflows" / "f.yaml").write_text(f"template: failing\nhardware: {DEVICES}\n")
    git(home, "switch", "--quiet", "--create", "feature")
    git(home, "add", ".")
    git(home, "commit", "--quiet", "-m", "failing")
    text = tink("plan", "-o", "markdown").out
    assert "\n```\n<img src=x>" in text
    fences = [line for line in text.splitlines() if line.startswith("````")]
    assert fences == ["````diff", "````"]


def test_a_comment_stays_within_the_forges_limit_and_says_what_it_left_out(tink, home):
    text = (EXAMPLES / "hardware" / "n1.yaml").read_text()
    git(home, "switch", "--quiet", "--create", "feature")
    for number in range(300):
        mac = f"08:00:27:00:0{number // 100}:{number % 100:02}"
        here = text.replace("ce2e62ed", f"ce2e{number:04}").replace(
            "192.168.1.5", f"10.0.{number // 100}.{number % 100}"
        )
        (home / "hardware" / f"m{number}.yaml").write_text(here.replace("08:00:27:00:00:01", mac))
        request = f'template: hello_world_workflow\nhardware: {{"device_1": "{mac}"}}\n'
        (home / "workflows" / f"{number}.yaml").write_text(request)
    git(home, "rm", "--quiet", "hardware/n1.yaml", "hardware/n2.yaml")
    git(home, "add", ".")
    git(home, "commit", "--quiet", "-m", "many")
    text = tink("plan", "-o", "markdown").out
    assert len(text) <= 65_536
    assert re.search(r"\d+ more sections are left out here", text)
    assert "300 to create" in text
    assert text.count("```") % 2 == 0


def test_apply_merges_exactly_what_was_planned(tink, feature):
    git(feature, "switch", "--quiet", "main")
    (feature / "notes.txt").write_text("beside it\n")
    git(feature, "add", ".")
    git(feature, "commit", "--quiet", "-m", "main goes on")
    assert tink("plan", "--head", "feature", "--out", "p.json").code == 0
    (feature / "notes.txt").write_text("not committed\n")
    result = tink("apply", "p.json")
    assert result.code == 0
    parents = git(feature, "rev-parse", "main^1", "main^2", "feature").split()
    assert parents[1] == parents[2]
    assert result.out.startswith(f"merged feature ({parents[1][:12]}) into main: ")
    assert list((feature / "workflows").glob("hello*.yaml"))
    assert git(feature, "status", "--porcelain") == " M notes.txt\n?? p.json\n"
    assert (feature / "notes.txt").read_text() == "not committed\n"


def test_apply_names_the_remote_that_the_branch_is_pushed_to(tink, feature, tmp_path):
    git(feature, "clone", "--quiet", "--bare", str(feature), str(tmp_path / "forge.git"))
    git(feature, "remote", "add", "forge", str(tmp_path / "forge.git"))
    assert tink("plan", "--base", "main", "--head", "feature", "--out", "p.json").code == 0
    assert "git push forge main brings it" in tink("apply", "p.json").err
    assert "Hint: git push forge main\n" in tink("apply", "p.json").err


def test_apply_of_a_branch_that_is_ahead_moves_to_it(tink, feature):
    assert tink("plan", "--head", "feature", "--out", "p.json").code == 0
    assert tink("apply", "p.json").code == 0
    assert git(feature, "rev-parse", "main") == git(feature, "rev-parse", "feature")


@pytest.mark.parametrize("moved", ["main", "feature"])
def test_apply_refuses_when_an_end_has_moved(tink, feature, moved):
    assert tink("plan", "--head", "feature", "--out", "p.json").code == 0
    git(feature, "switch", "--quiet", moved)
    git(feature, "commit", "--quiet", "--allow-empty", "-m", "later")
    before = git(feature, "rev-parse", "main")
    result = tink("apply", "p.json")
    assert result.code == 1
    assert f"{moved} is at " in result.err and "the plan was made for" in result.err
    assert git(feature, "rev-parse", "main") == before


def test_apply_refuses_uncommitted_changes_in_its_way_before_anything_moves(tink, feature):
    machine = feature / "hardware" / "n1.yaml"
    machine.write_text(machine.read_text() + "# committed\n")
    git(feature, "commit", "--quiet", "-am", "edit")
    assert tink("plan", "--head", "feature", "--out", "p.json").code == 0
    git(feature, "switch", "--quiet", "main")
    machine.write_text(machine.read_text() + "# not committed\n")
    before = git(feature, "rev-parse", "main")
    result = tink("apply", "p.json")
    assert result.code == 1
    assert "hardware/n1.yaml" in result.err
    assert git(feature, "rev-parse", "main") == before
    assert machine.read_text().endswith("# not committed\n")


def test_apply_refuses_a_plan_with_problems_and_a_file_that_is_no_plan(tink, feature):
    (feature / "workflows" / "bad.yaml").write_text("template: nothing\nhardware: {}\n")
    git(feature, "add", ".")
    git(feature, "commit", "--quiet", "-m", "bad")
    assert tink("plan", "--out", "p.json").code == 1
    result = tink("apply", "p.json")
    assert (result.code, "has 1 problem" in result.err) == (1, True)
    for text in ("{", "[]", '{"format_version": 1}'):
        (feature / "p.json").write_text(text)
        assert "holds no plan" in tink("apply", "p.json").err


def test_the_pipelines_that_init_installs_plan_a_pull_request(tink, feature, tmp_path):
    """The very lines of the two files are run by a shell, in a clone as a forge's CI makes it."""
    clone = tmp_path / "clone"
    git(feature, "clone", "--quiet", f"file://{feature}", str(clone))
    git(clone, "switch", "--quiet", "--detach", "origin/feature")
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "tink"
    root = Path(__file__).resolve().parents[2]
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m provisioner.cli "$@"\n'
    )
    program.chmod(0o755)
    summary = tmp_path / "summary.md"
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "BASE": "main",
        "GITHUB_STEP_SUMMARY": str(summary),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    github = yaml.safe_load((feature / ".github/workflows/validate.yml").read_text())
    gitlab = yaml.safe_load((feature / ".gitlab-ci.yml").read_text())
    steps = [step["run"] for step in github["jobs"]["validate"]["steps"] if "run" in step]
    steps += gitlab["plan"]["script"]
    lines = [step for step in steps if "pip install" not in step]
    assert len(lines) == 4
    printed = ""
    for line in lines:
        done = subprocess.run(
            ["bash", "-ec", line], cwd=clone, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    for text in (printed, summary.read_text()):
        assert "1 to create, 0 to cancel, 0 problems, 0 unchanged." in text
