"""Does the worker run as one file, without this repository and its libraries?"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

from tests.worker.fake_server import WORKER, an_action

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("requests", "docker", "urllib3", "idna", "certifi", "charset_normalizer")


@pytest.fixture(scope="module")
def tink_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zipapp of docs/worker.md, from the libraries that are installed here."""
    folder = tmp_path_factory.mktemp("zipapp")
    build = folder / "build"
    shutil.copytree(ROOT / "worker", build / "worker")
    for name in LIBRARIES:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        shutil.copytree(Path(found.origin).parent, build / name)
    zipapp.create_archive(build, folder / "tink-worker", main="worker.main:main")
    return folder / "tink-worker"


def test_it_tells_its_settings(tink_worker, tmp_path):
    # Neither our site-packages (-S) nor our folders and variables (-I).
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tink_worker), "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "--docker-registry" in done.stdout


def test_a_wrong_setting_is_told_in_one_line(tink_worker, tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tink_worker), "--server", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("tink-worker: --server is 'nowhere'")


@pytest.mark.docker
def test_it_runs_an_action(tink_worker, server, engine, tmp_path):
    workflow = server.add(an_action(command=("echo", "from the zipapp")))
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(tink_worker)),
            *("--server", server.url, "--id", WORKER, "--workflow-dir", str(tmp_path / "workflow")),
            *("--log-format", "json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "DOCKER_HOST": engine.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    finally:
        process.terminate()
        output, log = process.communicate(timeout=30)
    assert '"message": "from the zipapp"' in output
    assert '"level": "info"' in log
