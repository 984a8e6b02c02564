"""Where the demo plays: a temporary folder, a Docker engine, the processes; all gone after it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.demo import engine, packages
from provisioner.errors import Unavailable

IMAGE = "127.0.0.1:1/tink-demo:busybox"  # a registry that nobody serves: used as it is here
START_SECONDS = 30
STOP_SECONDS = 15
SYSTEM_ENGINE = Path("/var/run/docker.sock")
LOG_END_BYTES = 2_000

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    folder: Path
    docker_url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def start(
        self, name: str, words: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start one of our own programs; what it says goes to NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log, _undisturbed():
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *words],
                env=_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def check_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise Unavailable(f"the {name} has ended; the end of its log:\n{self.log(name)}")

    def log(self, name: str) -> str:
        content = (self.folder / f"{name}.log").read_bytes()
        return content[-LOG_END_BYTES:].decode(errors="replace")

    def run(self, *words: str) -> str:
        """Run git in the repository; what it says, when it fails, is the error."""
        done = subprocess.run(
            words, cwd=self.site, env=_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Unavailable(f"{' '.join(words[:2])} failed: {done.stderr.strip()}")
        return done.stdout


@contextlib.contextmanager
def opened(tell: Tell, *, keep: bool) -> Iterator[Stage]:
    """Set the stage, and clear it whatever happens on it."""
    folder = Path(tempfile.mkdtemp(prefix="tink-demo-"))
    with contextlib.ExitStack() as exits:
        exits.callback(_clear_folder, folder, tell, keep)
        engine_socket = _engine(tell, exits)
        stage = Stage(folder=folder, docker_url=f"unix://{engine_socket}")
        exits.callback(_stop_all, stage.processes)
        yield stage


def free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        return port


def await_port(stage: Stage, port: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        stage.check_alive()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Unavailable(f"the server did not listen within {START_SECONDS} s")


def _engine(tell: Tell, exits: contextlib.ExitStack) -> Path:
    """Use the machine's engine where it answers us, else one of our own."""
    if engine.answers(SYSTEM_ENGINE):
        packages.install(packages.missing(("busybox",)), tell)
        tell(f"using the Docker engine of this machine, {SYSTEM_ENGINE}")
        exits.callback(engine.remove_image, SYSTEM_ENGINE, IMAGE)
        engine.import_image(SYSTEM_ENGINE, IMAGE, engine.busybox_root())
        return SYSTEM_ENGINE
    packages.install(packages.missing(("dockerd", "busybox")), tell)
    with _undisturbed():
        own = exits.enter_context(engine.start())
    tell(f"started a private Docker engine in {own.folder}")
    own.import_image(IMAGE, engine.busybox_root())
    return own.socket


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off an interrupt until what was just started is known, so that it can be stopped."""
    received: list[int] = []
    before = {
        signal_number: signal.signal(signal_number, lambda number, _: received.append(number))
        for signal_number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)
    if received:
        raise KeyboardInterrupt


def _environment() -> dict[str, str]:
    """Our own, without what would steer git elsewhere, and with somebody to commit."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    person = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Demo"), ("EMAIL", "demo@localhost"))
    }
    bare = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    root = str(Path(__file__).resolve().parents[2])  # ours, also when not installed
    path = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH", ""))))
    return kept | person | bare | {"PYTHONPATH": path}


def _stop_all(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        process.terminate()
    give_up = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        try:
            process.wait(max(0.1, give_up - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _clear_folder(folder: Path, tell: Tell, keep: bool) -> None:
    if keep:
        tell(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
        tell("cleaned up: processes, containers, folders")
