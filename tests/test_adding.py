"""The lists of docs/adding-a-field.md, and the files of the project itself, are true."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

from provisioner import resources
from provisioner.cli import main
from provisioner.documents.workflow_text import ParsedAction
from provisioner.model.workflow import Action, WorkerAddress, WorkflowRecord
from provisioner.store.status import record_codec
from tests import builders
from worker.wire import Offer

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/adding-a-field.md").read_text()
CODE = ("provisioner", "worker", "schema")


def listed(section: str, table: int) -> set[str]:
    """The files in the first column of a table of a section."""
    body = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE)[table].splitlines()[2:]
    return {path for row in rows for path in re.findall(r"`([^`]+/[^`]*)`", row.split("|")[1])}


def mentioning(word: str) -> set[str]:
    pattern = re.compile(rf"\b{word}\b")
    return {
        path.relative_to(ROOT).as_posix()
        for folder in CODE
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".json") and pattern.search(path.read_text())
    }


def test_every_place_of_a_field_of_an_action_is_listed():
    acts_on_it = {"provisioner/model/state_machine.py"}
    assert listed("A field of an action", 0) == mentioning("max_attempts") - acts_on_it


def test_every_place_of_a_field_that_travels_to_the_worker_is_listed():
    places = listed("A field of an action", 0) | listed("A field of an action", 1)
    # A template's text has it under the name with a dash, and a record always spells it out.
    by_other_words = {"schema/v1/template.json", "provisioner/store/status/record_codec.py"}
    assert places - by_other_words == mentioning("on_timeout")


def names(kind: type) -> set[str]:
    return {each.name for each in fields(kind)}


def test_an_action_has_the_fields_of_its_text_and_its_place_among_the_others():
    assert names(Action) - names(ParsedAction) == {"index", "task_name", "worker", "worker_id"}
    assert names(ParsedAction) - names(Action) == set()


def test_a_new_field_of_an_action_is_in_the_schema_of_a_template():
    schema = json.loads(resources.schema_text("v1/template.json"))
    action = schema["properties"]["tasks"]["items"]["properties"]["actions"]["items"]
    spelt = {
        "timeout_seconds": "timeout",
        "on_timeout": "on-timeout",
        "on_failure": "on-failure",
        "network": "namespaces",
    }
    assert set(action["properties"]) == {spelt.get(each, each) for each in names(ParsedAction)}


def test_a_new_field_of_a_record_is_in_its_schema():
    schema = json.loads(resources.schema_text("status/v1/record.json"))
    written = json.loads(record_codec.encode_record(builders.record()))
    parts = (
        (WorkflowRecord, schema, written),
        (Action, schema["definitions"]["action"], written["actions"][0]),
        (WorkerAddress, schema["definitions"]["worker"], written["workers"][0]),
    )
    for kind, rules, part in parts:
        assert set(rules["properties"]) == names(kind)
        assert set(rules["required"]) == set(part), "what is left out while it says nothing"


def test_a_new_field_of_an_action_travels_to_the_worker_or_is_the_servers_own():
    by_other_names = {"index": "action_index", "name": "action_name"}
    servers_own = {"worker", "max_attempts"}
    travels = {by_other_names.get(each, each) for each in names(Action) - servers_own}
    assert travels <= names(Offer), "add it to the offer, or here if only the server needs it"


@pytest.mark.parametrize(("section", "table"), [("A verb", 0), ("A route", 0)])
def test_what_else_is_listed_is_there(section, table):
    found = listed(section, table)
    assert found
    assert not [path for path in found if not (ROOT / path).exists()]


def test_every_verb_and_option_explains_itself_and_the_page_names_it():
    page = (ROOT / "docs/cli.md").read_text()
    context = click.Context(main.tink)
    for name in main.tink.list_commands(context):
        command = main.tink.get_command(context, name)
        assert command is not None and command.help, name
        assert re.search(rf"\b{name}\b", page), f"docs/cli.md does not name {name}"
        options = [each for each in command.params if isinstance(each, click.Option)]
        assert [each.name for each in options if not (each.help or each.hidden)] == []


def test_make_alone_lists_every_target():
    done = subprocess.run(
        ["make", "-s", "-C", str(ROOT)], capture_output=True, text=True, check=True
    )
    shown = set(re.findall(r"^make ([\w-]+)", done.stdout, re.MULTILINE))
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert shown == {*targets[1].split()} - {"help", "packages"}


def test_forges_run_what_ci_runs_on_a_machine_with_what_the_readme_asks_for():
    github = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step.get("run", "") for step in github["jobs"]["test"]["steps"]]
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())["test"]
    for lines in (steps, [*gitlab["before_script"], *gitlab["script"]]):
        assert lines[-1] == ".ci/run"
        [install] = [line for line in lines if "apt-get install" in line]
        assert {"python3.11", "git", "make"} <= {*install.split()}


def test_hooks_before_a_commit_are_those_of_make_check():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    check = makefile.split("\ncheck:")[1].split("\n\n")[0]
    for hook in hooks:
        assert hook["entry"].removeprefix(".venv/bin/") in check
