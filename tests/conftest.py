"""What keeps tests honest: real git with a fixed identity, and no accidents.

A test may touch the network, a Docker engine or the clock only when its marker says so,
and none may write to the home folder of whoever runs it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.repo import GitRepo
from provisioner.store.guard import begin

# The fixtures `engine` and `image`: a private Docker engine for tests marked `docker`.
pytest_plugins = ["tests.engine.private_engine"]

Git = Callable[..., str]

MARKERS_WITH_SOCKETS = ("network", "docker", "kill")
MARKERS_THAT_WAIT = ("network", "docker", "kill", "waits")


class ForbiddenInThisTest(BaseException):
    """Not an `Exception`, so that no retry loop swallows it."""


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the person who runs the tests gets in: no git config, no home, no engine."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith(("GIT_", "TINK", "DOCKER_"))]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_TERMINAL_PROMPT", "0")
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Test")
        patch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    patch.setenv("NO_COLOR", "1")
    patch.setenv("COLUMNS", "200")
    patch.delenv("FORCE_COLOR", raising=False)
    yield
    patch.undo()
    assert not list(home.iterdir()), "a test wrote to the home folder"


def _marked(request: pytest.FixtureRequest, names: tuple[str, ...]) -> bool:
    return any(request.node.get_closest_marker(name) for name in names)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if _marked(request, MARKERS_WITH_SOCKETS):
        return

    def refuse(self: socket.socket, address: object) -> None:
        raise ForbiddenInThisTest(f"connects to {address!r}; mark the test: network or docker")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setenv("DOCKER_HOST", "unix:///forbidden-in-this-test.sock")


@pytest.fixture(autouse=True)
def _no_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if _marked(request, MARKERS_THAT_WAIT):
        return

    def refuse(seconds: float) -> None:
        raise ForbiddenInThisTest(f"sleeps {seconds} s; wait for an event, or mark it: waits")

    monkeypatch.setattr(time, "sleep", refuse)


@pytest.fixture
def site(tmp_path: Path) -> Git:
    """A real repository holding one empty commit, and a status branch that has begun.

    Call it as git in that folder.
    """
    folder = tmp_path / "site"
    folder.mkdir()

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
        )
        return done.stdout

    git.path = folder  # type: ignore[attr-defined]  # handy where the folder itself is wanted
    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "start")
    with closing(GitRepo(folder)) as repo:
        begin.begin(repo)
    return git
