"""A registry that takes the question and never answers: real engine, real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.worker.fake_server import an_action
from worker.action import Cancelled
from worker.runtime import DockerRuntime

pytestmark = [pytest.mark.docker, pytest.mark.network]


class SilentRegistry:
    """Takes connections and says nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hold, args=(connection,), daemon=True).start()

    def _hold(self, connection: socket.socket) -> None:
        with connection:
            begun = connection.recv(1)
            if begun == b"\x16":  # TLS, which the engine tries first: this one speaks plain
                return
            self.asked.set()
            while connection.recv(65_536):
                pass


@pytest.fixture
def registry() -> Iterator[SilentRegistry]:
    registry = SilentRegistry()
    yield registry
    registry.close()


def is_pulling() -> bool:
    """Whether our question to the engine still stands; it gives a pull up that nobody awaits."""
    return any(thread.name == "image pull" for thread in threading.enumerate())


def test_a_pull_that_hangs_ends_with_the_actions_time(perform, registry):
    began = time.monotonic()
    outcome = perform(an_action(image=f"{registry.address}/os:1", timeout_seconds=2))
    assert outcome.action_status == "STATE_TIMEOUT"
    assert outcome.message == (
        f"Action Timed out after 2 s, while image {registry.address}/os:1 was being pulled"
    )
    assert time.monotonic() - began < 10
    assert registry.asked.is_set()
    assert not is_pulling()


def test_a_pull_that_hangs_is_cancelled_within_seconds(a_config, a_run, watch, registry):
    runtime = DockerRuntime(a_config())
    cancelled_at = 0.0

    def cancel() -> None:
        nonlocal cancelled_at
        assert registry.asked.wait(30)
        cancelled_at = time.monotonic()
        watch.cancelled.set()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        runtime.run(a_run(an_action(image=f"{registry.address}/os:1", timeout_seconds=600)), watch)
    assert time.monotonic() - cancelled_at < 5
    thread.join()
    runtime.close()
    assert not is_pulling()
