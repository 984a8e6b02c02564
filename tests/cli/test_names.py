"""What names a thing: ids, their beginnings and names, on every verb that takes one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from provisioner.model import ids
from tests.cli.repository import EXAMPLES, HELLO, N1, git
from tests.cli.written import MAC

pytestmark = [pytest.mark.network]

OF_MACHINES = (N1, N1[:8], N1[:4], N1.upper(), MAC, MAC.upper(), "192.168.1.5", "n1")
MACHINE_VERBS = (
    ("hardware", "get", "NAME"),
    ("hardware", "id", "NAME"),
    ("machine", "show", "NAME"),
    ("trace", "NAME"),
    ("boot", "show", "NAME", "--osie-url", "http://192.168.1.1/osie"),
)
OF_TEMPLATES = (HELLO, HELLO[:8], HELLO[:4], HELLO.upper(), "hello_world_workflow")
TEMPLATE_VERBS = (
    ("template", "get", "NAME"),
    ("workflow", "create", "-t", "NAME", "-r", '{"device_1": "192.168.1.5"}'),
    ("template", "update", "NAME", "--file", str(EXAMPLES / "templates" / "hello-world.yaml")),
)
WORKFLOW_VERBS = (
    *(("workflow", verb, "NAME") for verb in ("get", "state", "events", "data", "logs")),
    ("trace", "NAME"),
)
ALL = (*MACHINE_VERBS, *TEMPLATE_VERBS, *WORKFLOW_VERBS, ("workflow", "delete", "NAME"))
DELETED = (("hardware", "delete", "NAME"), ("template", "delete", "NAME"))


def of(verbs):
    return pytest.mark.parametrize("words", verbs, ids=[" ".join(words[:2]) for words in verbs])


@pytest.fixture
def desk(written, tink, tmp_path, monkeypatch) -> Path:
    """A copy of what the server left, to write in."""
    shutil.copytree(written.site, tmp_path / "desk", symlinks=True)
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


@of(MACHINE_VERBS)
def test_a_machine_has_many_names(desk, tink, words):
    found = {
        name: tink(*(name if word == "NAME" else word for word in words)) for name in OF_MACHINES
    }
    assert {name: (each.code, each.err) for name, each in found.items()} == dict.fromkeys(
        OF_MACHINES, (0, "")
    )
    assert {each.out for each in found.values()} == {found[N1].out}


@of(TEMPLATE_VERBS)
def test_a_template_has_a_name_and_an_id(desk, tink, words):
    for name in OF_TEMPLATES:
        found = tink(*(name if word == "NAME" else word for word in words))
        assert found.code == 0, (name, found.err)
    requests = [path.read_text() for path in (desk / "workflows").glob("hello*.yaml")]
    assert not [text for text in requests if f"template: {HELLO[:8]}\n" in text]


@of(WORKFLOW_VERBS)
def test_the_beginning_of_a_workflows_id_will_do(written, desk, tink, words):
    wanted = tink(*words[:-1], written.done)
    assert wanted.code == 0
    for name in (written.done[:-1], written.done[:-4].upper(), written.done.upper()):
        found = tink(*words[:-1], name)
        assert (found.code, found.out) == (0, wanted.out), name


def test_a_workflow_is_deleted_by_the_beginning_of_its_id_also_before_it_exists(
    written, desk, tink
):
    assert tink("workflow", "delete", written.done[:-2]).code == 0
    words = ("-t", "hello_world_workflow", "-r", '{"device_1": "192.168.1.5"}')
    created = tink("workflow", "create", *words).out.split()[-1]
    assert tink("workflow", "delete", created[:-2]).code == 0
    assert created not in git(desk, "grep", "-h", "id:", "HEAD", "--", "workflows", "hardware")


@pytest.mark.parametrize("name", [N1[:6], "n1", MAC, N1.upper()])
def test_a_machine_is_deleted_by_any_of_its_names(desk, tink, name):
    assert tink("hardware", "delete", name).code == 0
    assert tink("hardware", "get", "n1").code == 1


@pytest.mark.parametrize("name", [HELLO[:6], "hello_world_workflow", HELLO.upper()])
def test_a_template_is_deleted_by_any_of_its_names(desk, tink, name):
    assert tink("template", "delete", name).code == 0
    assert tink("template", "get", HELLO).code == 1


@of((*ALL, *DELETED))
@pytest.mark.parametrize("name", ["nobody", "0123", "00000000-0000-7000-8000-000000000000"])
def test_what_nothing_is_called_is_an_error_and_no_table(desk, tink, words, name):
    before = git(desk, "rev-parse", "HEAD")
    found = tink(*(name if word == "NAME" else word for word in words))
    assert found.code == 1
    assert "ID  " not in found.out and "---" not in found.out
    assert git(desk, "rev-parse", "HEAD") == before


@of((*ALL, *DELETED))
def test_what_may_mean_several_lists_them(written, desk, tink, words):
    second = {
        "id": N1[:4] + "0000-0000-4000-8000-000000000001",
        "network": {"interfaces": [{"dhcp": {"mac": "08:00:27:00:00:77"}}]},
    }
    assert tink("hardware", "push", piped=json.dumps(second)).code == 0
    by_beginning: dict[str, list[str]] = {}
    for name in (f"t{number}" for number in range(1_000)):
        by_beginning.setdefault(ids.template_id(name)[:4], []).append(name)
    beginning, names = next((key, two) for key, two in by_beginning.items() if len(two) > 1)
    template = (EXAMPLES / "templates" / "hello-world.yaml").read_text()
    for name in names:
        new = template.replace("name: hello_world_workflow", f"name: {name}")
        assert tink("template", "create", piped=new).code == 0
    of_template = words[0] == "template" or "create" in words
    of_workflow = words[0] == "workflow"
    name = beginning if of_template else written.done[:4] if of_workflow else N1[:4]
    found = tink(*(name if word == "NAME" else word for word in words))
    assert found.code == 1
    assert "choose one: " in found.err and name in found.err
