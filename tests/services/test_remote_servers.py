"""Servers that keep up with a remote, which is away, hangs, or is moved by others."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from provisioner import wiring
from provisioner.config import ServerSettings
from provisioner.errors import UserError
from provisioner.git import command
from provisioner.services import back_off, served_repository
from tests.forge import Forge
from tests.services.parts import SITE, request_file
from tests.services.running import conditions, eventually, git, is_well, start

pytestmark = [pytest.mark.waits, pytest.mark.network]
A = "workflows/a.yaml"
Serving = Callable[..., wiring.Server]


def commit(site, files: dict[str, str]) -> str:
    for path, text in files.items():
        target = site.path / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    site("add", "--all")
    site("commit", "-q", "-m", "change")
    return site("rev-parse", "HEAD").strip()


def own_threads() -> set[threading.Thread]:
    """All but those of the forge."""
    return {each for each in threading.enumerate() if "process_request" not in each.name}


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Start servers; all are closed in the end, within seconds, and no thread is left."""
    before = own_threads()
    with ExitStack() as stack:

        def serving(repo: object, **settings: object) -> wiring.Server:
            server = start(repo, **settings)
            stack.callback(server.close)
            return server

        yield serving
        began = time.monotonic()
        stack.close()
        assert time.monotonic() - began < 20
    assert own_threads() == before


@pytest.fixture
def forge(site, tmp_path, monkeypatch) -> Iterator[Forge]:
    """The site behind HTTP; its silence is given up after a second, not a minute."""
    monkeypatch.setattr(command, "NETWORK_IDLE_SECONDS", 1.0)
    monkeypatch.setattr(back_off, "LONGEST_SECONDS", 2.0)
    commit(site, SITE | {A: request_file()})
    with closing(Forge(site.path.parent)) as forge:
        yield forge


def served(server: wiring.Server) -> str | None:
    return server.provisioner.snapshots.current.desired.commit


def workflows(server: wiring.Server) -> set[str]:
    return set(server.provisioner.snapshots.current.status.workflows)


def test_a_remote_is_cloned_followed_and_pushed_to(forge, site, serving, tmp_path):
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(server) and workflows(server))
    (workflow,) = workflows(server)
    eventually(lambda: workflow in git(site.path, "ls-tree", "-r", "--name-only", "status"))
    tip = commit(site, {"hardware/three.yaml": SITE["hardware/one.yaml"].replace("1111", "3333")})
    eventually(lambda: served(server) == tip)


@pytest.mark.parametrize("mood", ["silent", "refusing", "dropping"])
def test_the_port_opens_while_the_forge_is_away_and_all_goes_on_when_it_is_back(
    forge, site, serving, tmp_path, mood
):
    forge.mood = mood
    began = time.monotonic()
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    assert time.monotonic() - began < 10
    eventually(lambda: forge.requests)
    assert list(conditions(server)) == ["remote-not-reached"]
    assert not workflows(server)
    forge.mood = "well"
    eventually(lambda: is_well(server) and workflows(server))
    eventually(lambda: git(site.path, "log", "--grep=^Serve: ", "status"))


@pytest.mark.parametrize("mood", ["silent", "refusing", "dropping"])
def test_a_forge_that_goes_away_stops_nothing_and_gets_all_when_it_is_back(
    forge, site, serving, tmp_path, mood
):
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(server) and workflows(server))
    forge.mood = mood
    asked = len(forge.requests)
    eventually(lambda: len(forge.requests) > asked + 1)
    assert is_well(server)
    tip = commit(site, {"workflows/b.yaml": request_file()})
    forge.mood = "well"
    eventually(lambda: len(workflows(server)) == 2)
    eventually(lambda: tip in git(site.path, "show", "status:reconcile.json"))
    metrics = server.provisioner.metrics.render().decode()
    assert 'tink_remote_fetches_total{outcome="done"}' in metrics


def test_a_clone_with_its_memory_goes_on_while_the_forge_is_silent(forge, serving, tmp_path):
    url = forge.url("site/.git")
    first = start(url, clone_into=tmp_path / "clone")
    eventually(lambda: is_well(first) and workflows(first))
    made = workflows(first)
    first.close()
    forge.mood = "silent"
    again = serving(url, clone_into=tmp_path / "clone")
    eventually(lambda: is_well(again))
    assert workflows(again) == made


@pytest.mark.parametrize("mood", ["silent", "refusing"])
def test_a_server_ends_soon_while_its_forge_hangs(forge, serving, tmp_path, monkeypatch, mood):
    monkeypatch.setattr(command, "NETWORK_IDLE_SECONDS", 60.0)
    server = start(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(server) and workflows(server))
    forge.mood = mood
    asked = len(forge.requests)
    server.provisioner.snapshots.current  # noqa: B018
    eventually(lambda: len(forge.requests) > asked)
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 5


def test_a_desired_branch_that_is_gone_at_the_remote_is_reported(forge, site, serving, tmp_path):
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(server) and workflows(server))
    site("branch", "-m", "main", "trunk")
    eventually(lambda: "desired-missing" in conditions(server))
    assert not conditions(server)["desired-missing"].stops_writing
    assert workflows(server) and served(server)
    site("branch", "-m", "trunk", "main")
    eventually(lambda: is_well(server))


def test_a_remote_that_has_no_desired_branch_yet_is_no_ready_one(forge, site, serving, tmp_path):
    site("branch", "-m", "main", "trunk")
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: list(conditions(server)) == ["desired-missing-at-remote"])
    site("branch", "-m", "trunk", "main")
    eventually(lambda: is_well(server) and workflows(server))


def test_a_remote_without_a_status_branch_is_waited_for(forge, site, serving, tmp_path):
    tip = site("rev-parse", "status").strip()
    site("update-ref", "-d", "refs/heads/status")
    server = serving(forge.url("site/.git"), clone_into=tmp_path / "clone")
    eventually(lambda: "no-status-branch" in conditions(server))
    assert "status-branch begin" in conditions(server)["no-status-branch"].hint
    assert not site("for-each-ref", "refs/heads/status")
    site("update-ref", "refs/heads/status", tip)
    eventually(lambda: is_well(server) and workflows(server))


def test_of_two_servers_on_one_remote_the_first_stops(forge, site, serving, tmp_path):
    first = serving(forge.url("site/.git"), clone_into=tmp_path / "one")
    eventually(lambda: is_well(first) and workflows(first))
    second = serving(forge.url("site/.git"), clone_into=tmp_path / "two")
    eventually(lambda: is_well(second))
    eventually(lambda: "another-server" in conditions(first))
    assert conditions(first)["another-server"].stops_writing
    commit(site, {"workflows/b.yaml": request_file()})
    eventually(lambda: len(workflows(second)) == 2)
    assert len(workflows(first)) == 1


def test_no_log_line_and_no_condition_shows_the_token(forge, serving, tmp_path, caplog):
    forge.password = "S3CRET"
    with caplog.at_level(logging.DEBUG):
        server = serving(forge.url("site/.git", "ops:wrong-S3CRET@"), clone_into=tmp_path / "clone")
        eventually(lambda: "can't be fetched now" in caplog.text)
        assert "S3CRET" not in str(conditions(server))
    assert "S3CRET" not in caplog.text


def test_a_token_that_was_renewed_is_taken_up_by_the_clone_that_is_there(forge, serving, tmp_path):
    forge.password = "old"
    first = start(forge.url("site/.git", "ops:old@"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(first))
    first.close()
    forge.password = "new"
    again = serving(forge.url("site/.git", "ops:new@"), clone_into=tmp_path / "clone")
    eventually(lambda: is_well(again))


def test_a_lock_that_a_killed_git_left_in_the_clone_stops_nothing(forge, site, serving, tmp_path):
    url = forge.url("site/.git")
    start(url, clone_into=tmp_path / "clone").close()
    lock = tmp_path / "clone" / "refs" / "remotes" / "origin" / "main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    tip = commit(site, {"workflows/b.yaml": request_file()})
    server = serving(url, clone_into=tmp_path / "clone")
    eventually(lambda: served(server) == tip)
    assert not lock.exists()


# Which remote.


def bare_clone(site, folder: Path) -> Path:
    subprocess.run(["git", "clone", "-q", "--bare", site.path, folder], check=True)
    return folder


def test_a_repository_that_a_person_cloned_is_served_as_it_is(
    forge, site, serving, tmp_path, caplog
):
    own = bare_clone(site, tmp_path / "own.git")
    before = site("for-each-ref")
    server = serving(own)
    eventually(lambda: is_well(server) and workflows(server))
    commit(site, {"workflows/b.yaml": request_file()})
    pushed = served(server)
    assert "is not followed; with --remote origin" in caplog.text
    assert site("for-each-ref", "refs/heads/status") in before
    assert served(server) == pushed == git(own, "rev-parse", "main")


def test_a_remote_that_was_asked_for_is_followed(forge, site, serving, tmp_path):
    own = bare_clone(site, tmp_path / "own.git")
    server = serving(own, remote="origin")
    eventually(lambda: is_well(server) and workflows(server))
    tip = commit(site, {"workflows/b.yaml": request_file()})
    eventually(lambda: tip in git(site.path, "show", "status:reconcile.json"))


def test_a_clone_of_ours_keeps_up_also_when_served_by_its_path(forge, site, serving, tmp_path):
    start(forge.url("site/.git"), clone_into=tmp_path / "clone").close()
    server = serving(tmp_path / "clone")
    tip = commit(site, {"workflows/b.yaml": request_file()})
    eventually(lambda: served(server) == tip)


def test_a_remote_that_is_not_there_is_refused(site):
    with pytest.raises(UserError, match="no remote 'upstream'"):
        start(site.path, remote="upstream")


def test_a_url_needs_a_folder():
    settings = ServerSettings(repo="https://example.invalid/site.git")
    with pytest.raises(UserError, match="folder for its clone"):
        served_repository.open_repo(settings)
