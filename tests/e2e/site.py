"""One repository with its server and workers, all of them real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60
ROOT = Path(__file__).resolve().parents[2]


def mac(number: int) -> str:
    return f"08:00:27:00:00:{number:02x}"


def hardware(number: int) -> str:
    return json.dumps(
        {
            "id": str(uuid.UUID(int=number, version=4)),
            "network": {
                "interfaces": [
                    {
                        "dhcp": {"mac": mac(number), "ip": {"address": f"192.168.1.{number}"}},
                        "netboot": {"allow_pxe": True, "allow_workflow": True},
                    }
                ]
            },
        }
    )


def action(name: str, script: str, image: str, *, timeout: int = 60, more: str = "") -> str:
    return (
        f"      - name: {name}\n        image: {image}\n        timeout: {timeout}\n"
        f"        command: [/bin/sh, -c, {json.dumps(script)}]\n{more}"
    )


def template(name: str, *tasks: tuple[int, list[str]], global_timeout: int = 600) -> str:
    """Each task is a machine's number and its actions."""
    text = f'version: "0.1"\nname: {name}\nglobal_timeout: {global_timeout}\ntasks:\n'
    for number, (machine, actions) in enumerate(tasks):
        text += f"  - name: task-{number}\n    worker: '{{{{.device_{machine}}}}}'\n    actions:\n"
        text += "".join(actions)
    return text


@dataclass
class Site:
    """One repository with its server and workers; everything ends with the test."""

    folder: Path
    docker_host: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    server: subprocess.Popen[bytes] | None = None
    address: str = "127.0.0.1:0"
    served: str = ""  # a URL in place of the repository's path
    environment: dict[str, str] = field(default_factory=dict)  # of the processes that run
    _runs: int = 0

    @property
    def repository(self) -> Path:
        return self.folder / "site"

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.repository, *words], check=True, capture_output=True, text=True
        )
        return done.stdout

    def tink(self, *words: str, exit_code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "provisioner.cli", *words],
            cwd=self.repository,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    def commit(self, message: str, **files: str | None) -> None:
        """Commit files; names are spelt `hardware__n1` for hardware/n1.yaml, None removes."""
        for name, content in files.items():
            path = self.repository / f"{name.replace('__', '/')}.yaml"
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def serve(self, *options: str) -> None:
        """Start the server; a second start uses the same address, as after a crash."""
        self._runs += 1
        log = self.folder / f"server-{self._runs}.log"
        words = ["provisioner.cli", "serve"]
        if "TINK_REPO" not in self.environment:
            words += ["--repo", self.served or str(self.repository)]
        self.server = self._start(log, *words, "--listen", self.address, *options)
        found = self._await_line(log, r" on http://([0-9.]+:\d+)")
        self.address = found

    def work(self, machine: int, *, worker: str = "") -> subprocess.Popen[bytes]:
        self._runs += 1
        shared = self.folder / f"machine-{machine}"
        shared.mkdir(exist_ok=True)
        log = self.folder / f"machine-{machine}-{self._runs}.log"
        flags = ["--server", f"http://{self.address}", "--id", worker or mac(machine)]
        return self._start(log, "worker.main", *flags, "--workflow-dir", str(shared))

    def _start(self, log: Path, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": self.docker_host}
        environment |= self.environment
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        self.processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self, process: subprocess.Popen[bytes] | None) -> None:
        """Have it end in order."""
        assert process is not None
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0

    def stop_all(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}"
            for log in sorted(self.folder.glob("*.log"))
        )

    def create(self, name: str, **devices: str) -> str:
        said = self.tink("workflow", "create", "-t", name, "-r", json.dumps(devices))
        return said.split()[-1]

    def state(self, workflow: str) -> str:
        told = json.loads(self.tink("workflow", "state", workflow, "-o", "json"))
        text = json.dumps(told)
        found = re.search(r"STATE_[A-Z]+", text)
        return found.group(0) if found else text

    def await_state(self, workflow: str, *states: str, seconds: float = PATIENCE_SECONDS) -> str:
        return self.await_that(
            lambda: next((s for s in [self.state_or_none(workflow)] if s in states), None),
            f"{workflow} to be in {states}",
            seconds=seconds,
        )

    def state_or_none(self, workflow: str) -> str | None:
        if not self.git("branch", "--list", "status"):
            return None
        paths = self.git("ls-tree", "-r", "--name-only", "status", "status/").split()
        mine = [each for each in paths if workflow in each]
        if not mine:
            return None
        told = json.loads(self.git("show", f"status:{mine[0]}"))
        state: str = told["state"]
        return state

    def events(self, workflow: str) -> list[tuple[str, str]]:
        """(action, status) of each report, oldest first."""
        path = next(
            each
            for each in self.git("ls-tree", "-r", "--name-only", "status", "status/").split()
            if workflow in each
        )
        told = json.loads(self.git("show", f"status:{path}"))
        return [
            (each["action_name"], each["action_status"])
            for each in told["events"]
            if each["kind"] == "action_reported"
        ]

    def await_that(
        self, look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_SECONDS
    ) -> T:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            found = look()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s for {what}\n{self.logs()}")

    def _await_line(self, log: Path, pattern: str) -> str:
        found = self.await_that(
            lambda: re.search(pattern, log.read_text(errors="replace")), f"{pattern} in {log.name}"
        )
        return str(found.group(1))
