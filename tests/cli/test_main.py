"""What holds for every verb: exit codes, errors, where it reads and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import provisioner
from provisioner.cli import main
from tests.cli.repository import HELLO, N1, git

ROOT = Path(provisioner.__file__).parents[1]


def verbs():
    for name in main.tink.list_commands(None):
        command = main.tink.get_command(None, name)
        yield (name,)
        for verb in getattr(command, "list_commands", lambda _: [])(None):
            yield (name, verb)


@pytest.mark.parametrize("words", list(verbs()), ids=" ".join)
def test_every_verb_explains_itself(tink, words):
    result = tink(*words, "--help")
    assert result.code == 0
    assert f"Usage: tink {' '.join(words)}" in result.out


def test_the_version_is_the_packages(tink):
    assert tink("--version").out == f"tink, version {provisioner.__version__}\n"


def test_a_misspelt_verb_is_a_usage_error_with_a_guess(tink):
    result = tink("workflo", "list")
    assert result.code == 2
    assert "Did you mean 'workflow'?" in result.err


def test_no_repository_is_told_with_the_way_out(tink):
    result = tink("hardware", "list")
    assert result.code == 1
    assert "is not a git repository" in result.err
    assert "Hint: make one: tink init DIR" in result.err


def test_the_repository_is_found_from_a_folder_within(tink, home, monkeypatch):
    monkeypatch.chdir(home / "hardware")
    assert tink("template", "list", "-q").out == f"{HELLO}\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_repository_may_be_named_before_and_after_the_verb(tink, home, monkeypatch, place):
    monkeypatch.chdir("/")
    flag = ("--repo", home)
    words = ("template", "list", "-q")
    result = tink(*flag, *words) if place == "before" else tink(*words, *flag)
    assert result.out == f"{HELLO}\n"


def test_a_remote_url_is_read(tink, home, monkeypatch):
    monkeypatch.chdir("/")
    assert tink("--repo", home.as_uri(), "template", "list", "-q").out == f"{HELLO}\n"


def test_a_remote_url_is_never_written(tink, home, monkeypatch):
    monkeypatch.chdir("/")
    before = git(home, "rev-parse", "main")
    result = tink("--repo", home.as_uri(), "template", "delete", HELLO)
    assert result.code == 1
    assert "a remote URL is only read" in result.err
    assert "git clone" in result.err
    assert git(home, "rev-parse", "main") == before


def test_a_bare_repository_is_read_and_written(tink, home, tmp_path, monkeypatch):
    git(home, "clone", "-q", "--bare", str(home), str(tmp_path / "bare.git"))
    monkeypatch.chdir(tmp_path / "bare.git")
    assert tink("template", "delete", HELLO).code == 0
    assert tink("template", "list", "-q").out == ""


def test_a_facility_is_accepted_as_by_classic_tink(tink, home):
    assert tink("-f", "onprem", "template", "list", "-q").code == 0
    assert tink("template", "list", "-q", "--facility", "onprem").code == 0


def test_a_repository_without_a_commit_is_told(tink, tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path / "x"], check=True)
    result = tink("--repo", tmp_path / "x", "hardware", "list")
    assert result.code == 1
    assert "commit something first" in result.err


def test_a_bug_of_ours_has_an_exit_code_of_its_own(tink, home, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("this can't be")

    monkeypatch.setattr("provisioner.cli.site.Site.desired", broken)
    result = tink("hardware", "list")
    assert result.code == 3
    assert "this is a bug in tink" in result.err


def test_an_interrupt_has_an_exit_code_of_its_own(tink, home, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("provisioner.cli.site.Site.desired", interrupted)
    assert tink("hardware", "list").code == 130


def test_a_reader_that_has_seen_enough_leaves_no_traceback(home):
    many = " ".join([N1] * 3000)  # more than a pipe holds
    script = f"{sys.executable} -m provisioner.cli hardware id {many} | head -c 1"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "{"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_is_printed(tink, shell):
    assert "_TINK_COMPLETE" in tink("completion", shell).out


def test_words_are_completed(home):
    done = subprocess.run(
        [sys.executable, "-m", "provisioner.cli"],
        cwd=home,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_TINK_COMPLETE": "bash_complete",
            "COMP_WORDS": "tink workf",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "plain,workflow\n"


@pytest.mark.parametrize("library", ["flask", "rich", "yaml", "jsonschema", "watchdog", "docker"])
def test_looking_at_workflows_imports_nothing_heavy(home, library):
    code = (
        "import sys; from provisioner.cli import main; main.run(['workflow', 'list']);"
        f"sys.exit({library!r} in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"`tink workflow list` imports {library}"


def test_the_environment_may_name_repository_and_branch(tink, home, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setenv("TINK_REPO", str(home))
    assert tink("template", "list", "-q").out == f"{HELLO}\n"
