"""The whole of it: a real repository, a real server process, real workers, a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.demo.engine import Engine
from tests.e2e.site import Site, hardware


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """A repository with hardware for three machines, made by `tink init`; nothing runs yet."""
    made = Site(folder=tmp_path)
    made.repository.mkdir()
    made.tink("init", ".")
    made.commit("Add machines", **{f"hardware__n{n}": hardware(n) for n in (1, 2, 3)})
    try:
        yield made
    finally:
        made.stop_all()


@pytest.fixture
def site_with_engine(place: Site, engine: Engine) -> Site:
    place.docker_host = engine.url
    return place
