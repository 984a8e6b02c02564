"""A Docker engine for tests: private, started once a session, stopped and removed at its end.

The starter is `provisioner/demo/engine.py`.  Tests that use it carry the marker `docker`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from provisioner.demo import engine as starter

IMAGE = "127.0.0.1:1/busybox:test"  # a registry that nobody serves: the local image is used


@pytest.fixture(scope="session")
def _session_engine() -> Iterator[starter.Engine]:
    if os.geteuid() != 0:
        pytest.skip("a Docker engine needs root, and this is not root")
    # Root without an engine is a machine that was not set up: that fails, with a hint.
    try:
        starter.check_prerequisites()
        root = starter.busybox_root()
    except starter.EngineMissing as error:
        pytest.fail(f"{error.message}; {error.hint}", pytrace=False)
    with starter.start() as started:
        started.import_image(IMAGE, root)
        yield started


@pytest.fixture
def engine(_session_engine: starter.Engine, monkeypatch: pytest.MonkeyPatch) -> starter.Engine:
    """The engine, running, and named by DOCKER_HOST."""
    if _session_engine.process.poll() is not None:
        _session_engine.resume()
    monkeypatch.setenv("DOCKER_HOST", _session_engine.url)
    return _session_engine


@pytest.fixture
def image() -> str:
    """A small image that is in the engine: busybox, with a shell."""
    return IMAGE
