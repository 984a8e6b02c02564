"""Which repository, branch and remote are meant, in repositories of every kind."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import UserError
from provisioner.git import clones
from provisioner.git.repo import GitRepo
from provisioner.services import location
from provisioner.store.guard.memory import Memory
from tests.forge import Forge


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make(folder: Path, *branches: str, head: str) -> Path:
    """A repository with a commit on each branch; HEAD is at `head`."""
    git(folder.parent, "init", "--quiet", "--initial-branch", branches[0], str(folder))
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    for branch in branches[1:]:
        git(folder, "branch", branch)
    git(folder, "symbolic-ref", "HEAD", f"refs/heads/{head}")
    return folder


def branches(folder: Path, asked: str = "") -> tuple[str, str]:
    with closing(GitRepo(folder)) as repo:
        found = location.branches(repo, asked, "status")
    return found.own, found.followed


@pytest.mark.parametrize(
    ("there", "head", "asked", "own", "followed"),
    [
        (("main", "status"), "main", "", "main", "main"),
        (("main", "feature"), "feature", "", "feature", "main"),
        (("main", "feature"), "feature", "other", "other", "other"),
        (("main", "status"), "status", "", "main", "main"),
        (("main", "status-archive"), "status-archive", "", "main", "main"),
        (("trunk", "status"), "trunk", "", "trunk", "trunk"),
        (("status",), "status", "", "main", "main"),
        (("main",), "unborn", "", "unborn", "main"),
    ],
)
def test_the_branches_of_a_work_tree(tmp_path, there, head, asked, own, followed):
    assert branches(make(tmp_path / "a", *there, head=head), asked) == (own, followed)


def test_nobody_works_in_a_bare_repository(tmp_path):
    make(tmp_path / "a", "main", "feature", head="feature")
    git(tmp_path, "clone", "--quiet", "--bare", "a", "b.git")
    assert branches(tmp_path / "b.git") == ("main", "main")


def test_a_clone_of_a_feature_goes_by_the_remotes_branches(tmp_path):
    make(tmp_path / "a", "main", "feature", head="main")
    git(tmp_path, "clone", "--quiet", "--branch", "feature", "--origin", "up", "a", "b")
    assert branches(tmp_path / "b") == ("feature", "main")
    make(tmp_path / "c", "trunk", "feature", head="trunk")
    git(tmp_path, "clone", "--quiet", "--branch", "feature", "--origin", "up", "c", "d")
    assert branches(tmp_path / "d") == ("feature", "trunk")


def test_a_clone_that_knows_nothing_but_a_feature_says_that_it_guesses(tmp_path):
    site = make(tmp_path / "a", "main", "feature", head="main")
    words = ("clone", "--quiet", "--single-branch", "--branch", "feature", f"file://{site}")
    git(tmp_path, *words, "b")
    with closing(GitRepo(tmp_path / "b")) as repo:
        assert location.branches(repo, "", "status").is_guess
        assert not location.branches(repo, "feature", "status").is_guess
        git(tmp_path / "b", "fetch", "--quiet", "origin", "main:refs/remotes/origin/main")
        assert not location.branches(repo, "", "status").is_guess
    with closing(GitRepo(site)) as repo:
        assert not location.branches(repo, "", "status").is_guess


def test_the_branch_that_a_server_followed_counts_whatever_is_checked_out(tmp_path):
    site = make(tmp_path / "a", "trunk", "feature", head="feature")
    assert branches(site) == ("feature", "feature")
    with closing(GitRepo(site)) as repo:
        Memory(repo).accept_desired("trunk", repo.branch("trunk"))
    assert branches(site) == ("feature", "trunk")


def test_a_server_serves_the_whole_repository_of_a_folder_in_it(tmp_path):
    site = make(tmp_path / "a", "main", head="main")
    (site / "hardware").mkdir()
    assert location.served_path(str(site / "hardware")) == str(site)
    with pytest.raises(UserError, match="not a git repository"):
        location.served_path(str(tmp_path))


def serve(repo: str, *, clone_into: Path | None = None, asked: str = "") -> str:
    return location.branch_to_serve(repo, asked, "status", clone_into=clone_into)


def test_a_server_of_a_remote_follows_main_else_the_remotes_own(tmp_path):
    url = f"file://{make(tmp_path / 'a', 'main', 'trunk', head='trunk')}"
    assert serve(url) == "main"
    assert serve(url, asked="trunk") == "trunk"
    git(tmp_path / "a", "branch", "--delete", "--force", "main")
    assert serve(url) == "trunk"
    git(tmp_path / "a", "symbolic-ref", "HEAD", "refs/heads/status")
    assert serve(url) == "main"
    assert serve(f"file://{tmp_path}/nothing") == "main"


def test_what_a_clone_knows_is_not_asked_again(tmp_path):
    make(tmp_path / "a", "trunk", head="trunk")
    gone = f"file://{tmp_path}/gone"
    git(tmp_path, "clone", "--quiet", "--bare", "a", "clone")
    clone = tmp_path / "clone"
    assert serve(gone, clone_into=clone) == "main"  # nothing tells
    with closing(GitRepo(clone)) as repo:
        Memory(repo).accept_desired("trunk", repo.branch("trunk"))
    assert serve(gone, clone_into=clone) == "trunk"
    git(clone, "update-ref", "refs/remotes/origin/main", "trunk")
    assert serve(gone, clone_into=clone) == "main"


@pytest.mark.waits
@pytest.mark.network
def test_a_remote_that_says_nothing_does_not_hold_up_a_start(tmp_path, monkeypatch):
    monkeypatch.setattr(location, "_ASK_SECONDS", 0.2)
    with closing(Forge(tmp_path)) as forge:
        forge.mood = "silent"
        assert serve(forge.url("x.git")) == "main"


@pytest.mark.parametrize(
    ("named", "asked", "is_ours", "found"),
    [
        ("DIR", None, False, None),
        ("DIR", "origin", False, "origin"),
        ("DIR", "up", False, "up"),
        ("DIR", None, True, "origin"),
        ("https://forge/x.git", None, True, "origin"),
        ("https://forge/x.git", "up", True, "up"),
    ],
)
def test_the_remote_that_a_server_keeps_up_with(tmp_path, named, asked, is_ours, found):
    site = make(tmp_path / "a", "main", head="main")
    for name in ("origin", "up"):
        git(site, "remote", "add", name, "/nowhere")
    with closing(GitRepo(site)) as repo:
        assert location.remote_to_follow(repo, named, asked=asked, is_ours=is_ours) == found


def test_a_remote_that_is_not_there_is_an_error_where_one_is_meant(tmp_path, caplog):
    with closing(GitRepo(make(tmp_path / "a", "main", head="main"))) as repo:
        assert location.remote_to_follow(repo, "DIR", asked=None, is_ours=False) is None
        for named, asked in (("DIR", "up"), ("https://forge/x.git", None)):
            with pytest.raises(UserError, match="has no remote"):
                location.remote_to_follow(repo, named, asked=asked, is_ours=False)
    assert not caplog.records


@pytest.mark.parametrize("origin", ["origin", "up"])
def test_a_clones_other_branches_come_from_the_remote_of_its_branch(tmp_path, origin):
    make(tmp_path / "a", "main", head="main")
    git(tmp_path, "clone", "--quiet", "--origin", origin, "a", "b")
    git(tmp_path / "b", "remote", "add", "other", "/nowhere")
    with closing(GitRepo(tmp_path / "b")) as repo:
        assert clones.remote_of(repo) == origin
        git(tmp_path / "b", "checkout", "--quiet", "--detach")
        assert clones.remote_of(repo) == origin  # by main's
        git(tmp_path / "b", "branch", "--unset-upstream", "main")
        assert clones.remote_of(repo) == ("origin" if origin == "origin" else "")
        git(tmp_path / "b", "remote", "remove", "other")
        assert clones.remote_of(repo) == origin
