"""Server sides on the site as their remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services.remote_side import RemoteSide

Open = Callable[..., RemoteSide]


@pytest.fixture
def opening(site, tmp_path) -> Iterator[Open]:
    """Open server sides on the site as their remote; all are closed in the end."""
    with ExitStack() as stack:

        def opening(name: str = "a.git", url: object = None) -> RemoteSide:
            side = RemoteSide(tmp_path / name, url or f"file://{site.path}")
            stack.callback(side.close)
            return side

        yield opening


@pytest.fixture
def here(opening) -> RemoteSide:
    """A server that has started."""
    side = opening()
    side.join()
    return side
