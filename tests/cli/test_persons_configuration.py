"""What a person told git once, for all their repositories, counts for `tink` as well."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import closing

import pytest

from provisioner.git.repo import GitRepo
from provisioner.store.desired.editing import DesiredEditor
from tests.cli.repository import N1, git
from tests.forge import Forge

NINE = {
    "id": "00000000-0000-4000-8000-000000000009",
    "network": {"interfaces": [{"dhcp": {"mac": "08:00:27:00:00:09"}}]},
}


def push(tink):
    return tink("hardware", "push", piped=json.dumps(NINE))


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    """The person's own configuration, of all repositories: add lines to it."""
    path = tmp_path / "gitconfig"
    path.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
    return path


@pytest.fixture
def hook(home):
    """Make a hook of the repository, which writes what it sees beside it."""

    def make(name, text):
        path = home / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return make


def test_commits_are_signed_where_the_person_signs_everywhere(tink, home, configuration, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    configuration.write_text(
        f"[commit]\n gpgSign = true\n[gpg]\n format = ssh\n[user]\n signingKey = {key}\n"
    )
    assert push(tink).code == 0
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in git(home, "cat-file", "commit", "HEAD")


@pytest.mark.parametrize("setting", ["true", "input", "false"])
def test_line_ends_are_the_persons_and_status_stays_clean(tink, home, configuration, setting):
    configuration.write_text(f"[core]\n autocrlf = {setting}\n")
    git(home, "rm", "--quiet", ".gitattributes")  # which would say it for everybody
    git(home, "commit", "--quiet", "-m", "as each one likes it")
    assert push(tink).code == 0
    assert git(home, "status", "--porcelain") == ""
    [path] = (home / "hardware").glob("00000000*")
    assert (b"\r\n" in path.read_bytes()) is (setting == "true")
    assert b"\r" not in git(home, "cat-file", "blob", f"HEAD:hardware/{path.name}").encode()
    assert tink("validate").code == 0
    assert git(home, "status", "--porcelain") == ""


def test_validate_checks_what_git_would_commit(tink, home, configuration):
    """A filter of the person's turns the file in the work tree into another one."""
    configuration.write_text(
        '[filter "shout"]\n clean = sed s/NOT-AN-ID/ce2e62ed-826f-4485-a39f-a82bb74338e2/\n'
    )
    (home / ".git/info").mkdir(exist_ok=True)
    (home / ".git/info/attributes").write_text("hardware/n1.yaml filter=shout\n")
    machine = home / "hardware" / "n1.yaml"
    machine.write_text(machine.read_text().replace(N1, "NOT-AN-ID"))
    objects = git(home, "count-objects", "-v")
    assert tink("validate").code == 0
    assert git(home, "count-objects", "-v") == objects
    configuration.write_text("")
    assert tink("validate").code == 1


def test_hooks_of_the_repository_see_the_commit_of_a_verb(tink, home, hook):
    hook("pre-commit", "git diff --cached --name-only > .git/seen")
    hook("commit-msg", 'grep -q hardware "$1" || exit 1; echo "Ticket: 7" >> "$1"')
    hook("post-commit", "git log -1 --format=%s > .git/after")
    (home / "staged.txt").write_text("not of this commit\n")
    git(home, "add", "staged.txt")
    (home / "hardware" / "n2.yaml").write_text("being edited\n")
    result = push(tink)
    assert (result.code, "committed hardware/" in result.err) == (0, True)
    [path] = [line for line in (home / ".git/seen").read_text().split() if "0009" in line]
    assert git(home, "show", "--format=", "--name-only", "HEAD").split() == [path]
    assert "Ticket: 7" in git(home, "log", "-1", "--format=%B")
    assert (home / ".git/after").read_text() == git(home, "log", "-1", "--format=%s")
    assert git(home, "status", "--porcelain") == " M hardware/n2.yaml\nA  staged.txt\n"


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "prepare-commit-msg"])
def test_a_hook_that_refuses_is_shown_and_nothing_is_left(tink, home, hook, name):
    hook(name, "echo 'no commits on Fridays' >&2; exit 1")
    before = git(home, "rev-parse", "HEAD")
    for words in (("hardware", "push"), ("hardware", "delete", N1)):
        piped = json.dumps(NINE) if "push" in words else None
        result = tink(*words, piped=piped)
        assert result.code == 1
        assert "no commits on Fridays" in result.err
        assert git(home, "rev-parse", "HEAD") == before
        assert git(home, "status", "--porcelain") == ""


def test_hooks_stand_where_the_person_says(tink, home, configuration, tmp_path):
    folder = tmp_path / "hooks"
    folder.mkdir()
    (folder / "pre-commit").write_text("#!/bin/sh\necho 'of all repositories' >&2; exit 1\n")
    (folder / "pre-commit").chmod(0o755)
    configuration.write_text(f"[core]\n hooksPath = {folder}\n")
    result = push(tink)
    assert (result.code, "of all repositories" in result.err) == (1, True)


def test_a_server_runs_no_hook_and_reads_nobodys_configuration(home, hook, configuration):
    """What the server and its parts open is not a person's repository."""
    hook("pre-commit", "exit 1")
    configuration.write_text("[core]\n autocrlf = true\n[user]\n name = Nobody\n")
    with closing(GitRepo(home)) as repo:
        assert repo.run("config", "--default", "none", "--get", "user.name") == b"none\n"
        assert repo.run("rev-parse", "--git-path", "hooks") == b"/dev/null\n"
        assert DesiredEditor(repo).commit_files({"x.txt": b"x\n"}, "By a program")


def test_nothing_is_written_through_a_link_for_a_hook(tink, home, hook, tmp_path):
    hook("pre-commit", "exit 0")
    outside = tmp_path / "outside"
    outside.mkdir()
    git(home, "rm", "-rq", "workflows")
    (home / "workflows").symlink_to(outside)
    git(home, "commit", "--quiet", "-m", "gone", "--no-verify")
    devices = '{"device_1":"08:00:27:00:00:01"}'
    result = tink("workflow", "create", "-t", "hello_world_workflow", "-r", devices)
    assert result.code == 1
    assert list(outside.iterdir()) == []


@pytest.mark.network
def test_a_credential_helper_opens_a_forge(tink, home, configuration, tmp_path):
    git(home, "clone", "--quiet", "--mirror", str(home), str(tmp_path / "site.git"))
    forge = Forge(tmp_path, password="s3cret")
    try:
        assert tink("--repo", forge.url("site.git"), "template", "list").code == 1
        configuration.write_text(
            '[credential]\n helper = "!f() { echo username=me; echo password=s3cret; }; f"\n'
        )
        result = tink("--repo", forge.url("site.git"), "template", "list", "--quiet")
    finally:
        forge.close()
    assert (result.code, len(result.out.split())) == (0, 1)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture
def anothers(home):
    for folder, folders, files in os.walk(home):
        for name in (".", *folders, *files):
            os.chown(os.path.join(folder, name), 12_345, 12_345)  # noqa: PTH118  # as walk gives it
    return home


@needs_root
def test_a_repository_of_another_user_is_refused_as_git_refuses_it(tink, anothers, configuration):
    result = tink("hardware", "list")
    assert result.code == 1
    assert "dubious ownership" in result.err
    assert f"git config --global --add safe.directory {anothers}" in result.err
    configuration.write_text(f"[safe]\n directory = {anothers}\n")
    assert tink("hardware", "list").code == 0


@needs_root
def test_root_leaves_no_files_in_a_repository_of_another_user(tink, anothers, configuration):
    configuration.write_text("[safe]\n directory = *\n")
    assert tink("hardware", "list").code == tink("validate").code == tink("plan").code == 0
    result = push(tink)
    assert result.code == 1
    assert "sudo -u #12345 tink" in result.err
    owners = {
        os.lstat(os.path.join(folder, name)).st_uid  # noqa: PTH118
        for folder, folders, files in os.walk(anothers)
        for name in (".", *folders, *files)
    }
    assert owners == {12_345}
