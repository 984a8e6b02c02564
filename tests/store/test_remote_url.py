"""Credentials of a URL reach the remote, and nothing that others can read."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from provisioner.cli import hidden_words
from provisioner.errors import UserError
from provisioner.git import clones, remote_url
from provisioner.git.command import GitFailed, Network
from provisioner.git.repo import GitRepo
from tests.forge import Forge


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ops:S3CRET@forge.example/x.git", "https://forge.example/x.git"),
        ("http://S3CRET@127.0.0.1:9/x.git", "http://127.0.0.1:9/x.git"),
        ("https://ops:S3C@RET@forge.example/x@y.git", "https://forge.example/x@y.git"),
        ("https://forge.example/x@y.git", "https://forge.example/x@y.git"),
        ("HTTPS://a:S3CRET@forge.example", "HTTPS://forge.example"),
        ("ssh://git@forge.example/x.git", "ssh://git@forge.example/x.git"),
        ("ssh://git:S3CRET@forge.example/x.git", "ssh://git@forge.example/x.git"),
        ("git@forge.example:x.git", "git@forge.example:x.git"),
        ("/srv/site.git", "/srv/site.git"),
        ("https://forge.example/x.git?private_token=S3CRET&a=b", "https://forge.example/x.git?…"),
    ],
)
def test_a_url_is_shown_without_its_secrets(text, shown):
    assert remote_url.shown(text) == shown
    assert "S3CRET" not in remote_url.shown(text)


@pytest.mark.parametrize(
    ("text", "is_url"),
    [
        ("https://forge.example/x.git", True),
        ("git@forge.example:x.git", True),
        ("forge:x.git", True),
        ("/srv/odd:name", False),
        ("./odd:name", False),
        ("site", False),
    ],
)
def test_urls_and_folders_are_told_apart_as_git_does(text, is_url):
    assert remote_url.is_url(text) is is_url


def test_a_folder_that_is_there_is_no_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    assert not remote_url.is_url("a:b")


def test_a_name_with_a_line_break_is_refused():
    with pytest.raises(UserError, match="control character"):
        remote_url.parse("https://a%0Apassword=b@forge.example/")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Forge]:
    """A forge that asks for a password."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "forge" / "x.git"], check=True)
    with closing(Forge(tmp_path / "forge", password="S3CRET@%")) as forge:
        yield forge


@pytest.mark.parametrize(
    ("words", "kept", "url"),
    [
        (("tink", "serve"), ("tink", "serve"), ""),
        (
            ("tink", "--repo", "https://x/y", "serve"),
            ("tink", "--repo", "https://x/y", "serve"),
            "",
        ),
        (("tink", "--repo", "https://a:S3@x/y", "serve"), ("tink", "serve"), "https://a:S3@x/y"),
        (("tink", "serve", "--repo=https://S3@x/y"), ("tink", "serve"), "https://S3@x/y"),
        (("tink", "serve", "--repo"), ("tink", "serve", "--repo"), ""),
        (
            ("tink", "--repo=a", "--listen=https://a:S3@x"),
            ("tink", "--repo=a", "--listen=https://a:S3@x"),
            "",
        ),
    ],
)
def test_a_url_with_a_password_is_taken_off_the_command_line(words, kept, url):
    assert hidden_words.without_password(words) == (list(kept), url)


@pytest.mark.network
def test_credentials_open_a_forge_and_stand_in_no_message_and_no_file(guarded, site):
    url = guarded.url("x.git", "ops:S3CRET%40%25@")
    with closing(GitRepo(site.path)) as repo:
        repo.push(url, commit=repo.branch("main"), ref="refs/heads/main", expected=None)
        assert clones.branches_at(repo, url)[0] == {"main"}
        repo.fetch(url, "+refs/heads/main:refs/remotes/x/main")
        assert repo.resolve("refs/remotes/x/main") == repo.branch("main")
        with pytest.raises(GitFailed) as failed:
            repo.fetch(guarded.url("x.git", "ops:wrong-S3CRET@"), "refs/heads/main")
    assert "S3CRET" not in str(failed.value)
    assert "S3CRET" not in (site.path / ".git" / "config").read_text()


@pytest.mark.network
def test_no_command_line_shows_credentials_while_a_fetch_runs(guarded, site):
    guarded.mood = "silent"
    stop = threading.Event()
    with closing(GitRepo(site.path)) as repo:

        def fetch() -> None:
            with suppress(GitFailed):
                url = guarded.url("x.git", "ops:S3CRET@")
                repo.fetch(url, "refs/heads/main", network=Network(stop=stop))

        thread = threading.Thread(target=fetch)
        thread.start()
        waited = threading.Event()
        while not guarded.requests:
            waited.wait(0.01)
        lines = b"".join(_command_lines())
        stop.set()
        thread.join()
    assert b"git-remote-http" in lines or b"remote-http" in lines
    assert b"S3CRET" not in lines


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()
