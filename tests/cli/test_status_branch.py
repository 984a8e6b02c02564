"""`tink status-branch`: the branch is begun by a person, and by nothing else."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.repository import git


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A repository made by plain git, with one commit; stand in it."""
    site = tmp_path / "site"
    site.mkdir()
    git(site, "init", "-q", "-b", "main")
    git(site, "commit", "-q", "--allow-empty", "-m", "start")
    monkeypatch.chdir(site)
    return site


def test_serve_says_what_to_type_where_no_branch_was_begun(tink, plain):
    result = tink("serve", "--listen", "127.0.0.1:0")
    assert result.code == 1
    assert f"{plain} has no branch 'status'" in result.err
    assert f"tink --repo {plain} status-branch begin" in result.err
    assert git(plain, "branch", "--list", "status") == ""


def test_a_person_begins_it_with_its_format_alone(tink, plain):
    assert tink("status-branch", "begin").code == 0
    assert git(plain, "ls-tree", "-r", "--name-only", "status") == "format.json\n"
    assert tink("fsck").code == 0


def test_what_has_begun_does_not_begin_again(tink, plain):
    tink("status-branch", "begin")
    before = git(plain, "rev-parse", "status")
    result = tink("status-branch", "begin")
    assert (result.code, "there is a branch 'status' already" in result.err) == (1, True)
    assert git(plain, "rev-parse", "status") == before


def test_it_may_have_another_name(tink, plain):
    assert tink("--status-branch", "staging", "status-branch", "begin").code == 0
    assert git(plain, "branch", "--format=%(refname:short)").split() == ["main", "staging"]


def test_a_forge_that_got_only_main_is_given_one_by_its_url(tink, plain, tmp_path):
    forge = tmp_path / "forge.git"
    subprocess.run(["git", "clone", "-q", "--bare", plain, forge], check=True)
    assert tink("--repo", f"file://{forge}", "status-branch", "begin").code == 0
    assert git(forge, "ls-tree", "-r", "--name-only", "status") == "format.json\n"
    before = git(forge, "rev-parse", "status")
    assert tink("--repo", f"file://{forge}", "status-branch", "begin").code == 1
    assert git(forge, "rev-parse", "status") == before


def test_a_clone_of_a_site_that_has_one_begins_no_second(tink, plain, tmp_path, monkeypatch):
    tink("status-branch", "begin")
    subprocess.run(["git", "clone", "-q", plain, tmp_path / "clone"], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    result = tink("status-branch", "begin")
    assert (result.code, "origin/status was fetched already" in result.err) == (1, True)
    assert git(tmp_path / "clone", "branch", "--list", "status") == ""
