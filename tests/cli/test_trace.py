"""`tink trace`: which commit, by whom, signed by whom, merged by what, led to what runs there."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

from provisioner import resources
from tests.cli.repository import N1, git
from tests.services.reconciled_site import Site as Reconciled

DEVICES = '{"device_1":"08:00:27:00:00:01"}'
CREATE = ("workflow", "create", "-t", "hello_world_workflow", "-r", DEVICES)
SCHEMA = json.loads(resources.schema_text("read/v1/trace.json"))


def reconcile(home):
    server = Reconciled(SimpleNamespace(path=home))
    try:
        server.reconciler.reconcile()
    finally:
        server.stop()


def merged(tink, home, subject):
    """A workflow that was asked for on a branch of its own, merged, and seen by a server."""
    git(home, "switch", "--quiet", "--create", "feature")
    workflow = tink(*CREATE).out.split()[-1]
    asked = git(home, "rev-parse", "HEAD").strip()
    git(home, "switch", "--quiet", "main")
    git(home, "commit", "--quiet", "--allow-empty", "-m", "main goes on")
    git(home, "merge", "--quiet", "--no-ff", "-m", subject, "feature")
    merge = git(home, "rev-parse", "HEAD").strip()
    git(home, "commit", "--quiet", "--allow-empty", "-m", "main goes on after it")
    reconcile(home)
    return SimpleNamespace(id=workflow, asked=asked, merge=merge)


def traced(tink, *words):
    result = tink("trace", *words, "-o", "json")
    assert (result.code, result.err) == (0, "")
    data = json.loads(result.out)
    jsonschema.validate(data, SCHEMA)
    return data


def version(data, kind):
    [found] = [each for each in data["versions"] if each["kind"] == kind]
    return found


@pytest.mark.parametrize(
    "subject",
    [
        "Merge pull request #12 from ada/feature",
        "Merge pull request 'Ask (#3)' (#12) from ada/feature into main",
        "Merge branch 'feature' into 'main'\n\nAsk\n\nSee merge request fleet/site!12",
    ],
)
def test_a_machine_tells_request_commit_merge_and_pull_request(tink, home, subject):
    made = merged(tink, home, subject)
    data = traced(tink, "n1")
    request = version(data, "request")
    assert data["machine"]["id"] == N1
    assert data["workflow"]["id"] == made.id
    assert data["workflow"]["state"] == "STATE_PENDING"
    assert request["commit"]["id"] == made.asked
    assert request["merge"]["id"] == made.merge
    assert request["merge"]["pull_request"] == 12
    assert version(data, "template")["path"].startswith("templates/")
    assert version(data, "hardware")["path"].startswith("hardware/")
    assert version(data, "template")["merge"] is None, "it was committed on main itself"


def test_the_template_is_shown_in_the_version_that_the_workflow_was_made_of(tink, home):
    made = merged(tink, home, "Merge")
    path = version(traced(tink, made.id), "template")["path"]
    before = version(traced(tink, made.id), "template")["commit"]["id"]
    (home / path).write_text((home / path).read_text() + "# later\n")
    git(home, "commit", "--quiet", "--all", "-m", "later")
    reconcile(home)
    assert version(traced(tink, made.id), "template")["commit"]["id"] == before
    newest = traced(tink, path)["versions"][0]
    assert newest["commit"]["id"] == git(home, "rev-parse", "HEAD").strip()


def test_a_request_is_traced_by_its_path_also_when_it_is_gone(tink, home):
    made = merged(tink, home, "Merge")
    path = version(traced(tink, made.id), "request")["path"]
    assert traced(tink, path)["workflow"]["id"] == made.id
    assert tink("workflow", "delete", made.id).code == 0
    reconcile(home)
    shown = traced(tink, path)["versions"][0]
    assert shown["commit"]["id"] == git(home, "rev-parse", "HEAD").strip()
    assert traced(tink, made.id)["workflow"]["is_deleted"] is True


def test_a_machine_without_a_workflow_tells_its_own_document(tink, home):
    reconcile(home)
    data = traced(tink, "n2")
    assert data["workflow"] is None
    assert [each["kind"] for each in data["versions"]] == ["hardware"]


def test_who_signed_is_what_git_says(tink, home, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text()
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.org {public}")
    git(home, "config", "gpg.format", "ssh")
    git(home, "config", "user.signingKey", str(key))
    git(home, "config", "gpg.ssh.allowedSignersFile", str(allowed))
    path = "hardware/note.yaml"
    (home / path).write_text("# nothing yet\n")
    git(home, "add", path)
    git(home, "commit", "--quiet", "-S", "-m", "signed")
    reconcile(home)
    shown = traced(tink, path)["versions"][0]["commit"]
    assert (shown["signature"], shown["signer"]) == ("good", "ada@example.org")
    assert "signed by ada@example.org: good\n" in tink("trace", path).out
    allowed.write_text("")
    shown = traced(tink, path)["versions"][0]["commit"]
    assert (shown["signature"], shown["signer"]) == ("good, of unknown validity", "")


def test_secrets_are_masked_and_a_terminal_obeys_nothing(tink, home):
    path = "hardware/note.yaml"
    (home / path).write_text("# nothing yet\n")
    git(home, "add", path)
    git(home, "commit", "--quiet", "-m", "password=hunter2 \x1b[31mred")
    reconcile(home)
    for form in ("text", "json", "yaml"):
        out = tink("trace", path, "-o", form).out
        assert "password=***" in out
        assert "hunter2" not in out and "\x1b" not in out


def test_what_a_shallow_clone_lacks_is_not_known_and_not_blamed_on_its_oldest_commit(
    tink, home, tmp_path, monkeypatch
):
    made = merged(tink, home, "Merge")
    words = ("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{home}")
    git(tmp_path, *words, str(tmp_path / "shallow"))
    monkeypatch.chdir(tmp_path / "shallow")
    result = tink("trace", made.id)
    assert result.code == 0
    assert result.out.count("not known: the commit that brought it is not here") == 3


def test_yaml_says_what_json_says(tink, home):
    made = merged(tink, home, "Merge")
    assert yaml.safe_load(tink("trace", made.id, "-o", "yaml").out) == traced(tink, made.id)


@pytest.mark.parametrize("name", ["nobody", "hardware/nobody.yaml"])
def test_what_is_not_there_is_an_error(tink, home, name):
    reconcile(home)
    result = tink("trace", name)
    assert (result.code, result.out) == (1, "")
    assert name in result.err


def test_the_oldest_commit_of_a_shallow_clone_is_not_taken_for_the_one_that_brought_a_file(
    tink, home, tmp_path
):
    reconcile(home)
    git(home, "commit", "--quiet", "--allow-empty", "-m", "nothing of these files")
    words = ("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{home}", "clone")
    git(tmp_path, *words)
    result = tink("trace", "n1", "--repo", tmp_path / "clone")
    assert result.code == 0
    assert "not known: the commit that brought it is not here" in result.out
    assert "nothing of these files" not in result.out and "shallow" in result.err
