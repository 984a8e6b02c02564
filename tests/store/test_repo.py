"""Git is used so that no repository, environment or name can steer it."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import Conflict, NotFound, Unavailable, UserError
from provisioner.git import command, stream
from provisioner.git.command import GitFailed
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from tests.store import sites


def head(site) -> CommitId:
    return CommitId(site("rev-parse", "HEAD").strip())


def test_bare_or_not_or_a_linked_work_tree(site, tmp_path):
    site("branch", "other")
    site("worktree", "add", "-q", str(tmp_path / "linked"), "other")
    site("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    for path, bare in ((site.path, False), (tmp_path / "linked", False), (tmp_path / "bare", True)):
        with closing(GitRepo(path)) as repo:
            assert repo.is_bare == bare
            assert repo.branch("main") == repo.branch("other") == head(site)
            assert repo.commit(head(site)).message == "start\n"
    with closing(GitRepo(tmp_path / "linked")) as repo:
        assert repo.checked_out_branch() == "other"
        assert repo.common_dir == (site.path / ".git").resolve()


def test_a_folder_without_a_repository_is_said_so(tmp_path):
    with pytest.raises(UserError, match="is not a git repository"):
        GitRepo(tmp_path)
    with pytest.raises(UserError, match="is not a git repository"):
        GitRepo(tmp_path / "nowhere")


def test_refs_are_found_loose_packed_and_symbolic(site):
    site("branch", "a/b")
    site("symbolic-ref", "refs/heads/link", "refs/heads/main")
    with closing(GitRepo(site.path)) as repo:
        for _ in ("loose", "packed"):
            assert repo.branch("a/b") == repo.branch("link") == repo.resolve("HEAD") == head(site)
            assert repo.branch("a") is None and repo.branch("nothing") is None
            assert set(repo.refs("refs/heads/")) == {
                "refs/heads/a/b",
                "refs/heads/link",
                "refs/heads/main",
                "refs/heads/status",
            }
            site("pack-refs", "--all")


def test_objects_are_read_by_many_threads_at_once(site):
    blobs = {}
    with closing(GitRepo(site.path)) as repo:
        for number in range(50):
            content = bytes([number]) * (number * 1000)
            blobs[sites.write_blob(repo, content)] = content
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(repo.blob, list(blobs) * 4))
        assert found == list(blobs.values()) * 4
        assert [each.content for each in repo.objects(blobs)] == list(blobs.values())
        streamed = stream.objects(repo.common_dir, blobs)
        assert [each.content for each in streamed] == list(blobs.values())


def test_what_is_missing_is_not_found_and_the_next_question_is_answered(site):
    with closing(GitRepo(site.path)) as repo:
        blob = sites.write_blob(repo, b"x")
        for question in ("0" * 40, "HEAD", "--help", "a b\nc", ""):
            with pytest.raises(NotFound):
                repo.object(question)
            assert repo.blob(blob) == b"x"
        with pytest.raises(NotFound):
            repo.tree(blob)
        with pytest.raises(NotFound):
            list(stream.objects(repo.common_dir, [blob, "0" * 40]))
        with pytest.raises(NotFound):
            repo.find_commit("--upload-pack=touch x")
        assert repo.find_commit("main") == head(site)


def test_a_reader_that_dies_is_started_again(site):
    with closing(GitRepo(site.path)) as repo:
        blob = sites.write_blob(repo, b"x")
        assert repo.blob(blob) == b"x"
        children = Path(f"/proc/{os.getpid()}/task")
        ours = {
            int(pid)
            for task in children.iterdir()
            for pid in (task / "children").read_text().split()
            if b"cat-file" in Path(f"/proc/{pid}/cmdline").read_bytes()
            and str(repo.common_dir).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        }
        for pid in ours:
            os.kill(pid, 9)
        assert ours
        assert repo.blob(blob) == b"x"


def test_no_hook_and_no_monitor_of_a_repository_is_run(site, tmp_path):
    mark = tmp_path / "mark"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    for hook in ("reference-transaction", "post-index-change", "pre-push", "post-checkout"):
        (site.path / ".git/hooks").mkdir(exist_ok=True)
        (site.path / f".git/hooks/{hook}").symlink_to(script)
    site("config", "core.fsmonitor", str(script))
    site("config", "core.hooksPath", str(site.path / ".git/hooks"))
    site("config", "core.pager", str(script))
    mark.unlink(missing_ok=True)
    with closing(GitRepo(site.path)) as repo:
        repo.move_ref("refs/heads/new", expected=None, new=head(site))
        repo.run(f"--work-tree={site.path}", "status", directory=site.path)
        repo.run("log", "-1")
    assert not mark.exists()


def test_nothing_of_the_environment_gets_in(site, tmp_path, monkeypatch):
    for name, value in {
        "GIT_DIR": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "nonsense",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_EXTERNAL_DIFF": "false",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(GitRepo(site.path)) as repo:
        monkeypatch.undo()
        assert repo.resolve("HEAD") == head(site)
    kept = command.environment(
        {"GIT_SSH_COMMAND": "ssh -i key", "GIT_DIR": "x", "PATH": "/bin", "GIT_EXEC_PATH": "/x"}
    )
    assert kept["GIT_SSH_COMMAND"] == "ssh -i key" and kept["PATH"] == "/bin"
    assert "GIT_DIR" not in kept and "GIT_EXEC_PATH" not in kept


def test_replace_refs_do_not_change_what_an_object_is(site):
    with closing(GitRepo(site.path)) as repo:
        one, two = sites.write_blob(repo, b"one"), sites.write_blob(repo, b"two")
        site("replace", one, two)
        assert repo.blob(one) == b"one"


@pytest.mark.skipif(not sites.is_root(), reason="only root can give a folder away")
def test_a_repository_that_somebody_else_owns_is_used(site, tmp_path):
    for path in (site.path, *site.path.rglob("*")):
        os.chown(path, 12345, 12345)
    plain = subprocess.run(
        ["git", "-C", str(site.path), "log"], capture_output=True, text=True, check=False
    )
    assert "dubious ownership" in plain.stderr
    with closing(GitRepo(site.path)) as repo, closing(sites.bare(tmp_path / "mine")) as mine:
        assert repo.run("log", "--format=%s").decode() == "start\n"
        mine.fetch(str(site.path), "+refs/heads/main:refs/heads/main")
        assert mine.branch("main") == repo.branch("main")


@pytest.mark.parametrize(
    "hostile", ["--upload-pack=touch mark", "ext::sh -c 'touch mark'", "-c", "--exec=touch mark"]
)
def test_a_remote_with_a_hostile_name_runs_nothing(site, tmp_path, monkeypatch, hostile):
    monkeypatch.chdir(tmp_path)
    with closing(GitRepo(site.path)) as repo:
        with pytest.raises(GitFailed):
            repo.fetch(hostile, "refs/heads/main")
        with pytest.raises(GitFailed):
            repo.fetch(str(site.path), hostile)
        with pytest.raises(GitFailed):
            repo.push(hostile, commit=head(site), ref="refs/heads/main", expected=None)
    assert not list(tmp_path.glob("mark"))


@pytest.mark.parametrize("scheme", ["ext", "mine"])
def test_no_configuration_of_a_repository_lets_a_url_run_a_program(
    site, tmp_path, monkeypatch, scheme
):
    helper = tmp_path / "git-remote-mine"
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path}/mark\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    if scheme == "ext":  # of other schemes, git asks nobody but the person's configuration
        site("config", "protocol.ext.allow", "always")
    refused = pytest.raises(GitFailed, match=f"transport '{scheme}' not allowed")
    with closing(GitRepo(site.path)) as repo, refused:
        repo.fetch(f"{scheme}::touch {tmp_path}/mark", "refs/heads/main")
    assert not (tmp_path / "mark").exists()


def test_credentials_in_a_url_are_not_in_the_message(site):
    with closing(GitRepo(site.path)) as repo:
        site("remote", "add", "origin", "https://eve:secret@localhost.invalid/x")
        with pytest.raises(GitFailed) as failed:
            repo.fetch("origin", "refs/heads/main")
    assert "secret" not in str(failed.value) and "secret" not in failed.value.stderr


def test_pushing_is_compare_and_swap(site, tmp_path):
    with closing(sites.empty(tmp_path / "remote")) as remote, closing(GitRepo(site.path)) as repo:
        one = head(site)
        url = str(remote.git_dir)
        repo.push(url, commit=one, ref="refs/heads/status", expected=None)
        site("commit", "-q", "--allow-empty", "-m", "two")
        two = head(site)
        with pytest.raises(Conflict):
            repo.push(url, commit=two, ref="refs/heads/status", expected=None)
        with pytest.raises(Conflict):
            repo.push(url, commit=two, ref="refs/heads/status", expected=CommitId("1" * 40))
        repo.push(url, commit=two, ref="refs/heads/status", expected=one)
        assert remote.branch("status") == two


def test_moving_a_ref_is_compare_and_swap(site):
    with closing(GitRepo(site.path)) as repo:
        one = head(site)
        with pytest.raises(RefMoved) as moved:
            repo.move_ref("refs/heads/main", expected=None, new=one)
        assert moved.value.found == one
        repo.move_ref("refs/heads/x", expected=None, new=one)
        assert repo.branch("x") == one


def test_a_command_that_hangs_is_ended(site, monkeypatch):
    with closing(GitRepo(site.path)) as repo:
        monkeypatch.setattr(command, "command_line", lambda *_, **__: ["sleep", "60"])
        with pytest.raises(GitFailed, match=r"no answer within 0\.2 s"):
            repo.run("log", timeout_seconds=0.2)


def test_a_repository_of_a_kind_that_we_do_not_know_is_refused(tmp_path):
    sites.git(tmp_path, "init", "-q", "--object-format=sha256", "new")
    with pytest.raises(Unavailable, match="objectformat sha256"):
        GitRepo(tmp_path / "new")


def test_a_broken_ref_is_said_and_not_taken_for_none(site):
    (site.path / ".git/refs/heads/main").write_text("")
    with closing(GitRepo(site.path)) as repo, pytest.raises(Unavailable, match="is not a ref"):
        repo.branch("main")
