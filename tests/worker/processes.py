"""A real tink-worker process, for tests that end it in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class WorkerProcess:
    """`tink-worker` started, stopped, killed; what it says is in `log` and `output`."""

    def __init__(self, folder: Path, server: str, worker: str, *words: str) -> None:
        self.folder = folder
        self.workflow_dir = folder / "workflow"
        self.log_file = folder / "worker.log"
        self.output_file = folder / "worker.output"
        self._words = [
            *("--server", server, "--id", worker, "--workflow-dir", str(self.workflow_dir)),
            *("--wait", "10", "--heartbeat-interval", "0.5s", "--retry-interval", "0.2s"),
            *words,
        ]
        self.process = self.start()

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log, self.output_file.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", *self._words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
        return self.process

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)


def eventually(said: Callable[[], bool], what: str, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < give_up, f"never happened: {what}"
        time.sleep(0.05)
