"""One of the processes of `tink serve --read-processes`, and how it is started.

`python -m provisioner.cli.read_process SETTINGS` is for the server alone: it ends when its
standard input does, so it never outlives the server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import provisioner
from provisioner import wiring
from provisioner.cli.log_setup import log_to_stderr
from provisioner.config import ReadSettings
from provisioner.faces.http import server
from provisioner.services.read_processes import ReadProcesses

_PACKAGE_FOLDER = Path(provisioner.__file__).resolve().parent.parent


class Readers:
    """The processes, and the port that they share."""

    def __init__(self, settings: ReadSettings, *, count: int) -> None:
        # Held from before the first starts until after the last has ended.
        self._port = server.reserve(settings.host, settings.port)
        settings = replace(settings, port=self._port.getsockname()[1])
        command = (sys.executable, "-m", __name__, json.dumps(asdict(settings)))
        self._processes = ReadProcesses(command, count=count, folder=_PACKAGE_FOLDER)
        self.address = server.address(settings.host, settings.port)

    def close(self) -> None:
        self._processes.close()
        self._port.close()


def main(words: Sequence[str]) -> None:
    settings = ReadSettings(**json.loads(words[0]))
    log_to_stderr(settings.log_format)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it ends us
    threading.Thread(target=_await_end, args=(ending,), name="parent", daemon=True).start()
    serving = wiring.ReadServer(
        settings,
        lambda inside: server.HttpServer(
            inside, host=settings.host, port=settings.port, reads_for=settings.reads_for
        ),
    )
    try:
        while not ending.wait(wiring.SIGNAL_LOOK_SECONDS):
            pass  # a signal may come to another thread; see wiring.serve
    finally:
        serving.close()


def _await_end(ending: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1_024):
        pass
    ending.set()


if __name__ == "__main__":
    main(sys.argv[1:])
