"""A repository full of workflows, and a `tink serve` process on it.

The workflows are written through the product's own writer, one worker each, as the
reconciler would have written them; only rendering is left out.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.git.repo import GitRepo
from provisioner.model.ids import BlobId, CommitId, HardwareId, WorkflowId, new_workflow_id
from provisioner.model.views import WorkflowCreated
from provisioner.model.workflow import Action, WorkerAddress, WorkflowRecord
from provisioner.store.guard import begin
from provisioner.store.writer.status_writer import StatusWriter

ACTIONS = 10
TASK = "os-installation"
CREATED_AT = "2026-01-01T00:00:00.000000Z"
_START_MS = 1_767_225_600_000
PER_DAY = 1_000
BATCH = 1_000
SETTLE_SECONDS = 300
QUIET_SECONDS = 3  # in a row: between two of its tasks it may pause
SETTLED_CPU = 0.03  # of a core; an idle server takes a tenth of it
_TICKS = os.sysconf("SC_CLK_TCK")


def worker_id(number: int) -> HardwareId:
    return HardwareId(str(uuid.UUID(int=(4 << 76) | (8 << 60) | number)))


def workflow_id(number: int) -> WorkflowId:
    """A thousand a day, so that the branch has folders as after years of work."""
    milliseconds = _START_MS + (number // PER_DAY) * 86_400_000 + number % PER_DAY
    return new_workflow_id(milliseconds, number.to_bytes(10, "big"))


def action_name(index: int) -> str:
    return f"action-{index}"


def created(number: int) -> WorkflowCreated:
    worker = worker_id(number)
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    actions = tuple(
        Action(
            index=index,
            task_name=TASK,
            name=action_name(index),
            worker_id=worker,
            worker=mac,
            image="quay.io/tinkerbell/actions/image2disk:latest",
            timeout_seconds=600,
            environment=(("COMPRESSED", "true"), ("DEST_DISK", "/dev/sda")),
        )
        for index in range(ACTIONS)
    )
    record = WorkflowRecord(
        id=workflow_id(number),
        name="install",
        template_id="2f6ae2a9-62c6-5b4e-9d27-4d2a35fbd3bb",  # type: ignore[arg-type]
        template_name="install",
        template_blob=BlobId("0" * 40),
        request_path=f"workflows/{number}.yaml",
        request_digest=f"{number:064x}",
        request_blob=BlobId("0" * 40),
        desired_commit=CommitId("0" * 40),
        device_map={"device_1": mac},
        created_at=CREATED_AT,
        global_timeout_seconds=0,
        actions=actions,
        workers=(WorkerAddress(id=worker, macs=(mac,)),),
        hardware={},
    )
    lines = (f"  - name: {action.name}\n    image: {action.image}" for action in actions)
    return WorkflowCreated(record=record, rendered="actions:\n" + "\n".join(lines) + "\n")


def new(path: Path) -> GitRepo:
    """Make a bare repository whose status branch has begun."""
    repo = GitRepo.create(path, bare=True)
    begin.begin(repo)
    return repo


def fill(path: Path, workflows: int) -> None:
    """Make a bare repository whose status branch holds that many pending workflows."""
    with_writer = StatusWriter(new(path))
    try:
        for first in range(0, workflows, BATCH):
            batch = tuple(created(n) for n in range(first, min(first + BATCH, workflows)))
            with_writer.propose(lambda _, batch=batch: batch).result()
    finally:
        with_writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    host: str
    port: int
    process: subprocess.Popen[str]

    @property
    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found.group(1)) / 1024 if found else float("nan")

    @property
    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def settle(self) -> None:
        """Wait until the server has looked at all that its repository holds."""
        quiet = 0
        for _ in range(SETTLE_SECONDS):
            used = self.cpu_seconds
            time.sleep(1)
            quiet = quiet + 1 if self.cpu_seconds - used < SETTLED_CPU else 0
            if quiet == QUIET_SECONDS:
                return
        raise SystemExit(f"the server is still busy with itself after {SETTLE_SECONDS} s")


@contextmanager
def serving(
    repository: Path, *options: str, extra_environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run `tink serve` on a free port of the loopback interface until the block ends."""
    words = [sys.executable, "-m", "provisioner.cli", "serve", "--repo", str(repository)]
    process = subprocess.Popen(
        [*words, "--listen", "127.0.0.1:0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(extra_environment or {})},
    )
    try:
        host, port = _await_address(process)
        yield Server(host=host, port=port, process=process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _await_address(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        found = re.search(r"http://([0-9.]+):(\d+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found.group(1), int(found.group(2))
    raise SystemExit("tink serve did not start:\n" + "".join(seen))
