"""Whole servers in this process, with a face that answers nobody."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from provisioner import wiring
from provisioner.config import ServerSettings
from provisioner.services.conditions import Condition

PATIENCE_SECONDS = 60.0


class QuietFace:
    def __init__(self, provisioner: object, settings: object) -> None:
        pass

    def close(self) -> None:
        pass


def start(repo: object, **settings: object) -> wiring.Server:
    options = {"host": "127.0.0.1", "port": 0, "poll_seconds": 0.1, "fetch_seconds": 0.2}
    return wiring.Server(ServerSettings(repo=str(repo), **{**options, **settings}), QuietFace)  # type: ignore[arg-type]


def conditions(server: wiring.Server) -> dict[str, Condition]:
    return {each.name: each for each in server.provisioner.conditions.current}


def is_well(server: wiring.Server) -> bool:
    return server.provisioner.is_ready() and not conditions(server)


def eventually(check: Callable[[], object], what: str = "it") -> None:
    waited = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if check():
            return
        waited.wait(0.02)
    raise AssertionError(f"{what} did not come about within {PATIENCE_SECONDS:g} s")


def git(folder: Path, *words: str) -> str:
    """What git prints; empty when it fails."""
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
