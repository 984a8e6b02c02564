"""A person's own git: branches, work trees, signatures, identities, submodules, odd names."""

from __future__ import annotations

import json
import subprocess

import pytest

from provisioner.git.repo import GitRepo
from provisioner.store.desired.reading import DesiredStore
from tests.cli.repository import EXAMPLES
from tests.services.reconciled_site import Site

NINE = {
    "id": "00000000-0000-4000-8000-000000000009",
    "network": {"interfaces": [{"dhcp": {"mac": "08:00:27:00:00:09"}}]},
}


def git(*words, folder="."):
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def push(tink):
    return tink("hardware", "push", piped=json.dumps(NINE))


def subjects(branch):
    return git("log", "--format=%s", branch).splitlines()


def test_verbs_commit_to_the_branch_that_is_checked_out(tink, home):
    before = subjects("main")
    git("checkout", "-q", "-b", "add-n9")
    done = push(tink)
    assert done.code == 0 and "on branch add-n9" in done.err
    assert subjects("main") == before and len(subjects("add-n9")) == len(before) + 1
    assert git("status", "--porcelain") == ""
    listed = tink("hardware", "list", "-q")
    assert NINE["id"] in listed.out
    assert "on branch add-n9; a server follows main" in listed.err
    assert NINE["id"] not in tink("--branch", "main", "hardware", "list", "-q").out
    git("checkout", "-q", "main")
    listed = tink("hardware", "list", "-q")
    assert NINE["id"] not in listed.out and "follows" not in listed.err


def test_a_detached_head_and_the_status_branch_are_nobodys_work(tink, home):
    for where in ("--detach", "status"):
        git("checkout", "-q", where)
        done = tink("hardware", "list", "-q")
        assert done.code == 0 and len(done.out.split()) == 2


def test_a_linked_work_tree_has_a_branch_of_its_own(tink, home, tmp_path, monkeypatch):
    git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    monkeypatch.chdir(tmp_path / "side")
    assert push(tink).code == 0
    assert git("status", "--porcelain") == git("status", "--porcelain", folder=home) == ""
    done = tink("--branch", "main", "hardware", "delete", NINE["id"])
    assert done.code == 1
    done = tink("--branch", "main", "template", "delete", "hello_world_workflow")
    assert done.code == 1
    assert f"branch main is checked out in {home}" in done.err and "run this there" in done.err
    assert git("status", "--porcelain", folder=home) == ""


def test_commits_are_signed_where_git_signs_them(tink, home, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name, value in (
        ("commit.gpgSign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
    ):
        git("config", name, value)
    assert push(tink).code == 0
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in git("cat-file", "commit", "HEAD")
    assert git("status", "--porcelain") == ""
    git("config", "user.signingKey", str(tmp_path / "none"))
    before = subjects("main")
    done = tink("hardware", "delete", NINE["id"])
    assert done.code != 0 and subjects("main") == before


def test_git_that_may_not_guess_who_commits_is_not_made_to(tink, home, monkeypatch):
    for variable in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("HOME", "/nonexistent")
    git("config", "user.useConfigOnly", "true")
    before = subjects("main")
    done = push(tink)
    assert (
        done.code == 1 and "user.useConfigOnly" in done.err and "git config user.email" in done.err
    )
    assert subjects("main") == before


@pytest.mark.parametrize("name", ["größe.yaml", 'with "quotes".yaml', "a b.yaml"])
def test_templates_of_any_name_have_their_dates(tink, home, name):
    (home / "templates" / name).write_text(
        (EXAMPLES / "templates" / "hello-world.yaml").read_text().replace("hello_world", "other")
    )
    git("add", "-A")
    git("commit", "-qm", "Add another")
    listed = json.loads(tink("template", "list", "-o", "json").out)
    assert len(listed) == 2 and all(each["created_at"] for each in listed)
    assert tink("template", "list").code == 0


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "n.yaml").write_text("id: x\n")
    git("add", "-A", folder=folder)
    git("commit", "-qm", "x", folder=folder)
    return folder


def codes(tink, *words):
    done = tink("validate", *words, "-o", "json")
    return {(each["path"], each["code"], each["severity"]) for each in json.loads(done.out)}


def test_what_hides_documents_is_a_problem_until_it_is_gone(tink, home, library):
    git("submodule", "add", "-q", str(library), "hardware/site-b")
    (home / "hardware" / "linked").symlink_to("../templates")
    (home / "hardware" / ".hidden").symlink_to("../templates")
    git("add", "-A")
    git("commit", "-qm", "Add a submodule and a link")
    expected = {
        ("hardware/site-b", "file.submodule", "error"),
        ("hardware/linked", "file.symlink", "warning"),
    }
    assert codes(tink) == codes(tink, "--commit", "main") == expected
    git("rm", "-q", "-r", "hardware/site-b", "hardware/linked")
    git("commit", "-qm", "Remove them")
    assert codes(tink) == set()


def test_a_folder_of_ours_that_is_a_submodule_is_a_problem_for_a_server(site, library):
    opened = Site(site)
    try:
        git("submodule", "add", "-q", str(library), "hardware", folder=site.path)
        outcome = opened.commit()
        found = [(each.path, each.code) for each in outcome.report.problems]
        assert found == [("hardware", "file.submodule")]
        git("rm", "-q", "-r", "hardware", folder=site.path)
        assert not opened.commit().report.problems
    finally:
        opened.stop()


def test_the_files_of_a_commit_say_what_stands_in_the_place_of_a_folder(site):
    (site.path / "templates").symlink_to("elsewhere")
    git("add", "-A", folder=site.path)
    git("commit", "-qm", "x", folder=site.path)
    repo = GitRepo(site.path)
    try:
        store = DesiredStore(repo)
        (file,) = store.files(store.tip()).values()
        assert file.problem is not None
        assert (file.path, file.problem.code) == ("templates", "file.symlink")
    finally:
        repo.close()
