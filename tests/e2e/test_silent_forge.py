"""A real server whose forge takes connections and says nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.site import PATIENCE_SECONDS, ROOT

pytestmark = pytest.mark.network
SIGTERM_SECONDS = 5.0


@pytest.fixture
def silent() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port that takes connections; those that came are in the list."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield listening.getsockname()[1], taken
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in taken:
            each.close()


def await_that(look, what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def readyz(address: str) -> tuple[int, list[str]]:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=10) as answer:
            return answer.status, []
    except urllib.error.HTTPError as error:
        return error.code, [each["name"] for each in json.load(error)["conditions"]]


def gits_in(folder: Path) -> list[str]:
    """The git processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and "provisioner" not in line:
            found.append(line)
    return found


@pytest.mark.parametrize("scheme", ["http", "git"])
def test_the_port_is_open_and_sigterm_ends_everything_while_the_forge_hangs(
    tmp_path, silent, scheme
):
    port, taken = silent
    folder, log = tmp_path / "clone.git", tmp_path / "log"
    words = ["serve", "--repo", f"{scheme}://127.0.0.1:{port}/x.git", "--clone-into", str(folder)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "provisioner.cli", *words, "--listen", "127.0.0.1:0"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        await_that(lambda: re.search(r"on http://(\S+)", log.read_text()), "the port opens")
        found = re.search(r"on http://(\S+)", log.read_text())
        assert found is not None
        await_that(lambda: taken, "the forge is asked")
        assert readyz(found.group(1)) == (503, ["remote-not-reached"])
        assert gits_in(folder)
        began = time.monotonic()
        server.terminate()
        assert server.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - began < SIGTERM_SECONDS
        await_that(lambda: not gits_in(folder), "git ends too")
    finally:
        server.kill()
        server.wait()
