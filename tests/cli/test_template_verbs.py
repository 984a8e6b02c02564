"""`tink template`, in classic tink's words and shapes."""

from __future__ import annotations

import json

import pytest

from provisioner.model.ids import template_id
from tests.cli.repository import EXAMPLES, HELLO, git

TEXT = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
OTHER = TEXT.replace("hello_world_workflow", "other")


def test_create_commits_the_text_unchanged_and_prints_the_id(tink, home):
    result = tink("template", "create", piped=OTHER)
    assert result.code == 0
    assert result.out.startswith("Created Template:  ")
    assert "committed templates/other.yaml on branch main\n" in result.err
    assert (home / "templates" / "other.yaml").read_text() == OTHER
    assert git(home, "log", "-1", "--format=%s") == "Add template other\n"


def test_the_id_of_a_template_follows_from_its_name(tink, home):
    assert tink("template", "list", "-q").out == f"{HELLO}\n"


@pytest.mark.parametrize("flag", ["--file", "-p", "--path"])
def test_create_takes_the_flags_of_every_classic_version(tink, home, tmp_path, flag):
    (tmp_path / "other.yaml").write_text(OTHER)
    assert tink("template", "create", flag, tmp_path / "other.yaml").code == 0


def test_create_of_a_name_that_exists_says_how_to_update(tink, home):
    result = tink("template", "create", piped=TEXT)
    assert result.code == 1
    assert "in templates/hello_world_workflow.yaml" in result.err
    assert "tink template update" in result.err


def test_create_of_nothing_says_what_to_give(tink, home):
    result = tink("template", "create")
    assert result.code == 1
    assert "either pipe the template or provide the required '--file' flag" in result.err


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("name: other", 'name: "hello"'),
        ("name: 'other'", 'name: "hello"'),
        ("name: other # ours", 'name: "hello" # ours'),
        ('"name": other', '"name": "hello"'),
    ],
)
def test_create_names_the_template_as_it_is_asked_to(tink, home, written, expected):
    """As classic tink's first releases, whose name was not the text's."""
    text = TEXT.replace("name: hello_world_workflow", written)
    assert text != TEXT
    result = tink("template", "create", "-n", "hello", piped=text)
    assert (result.code, result.out) == (0, f"Created Template:  {template_id('hello')}\n")
    kept = (home / "templates" / "hello.yaml").read_text()
    assert kept == text.replace(written, expected)
    assert "name: other is now hello" in result.err
    again = tink("template", "create", "-n", "hello", piped=text)
    assert again.code == 1 and "there is a template 'hello' already" in again.err


def test_update_renames_a_template_with_a_new_text_or_alone(tink, home):
    done = tink("template", "update", "hello_world_workflow", "-n", "first")
    assert (done.code, done.out) == (0, f"Updated Template:  {template_id('first')}\n")
    assert tink("template", "get", "first").out == TEXT.replace(
        "name: hello_world_workflow", 'name: "first"'
    )
    path = home / "newer.yaml"
    path.write_text(TEXT)
    assert tink("template", "update", "first", "-n", "second", "-p", path).code == 0
    assert [each["name"] for each in json.loads(tink("template", "list", "-o", "json").out)] == [
        "second"
    ]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('version: "0.1"', 'version: "0.2"', "standard input:1:"),
        ("timeout: 60\n", "timeout: 60s\n", "standard input:10:"),
        ("        image:", "        imag:", "standard input:9:"),
        ("{{.device_1}}", "{{.device_1", "standard input:6:"),
    ],
)
def test_a_bad_template_is_refused_with_its_place_and_nothing_is_committed(
    tink, home, old, new, place
):
    before = git(home, "rev-parse", "main")
    result = tink("template", "create", piped=OTHER.replace(old, new))
    assert result.code == 1
    assert place in result.err
    assert git(home, "rev-parse", "main") == before


def test_get_prints_the_text_by_id_and_by_name(tink, home):
    assert tink("template", "get", HELLO).out == TEXT
    assert tink("template", "get", "hello_world_workflow").out == TEXT


def test_get_without_ids_is_classic_tinks_table(tink, home):
    lines = tink("template", "get").out.splitlines()
    assert lines[1].split("|")[1:3] == [f" {'ID':36} ", f" {'NAME':20} "]
    assert lines[3].startswith(f"| {HELLO} | hello_world_workflow | 20")
    assert lines[3].endswith("Z |")


def test_get_as_classic_json_holds_the_text(tink, home):
    (told,) = json.loads(tink("template", "get", HELLO, "--format", "json").out)["data"]
    assert told["data"] == TEXT


def test_list_is_classic_tinks_table(tink, home):
    head = tink("template", "list").out.splitlines()[1]
    titles = [cell.strip() for cell in head.strip("|").split("|")]
    assert titles == ["TEMPLATE ID", "TEMPLATE NAME", "CREATED AT", "UPDATED AT"]


def test_update_replaces_the_text_and_keeps_the_id(tink, home):
    newer = TEXT.replace("timeout: 60\n", "timeout: 90\n")
    result = tink("template", "update", HELLO, piped=newer)
    assert result.out == f"Updated Template:  {HELLO}\n"
    assert tink("template", "get", HELLO).out == newer


def test_update_under_another_name_says_what_to_do(tink, home):
    result = tink("template", "update", HELLO, piped=OTHER)
    assert result.code == 1
    assert "tink template create" in result.err


def test_update_of_an_unknown_template_is_refused(tink, home):
    result = tink("template", "update", "nobody", piped=OTHER)
    assert result.code == 1
    assert "no template 'nobody'" in result.err


def test_delete_tells_the_fate_of_each(tink, home):
    result = tink("template", "delete", HELLO, "nobody")
    assert result.code == 1
    assert result.out == f"Deleted\t{HELLO}\n"
    assert result.err.endswith("Error\tnobody\tnot found\n")
    assert tink("template", "list", "-q").out == ""


def test_update_never_replaces_a_kubernetes_document(tink, home):
    indented = "".join(f"    {line}\n" for line in OTHER.splitlines())
    document = (
        "apiVersion: tinkerbell.org/v1alpha1\nkind: Template\nmetadata:\n  name: other\n"
        f"spec:\n  data: |\n{indented}"
    )
    path = home / "templates" / "dump.yaml"
    path.write_text(document)
    git(home, "add", "-A")
    git(home, "commit", "-q", "-m", "Add a dump")
    result = tink("template", "update", "other", piped=OTHER)
    assert result.code == 1
    assert "templates/dump.yaml is a Kubernetes document" in result.err
    assert path.read_text() == document


def test_the_beginning_of_an_id_will_do_where_it_is_one_templates(tink, home):
    devices = '{"device_1":"08:00:27:00:00:01"}'
    assert tink("template", "get", HELLO[:8]).out == tink("template", "get", HELLO).out != ""
    assert tink("workflow", "create", "-t", HELLO[:6], "-r", devices).code == 0
    [request] = (home / "workflows").glob("*.yaml")
    assert f"template: {HELLO}" in request.read_text()
    assert tink("template", "delete", HELLO[:8]).out == f"Deleted\t{HELLO[:8]}\n"
    result = tink("template", "get", HELLO[:8])
    assert (result.code, "no template" in result.err) == (1, True)


def test_a_beginning_of_several_templates_ids_lists_them(tink, home):
    text = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    number = 0
    while True:  # a name whose id begins like the other's
        name = f"other_{number}"
        if template_id(name).startswith(HELLO[:4]):
            break
        number += 1
    other = text.replace("hello_world_workflow", name)
    assert tink("template", "create", piped=other).code == 0
    result = tink("template", "get", HELLO[:4])
    assert result.code == 1
    assert "2 templates have an id that begins with" in result.err
    assert HELLO in result.err and template_id(name) in result.err
