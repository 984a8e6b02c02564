"""What pushes may do to a repository of ours, tried with real pushes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import Conflict
from provisioner.git.command import GitFailed
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.desired import protection
from provisioner.store.desired.editing import DesiredEditor
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result

BRANCHES = ("main", "status", "status-archive")


@pytest.fixture
def repo(repo: GitRepo) -> GitRepo:
    """Ours, with two commits on each branch."""
    protection.protect(repo, desired="main", status="status")
    editor = DesiredEditor(repo, "main")
    for text in (b"1", b"2"):
        editor.commit_files({"hardware/a.yaml": text}, "c", author=("a", "a@b"))
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1))))
    tip = repo.branch("status")
    assert tip
    repo.move_ref("refs/heads/status-archive", expected=None, new=tip)
    return repo


@pytest.fixture
def clone(repo: GitRepo, tmp_path: Path) -> Iterator[Path]:
    sites.git(tmp_path, "clone", "-q", "--mirror", str(repo.git_dir), "clone")
    sites.git(tmp_path / "clone", "config", "--unset", "remote.origin.mirror")
    yield tmp_path / "clone"


def push(clone: Path, *words: str) -> tuple[bool, str]:
    done = subprocess.run(
        ["git", "-C", str(clone), "push", *words], capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stderr


def grow(clone: Path, branch: str) -> str:
    """A commit on top of a branch; return its id."""
    tip = sites.git(clone, "rev-parse", branch).strip()
    words = ("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", "-p", tip)
    return sites.git(clone, *words, f"{tip}^{{tree}}").strip()


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_push_moves_the_branches_forward_only_and_never_deletes_them(repo, clone, branch):
    before = repo.branch(branch)
    for refspec in (f"+{branch}~1:{branch}", f":{branch}"):
        is_done, words = push(clone, "origin", refspec)
        # git itself refuses to delete the branch of HEAD, before any hook is asked.
        assert not is_done and ("tink: " in words or "current branch" in words)
        assert repo.branch(branch) == before
    forward = grow(clone, branch)
    assert push(clone, "origin", f"{forward}:refs/heads/{branch}")[0]
    assert repo.branch(branch) == forward


def test_other_branches_stay_free(repo, clone):
    assert push(clone, "origin", "main:refs/heads/feature/x")[0]
    assert push(clone, "origin", "+main~1:refs/heads/feature/x")[0]
    assert push(clone, "origin", ":refs/heads/feature/x")[0]
    assert push(clone, "origin", "main:refs/heads/status-of-things")[0]
    assert push(clone, "origin", ":refs/heads/status-of-things")[0]


def test_a_mirror_push_from_an_older_clone_takes_nothing(repo, clone):
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(report(1, 0, State.RUNNING)))
    tip = repo.branch("status")
    is_done, words = push(clone, "--mirror", "origin")
    assert not is_done and "forward only" in words
    assert repo.branch("status") == tip
    assert repo.refs("refs/tink/") or not list(repo.common_dir.glob("refs/tink/*"))


def test_nobody_pushes_status_while_a_server_serves_that_very_repository(repo, clone):
    forward = {branch: grow(clone, branch) for branch in BRANCHES}
    with closing(StatusWriter(repo)):
        for branch in ("status", "status-archive"):
            is_done, words = push(clone, "origin", f"{forward[branch]}:refs/heads/{branch}")
            assert not is_done and "by the server of this repository alone" in words
        assert push(clone, "origin", f"{forward['main']}:refs/heads/main")[0]
    # A killed one leaves its lock file, and holds it no more.
    assert (repo.own_dir / "writer.lock").exists()
    assert push(clone, "origin", f"{forward['status']}:refs/heads/status")[0]


def test_without_flock_the_process_in_the_lock_is_looked_for(repo, clone, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "git-receive-pack", "git-upload-pack"):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))
    forward = grow(clone, "status")
    with closing(StatusWriter(repo)):
        is_done, words = push(clone, "origin", f"{forward}:refs/heads/status")
        assert not is_done and "by the server of this repository alone" in words
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    (repo.own_dir / "writer.lock").write_text(f"{gone.pid}\n")
    assert push(clone, "origin", f"{forward}:refs/heads/status")[0]


def test_a_look_of_the_hook_at_the_lock_keeps_no_server_from_starting(repo):
    with closing(StatusWriter(repo)):
        pass
    lock = repo.own_dir / "writer.lock"
    with subprocess.Popen(["flock", "-s", str(lock), "sleep", "0.1"]):
        StatusWriter(repo).close()


def test_branches_of_other_names_are_covered(tmp_path):
    with closing(sites.bare(tmp_path / "repo")) as repo:
        protection.protect(repo, desired="fleet/main site", status="st")
        protection.protect(repo, desired="main", status="status")  # as well
        for desired, status in (("fleet/main site", "st"), ("main", "status")):
            assert protection.is_protected(repo, desired=desired, status=status)
        assert not protection.is_protected(repo, desired="other", status="status")
        protection.look(repo, desired="other", status="status")
        assert protection.is_protected(repo, desired="other", status="status")
        settings = sites.git(repo.git_dir, "config", "--get-all", "tink.desiredBranch")
        assert settings.splitlines() == ["fleet/main site", "main", "other"]


def test_it_turns_automatic_gc_off_and_hides_what_the_server_remembers(repo):
    settings = sites.git(repo.git_dir, "config", "--local", "--list").splitlines()
    wanted = {
        "gc.auto=0",
        "maintenance.auto=false",
        "receive.autogc=false",
        "receive.hiderefs=refs/tink",
        "receive.unpacklimit=1",
    }
    assert wanted <= set(settings)
    before = (repo.common_dir / "config").read_bytes()
    protection.protect(repo, desired="main", status="status")
    assert (repo.common_dir / "config").read_bytes() == before, "nothing is added twice"
    assert os.access(repo.common_dir / "hooks/update", os.X_OK)


def test_a_hook_of_somebody_else_is_left_alone(tmp_path, caplog):
    with closing(sites.bare(tmp_path / "repo")) as repo:
        hook = repo.common_dir / "hooks/update"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\nexit 0\n")
        with pytest.raises(Conflict, match="not tink's"):
            protection.protect(repo, desired="main", status="status")
        caplog.set_level("INFO")
        protection.look(repo, desired="main", status="status")
        assert "status-branch protect" in caplog.text
        assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_our_own_git_runs_no_hook_and_a_remote_in_a_folder_runs_its_own(repo, tmp_path):
    """A server elsewhere on this machine is refused like one that comes by ssh."""
    with closing(GitRepo.create(tmp_path / "other", bare=True)) as other:
        other.fetch(f"file://{repo.common_dir}", "+refs/heads/*:refs/heads/*")
        tip = other.branch("status")
        assert tip
        forward = grow(other.common_dir, "status")
        with closing(StatusWriter(repo)), pytest.raises(GitFailed, match="hook declined"):
            other.push(
                f"file://{repo.common_dir}", commit=forward, ref="refs/heads/status", expected=tip
            )
        other.push(
            f"file://{repo.common_dir}", commit=forward, ref="refs/heads/status", expected=tip
        )
