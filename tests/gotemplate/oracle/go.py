"""Build the oracle with the Go that is here, and ask it.

Only who renews the goldens needs it: Go 1.26 or newer (from https://go.dev/dl), and the network,
from which go.mod's modules are fetched the first time; go.sum says what they must be.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_OLDEST = 26  # what Tinkerbell v0.25 is built with
_FIRST = Path("/usr/local/go/bin/go")
_SOURCES = tuple(
    Path(__file__).with_name(name) for name in ("main.go", "kinder.go", "go.mod", "go.sum")
)


def missing() -> str:
    """What is not there to build the oracle, or nothing."""
    if _go() is None:
        return "no Go toolchain"
    done = subprocess.run([str(_go()), "version"], capture_output=True, text=True, check=True)
    minor = int(done.stdout.split()[2].split(".")[1])
    return "" if minor >= _OLDEST else f"Go 1.{minor} is too old: 1.{_OLDEST} is needed"


def _go() -> str | None:
    return str(_FIRST) if _FIRST.exists() else shutil.which("go")


def build(folder: Path, *more: Path) -> Path:
    """Build the oracle, with more sources beside its own; they lie in the folder."""
    program = folder / "oracle"
    for source in _SOURCES:
        shutil.copy(source, folder)  # Go wants all of a program in one folder
    names = ["main.go", "kinder.go", *(path.name for path in more)]
    command = [str(_go()), "build", "-o", str(program), *names]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    subprocess.run(command, check=True, env=environment, cwd=folder)
    return program


def ask(program: Path, requests: Iterable[Mapping[str, object]]) -> Sequence[dict[str, object]]:
    """The answers in their order; one that kills Go's process (a map within itself) fails."""
    lines = [json.dumps(request) + "\n" for request in requests]
    environment = {**os.environ, "TZ": "UTC"}  # in which ours reads times
    answers: list[dict[str, object]] = []
    while len(answers) < len(lines):
        left = "".join(lines[len(answers) :])
        done = subprocess.run(
            [program], input=left, capture_output=True, text=True, check=False, env=environment
        )
        answers += [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode:
            answers.append({"error": f"Go died: {done.stderr[:200]}", "stage": "died"})
    return answers
