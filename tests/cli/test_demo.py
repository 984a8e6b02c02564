"""`tink demo` shows the whole product, on real parts, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner
from provisioner.demo import engine, packages, stage
from provisioner.demo.engine import EngineMissing

ROOT = Path(provisioner.__file__).parents[1]
PATIENCE_SECONDS = 180


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own: the path of a socket has to be short."""
    with tempfile.TemporaryDirectory(prefix="tink-test-") as made:
        yield Path(made)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "provisioner.cli", "demo", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_below(folder: Path) -> list[str]:
    """Whatever was started with a path of the folder on its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
        if str(folder) in words:
            found.append(words.replace("\0", " "))
    return found


@pytest.mark.docker
@pytest.mark.timeout(PATIENCE_SECONDS + 60)
def test_the_demo_plays_to_its_end_and_cleans_up(folder, _session_engine):
    process = start(folder)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    states = [line for line in said.splitlines() if "%  STATE_" in line]
    assert [line.split()[-1] for line in states if "STATE_SUCCESS" in line] == [
        "write-data",
        "extend-data",
        "read-data",
    ]
    for shown in (
        "$ tink init .",
        "$ git merge",
        "Created Workflow:  ",
        "| Workflow Progress    | 100%",
        '"address": "172.27.0.23"',
        "got back:",
        "$ git log --oneline status",
    ):
        assert shown in said
    assert list(folder.iterdir()) == []
    assert processes_below(folder) == []


@pytest.mark.docker
@pytest.mark.timeout(PATIENCE_SECONDS + 60)
def test_an_interrupted_demo_cleans_up(folder, _session_engine):
    process = start(folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "A server that watches it" in line:
            break
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert list(folder.iterdir()) == []
    assert processes_below(folder) == []


def test_what_is_missing_is_named_by_its_debian_package(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    assert packages.missing(("dockerd", "busybox")) == ["docker.io", "busybox-static"]


def test_the_demo_installs_what_the_list_of_debian_packages_names():
    listed = (ROOT / "debian-packages.txt").read_text().split()
    assert set(packages.PACKAGES.values()) <= set(listed)


def test_without_root_the_demo_says_exactly_what_to_do(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(EngineMissing) as raised:
        packages.install(["docker.io"], lambda _: None)
    assert raised.value.hint == "sudo apt-get install -y --no-install-recommends docker.io"


def test_an_engine_needs_root(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(EngineMissing, match="needs root"):
        engine.check_prerequisites()


@pytest.mark.docker
def test_no_engine_is_used_where_none_listens(tmp_path):
    assert not engine.answers(tmp_path / "docker.sock")


def test_the_demos_image_is_never_asked_for_elsewhere():
    assert stage.IMAGE.startswith("127.0.0.1:1/")
