"""`tink status-branch`: the branch is begun by a person, and by nothing else."""

from __future__ import annotations

import subprocess
from contextlib import closing

import pytest

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.writer.status_writer import StatusWriter
from tests.cli.repository import git
from tests.store import sites


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


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """A site that a server left with a workflow, and whose status branch was then replaced."""
    with closing(sites.bare(tmp_path / "site.git")) as repo:
        begun = repo.branch("status")
        with closing(StatusWriter(repo)) as writer:
            sites.result(writer.propose(sites.create(sites.record(1))))
            sites.result(writer.propose(sites.report(1, 0, State.RUNNING)))
        ours = repo.branch("status")
        words = ("commit-tree", "-p", begun, "-m", "by hand", f"{begun}^{{tree}}")
        theirs = git(repo.git_dir, *words).strip()
        git(repo.git_dir, "update-ref", "refs/heads/status", theirs)
    monkeypatch.chdir(tmp_path / "site.git")
    return tmp_path / "site.git", ours, theirs


def test_what_the_server_wrote_is_put_back_and_the_other_kept(tink, moved):
    site, ours, theirs = moved
    result = tink("status-branch", "recover")
    assert result.code == 0
    assert f"put branch status back to {ours}" in result.out
    assert "commits that are given up: 1" in result.err and "by hand" in result.err
    kept = next(word for word in result.err.split() if word.startswith("refs/tink/"))
    assert git(site, "rev-parse", "status").strip() == ours
    assert git(site, "rev-parse", kept).strip() == theirs
    again = tink("status-branch", "recover")
    assert (again.code, "is where the server left it" in again.err) == (0, True)


def test_a_dry_run_shows_both_ways_and_moves_nothing(tink, moved):
    site, _, theirs = moved
    result = tink("status-branch", "recover", "--dry-run")
    assert f"tink status-branch recover --accept {theirs}" in result.err
    assert git(site, "rev-parse", "status").strip() == theirs
    result = tink("status-branch", "recover", "--dry-run", "--accept", theirs)
    assert "commits that are given up: 2" in result.err and "STATE_RUNNING" in result.err
    with closing(GitRepo(site)) as repo, closing(StatusWriter(repo)) as writer:
        refused = writer.refresh().exception(sites.PATIENCE_SECONDS)
    assert isinstance(refused, Unavailable)


def test_the_other_history_is_accepted_by_its_commit(tink, moved):
    site, ours, theirs = moved
    assert tink("status-branch", "recover", "--accept", ours).code == 1
    assert tink("status-branch", "recover", "--accept", theirs).code == 0
    with closing(GitRepo(site)) as repo, closing(StatusWriter(repo)) as writer:
        assert sites.result(writer.refresh()).commit == theirs
        assert not writer.view.workflows


def test_a_branch_that_a_server_left_is_not_begun_anew(tink, moved):
    site, ours, _ = moved
    git(site, "update-ref", "-d", "refs/heads/status")
    result = tink("status-branch", "begin")
    assert (result.code, f"a server left it at {ours[:12]}" in result.err) == (1, True)
    assert tink("status-branch", "recover").code == 0
    assert git(site, "rev-parse", "status").strip() == ours
