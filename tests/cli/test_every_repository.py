"""Every verb that reads, in every kind of repository: the answers are those of the original."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.repository import git
from tests.cli.written import Written

pytestmark = [pytest.mark.network]

MACHINE = "n1"  # its host name
ABOUT_WORKFLOWS = (
    ("workflow", "list"),
    ("workflow", "get"),
    ("workflow", "get", "DONE"),
    ("workflow", "state", "DONE"),
    ("workflow", "events", "DONE"),
    ("workflow", "data", "DONE"),
    ("workflow", "logs", "DONE"),
    ("trace", MACHINE),
    ("trace", "DONE"),
    ("machine", "list"),
    ("machine", "show", MACHINE),
    ("boot", "show", MACHINE, "--osie-url", "http://192.168.1.1/osie"),
    ("boot", "config", "dnsmasq", "--boot-url", "http://192.168.1.1:42114"),
    ("fsck",),
)
ABOUT_FILES = (
    ("hardware", "list"),
    ("hardware", "get", MACHINE),
    ("hardware", "id", MACHINE),
    ("hardware", "mac", "08:00:27:00:00:01"),
    ("hardware", "ip", "192.168.1.5"),
    ("template", "list"),
    ("template", "get", "hello_world_workflow"),
    ("export",),
    ("validate", "--commit", "main"),
)
CUT_OFF = (  # what only the whole history tells
    ("fsck",),
    ("template", "list"),
    ("trace", MACHINE),
    ("trace", "DONE"),
)
NAMES = {words: " ".join(words[:3]) for words in (*ABOUT_WORKFLOWS, *ABOUT_FILES)}

Where = tuple[Path, str]  # the folder to stand in, and what --repo says; "" for nothing
Made = Callable[[Path, Path], Where]  # from the original's forge and an empty folder


def _clone(*words: str, then: tuple[tuple[str, ...], ...] = ()) -> Made:
    def made(forge: Path, folder: Path) -> Where:
        git(folder, "clone", "--quiet", *words, f"file://{forge}", "c")
        for more in then:
            git(folder / "c", *more)
        return folder / "c", ""

    return made


def _mirror_at(name: str, said: str) -> Made:
    def made(forge: Path, folder: Path) -> Where:
        git(folder, "clone", "--quiet", "--mirror", str(forge), str(folder / name))
        return folder, said.format(folder=folder)

    return made


def _worktree(forge: Path, folder: Path) -> Where:
    clone, _ = _clone()(forge, folder)
    git(clone, "worktree", "add", "--quiet", "-b", "feature", str(folder / "linked"))
    return folder / "linked", ""


def _below(forge: Path, folder: Path) -> Where:
    clone, _ = _clone()(forge, folder)
    return clone / "hardware", ""


def _url(form: str) -> Made:
    return lambda forge, folder: (folder, form.format(forge=forge))


KINDS: dict[str, Made] = {
    "clone": _clone(),
    "folder below its root": _below,
    "clone named by its path": lambda forge, folder: (folder, str(_clone()(forge, folder)[0])),
    "bare clone, named by a relative path": _mirror_at("x.git", "x.git"),
    "a path with a colon": _mirror_at("a:b", "./a:b"),
    "a folder that reads like a remote": _mirror_at("host:x", "host:x"),
    "a path with a blank and a quote": _mirror_at("it's a b", "{folder}/it's a b"),
    "linked work tree": _worktree,
    "remote of another name": _clone("--origin", "upstream"),
    "several remotes": _clone(
        *("--origin", "upstream"),
        then=(("remote", "add", "fork", "/nowhere"), ("switch", "--quiet", "-c", "feature")),
    ),
    "detached HEAD": _clone(then=(("checkout", "--quiet", "--detach"),)),
    "on another branch": _clone(then=(("switch", "--quiet", "-c", "feature"),)),
    "without a branch main of its own": _clone(
        then=(("switch", "--quiet", "-c", "x"), ("branch", "-D", "main"))
    ),
    "on the status branch": _clone(then=(("switch", "--quiet", "status"),)),
    "shallow, all branches": _clone("--depth=1", "--no-single-branch"),
    "blobless": _clone("--filter=blob:none"),
    "packed refs": _clone(then=(("pack-refs", "--all"), ("gc", "--quiet"))),
    "file:// URL": _url("file://{forge}"),
    "ssh:// URL": _url("ssh://git@forge.example{forge}"),
    "scp-like": _url("git@forge.example:{forge}"),
    "ssh alias": _url("forge:{forge}"),
}


@pytest.fixture
def forge(written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare repository with both branches, which git's ssh reaches as any host."""
    git(tmp_path, "clone", "--quiet", "--mirror", str(written.site), str(tmp_path / "forge.git"))
    git(tmp_path / "forge.git", "config", "uploadpack.allowFilter", "true")
    ssh = tmp_path / "ssh"
    # The words are options, the host, and the command for the host's shell.
    ssh.write_text('#!/bin/sh\nfor word; do last=$word; done\nexec sh -c "$last"\n')
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    return tmp_path / "forge.git"


@pytest.mark.parametrize("kind", KINDS)
def test_each_verb_says_what_it_says_of_the_original(kind, forge, written, tink, monkeypatch):
    (forge.parent / "place").mkdir()
    folder, repo = KINDS[kind](forge, forge.parent / "place")
    flag = [f"--repo={repo}"] if repo else []
    for words in NAMES:
        said = [word.replace("DONE", written.done) for word in words]
        monkeypatch.chdir(written.site)
        wanted = tink(*said)
        monkeypatch.chdir(folder)
        found = tink(*flag, *said)
        if "shallow" in kind and words in CUT_OFF:
            assert "shallow" in found.out + found.err
            continue
        assert wanted.code == 0, (NAMES[words], wanted.err)
        assert (found.code, found.out) == (0, wanted.out), (NAMES[words], found.err)


@pytest.mark.parametrize(
    ("repo", "hint"),
    [
        ("file:/srv/site.git", "a folder is file:///srv/site.git, or /srv/site.git"),
        ("C:/site", "git takes C for the name of a machine"),
        ("nowhere:x.git", "git takes nowhere for the name of a machine, or of a Host"),
        ("-x:y", "./-x:y"),
        ("file://srv/site.git", "file:///srv/site.git"),
        ("ext::sh -c id", "no other transport"),
    ],
)
def test_what_git_does_not_reach_has_a_hint(tink, home, monkeypatch, repo, hint):
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    result = tink(f"--repo={repo}", "workflow", "list")
    assert result.code == 1
    assert hint in result.err.split("Hint: ")[1]


@pytest.mark.parametrize(
    "words", [("hardware", "list"), ("validate",), ("plan",), ("fsck",), ("workflow", "list")]
)
def test_a_status_branch_that_was_named_must_be_there(tink, home, words):
    result = tink(*words, "--status-branch", "sattus")
    assert result.code == 1
    assert "no branch 'sattus' here" in result.err
