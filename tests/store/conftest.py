"""Each way of writing in turn, on a new repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.commit import Sink
from provisioner.git.repo import GitRepo
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.load import SINKS


@pytest.fixture(params=list(SINKS))
def make_sink(request: pytest.FixtureRequest) -> Callable[[GitRepo, str], Sink]:
    return SINKS[request.param]


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with closing(sites.bare(tmp_path / "repo")) as repo:
        yield repo


@pytest.fixture
def writer(repo: GitRepo, make_sink: Callable[[GitRepo, str], Sink]) -> Iterator[StatusWriter]:
    with closing(StatusWriter(repo, make_sink=make_sink)) as writer:
        yield writer
