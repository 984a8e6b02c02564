"""Clones of every kind: what is not there is said, never shown as an empty table."""

from __future__ import annotations

import pytest

from tests.cli.repository import git

READING = (
    ("workflow", "list"),
    ("workflow", "get"),
    ("workflow", "state", "01a2"),
    ("workflow", "events", "01a21cd3-c0a0-7996-b187-98c3c2181aa6"),
    ("workflow", "logs", "01a21cd3-c0a0-7996-b187-98c3c2181aa6"),
    ("workflow", "data", "01a21cd3-c0a0-7996-b187-98c3c2181aa6"),
    ("machine", "list"),
    ("machine", "show", "n1"),
    ("boot", "show", "n1"),
    ("status-branch", "stats"),
    ("fsck",),
)
NAMES = [" ".join(words[:2]) for words in READING]


@pytest.fixture
def forge(home, tmp_path):
    """What `git push` left on a forge: both branches."""
    git(home, "clone", "--quiet", "--mirror", str(home), str(tmp_path / "forge.git"))
    return f"file://{tmp_path}/forge.git"


@pytest.mark.parametrize("words", READING, ids=NAMES)
def test_a_clone_of_one_branch_says_what_brings_the_other(tink, forge, tmp_path, words):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--single-branch", "--branch", "main", forge, str(clone))
    result = tink(*words, "--repo", clone)
    said = result.out + result.err
    assert result.code == 1
    assert "HOSTNAME" not in said and "WORKFLOW ID" not in said and "FIELD NAME" not in said
    hint = "git fetch origin status:refs/remotes/origin/status"
    assert hint in said
    git(clone, *hint.split()[1:])
    assert hint not in (found := tink(*words, "--repo", clone)).out + found.err


@pytest.mark.parametrize("words", READING, ids=NAMES)
def test_a_status_branch_of_no_such_name_is_an_error(tink, home, monkeypatch, words):
    monkeypatch.setenv("TINK_STATUS_BRANCH", "nothing")
    result = tink(*words)
    assert result.code == 1
    assert "nothing" in result.out + result.err
    assert "no branch 'nothing' here" in result.err or words == ("fsck",)
    assert "--status-branch" in result.out + result.err


@pytest.mark.parametrize("words", READING, ids=NAMES)
def test_a_remote_without_the_branch_is_an_error(tink, forge, words):
    result = tink("--repo", forge, "--status-branch", "nothing", *words)
    assert result.code == 1
    assert "the remote has none" in result.out + result.err


@pytest.mark.parametrize("name", ["origin", "upstream"])
def test_the_remote_may_have_any_name(tink, forge, tmp_path, name):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--origin", name, forge, str(clone))
    for words in (("workflow", "list"), ("machine", "list"), ("fsck",)):
        assert tink(*words, "--repo", clone).code == 0
    assert f"into {name}/main" in tink("plan", "--repo", clone).out


def test_of_several_remotes_the_branch_says_which(tink, forge, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--origin", "upstream", forge, str(clone))
    git(clone, "remote", "add", "fork", str(tmp_path / "fork.git"))
    assert tink("workflow", "list", "--repo", clone).code == 0
    git(clone, "branch", "--quiet", "--unset-upstream", "main")
    assert tink("workflow", "list", "--repo", clone).code == 1


def test_the_rest_of_a_history_that_was_cut_off_is_no_proof(tink, home, forge, tmp_path):
    git(home, "worktree", "add", "--quiet", str(tmp_path / "status"), "status")
    git(tmp_path / "status", "commit", "--quiet", "--allow-empty", "-m", "a second one")
    git(home, "push", "--quiet", forge, "status")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", forge, str(clone))
    result = tink("fsck", "--repo", clone)
    assert result.code == 1
    assert "[fsck.shallow]" in result.out and "git fetch --unshallow origin" in result.out
    git(clone, "fetch", "--quiet", "--unshallow", "origin")
    assert "fsck.shallow" not in tink("fsck", "--repo", clone).out


def test_validate_says_that_it_could_not_know_what_became_a_workflow(tink, home):
    assert "which requests became workflows is not known" not in tink("validate").err
    git(home, "branch", "-D", "status")
    result = tink("validate")
    assert result.code == 0
    assert "which requests became workflows is not known" in result.err


@pytest.mark.parametrize("depth", [(), ("--depth=1",)])
def test_a_clone_of_a_feature_alone_does_not_plan_it_into_itself(
    tink, home, forge, tmp_path, depth
):
    git(home, "push", "--quiet", forge, "main:feature")
    clone = tmp_path / "clone"
    words = ("--single-branch", "--branch", "feature", *depth)
    git(tmp_path, "clone", "--quiet", *words, forge, str(clone))
    result = tink("plan", "--repo", clone)
    assert result.code == 1
    hint = "git fetch origin main:refs/remotes/origin/main"
    assert hint in result.err
    assert "which branch a server follows" in tink("validate", "--repo", clone).err
    git(clone, *hint.split()[1:])
    assert "into origin/main" in tink("plan", "--repo", clone).out
    assert "which branch a server follows" not in tink("validate", "--repo", clone).err
