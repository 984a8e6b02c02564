"""A real server process over a repository, and what machines say to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]


class Answer(NamedTuple):
    status: int
    body: Any  # decoded where it is JSON


class Server:
    """Ends with its `with` block; the log stays beside the repository."""

    def __init__(self, repo: Path, *options: str) -> None:
        self.repo = repo
        self.log = repo.with_suffix(".log")
        words = ["--repo", str(repo), "serve", "--listen", "127.0.0.1:0", *options]
        with self.log.open("ab") as output:
            start = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "provisioner.cli", *words],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._start = start
        try:
            address = self.await_that(lambda: re.search(r"http://([0-9.]+:\d+)", self.said()))
        except AssertionError:
            self.stop()
            raise
        self.address = f"http://{address[1]}"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def said(self) -> str:
        """What it has logged since it started."""
        return self.log.read_bytes()[self._start :].decode(errors="replace")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def call(self, method: str, path: str, body: object = None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, content, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        try:
            return Answer(status, json.loads(text))
        except ValueError:
            return Answer(status, text)

    def offer(self, worker: str) -> Answer:
        return self.call("GET", f"/v1/workers/{worker}/action")

    def report(self, worker: str, offer: dict[str, Any], state: str) -> Answer:
        attempt = offer["attempt"] or 1
        report = {
            "report_id": f"{offer['action_index']}-{attempt}-{state}",
            "worker": worker,
            "task_name": offer["task_name"],
            "action_name": offer["action_name"],
            "action_index": offer["action_index"],
            "attempt": attempt,
            "action_status": f"STATE_{state}",
        }
        return self.call("POST", f"/v1/workflows/{offer['workflow_id']}/reports", report)

    def workflows(self) -> dict[str, dict[str, Any]]:
        """What the list shows, by id."""
        _, body = self.call("GET", "/v1/workflows")
        lines = [body] if isinstance(body, dict) else map(json.loads, body.splitlines())
        return {each["id"]: each for each in lines}

    def await_that(self, look: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            found = look()
            if found:
                return found
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.said()}")
            time.sleep(0.02)
        raise AssertionError(f"waited {seconds} s\n{self.said()}")


def tink(repo: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a repository, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "provisioner.cli", "--repo", str(repo), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
