"""Build the oracle with the Go that is here, and ask it.

Debian 12: apt-get install golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev.
A newer Go builds the same source and knows `range` over numbers and `else with`; the goldens were
made by Go 1.26.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_GOPATH = Path("/usr/share/gocode")
_SPRIG = _GOPATH / "src/github.com/Masterminds/sprig"
_YAML = _GOPATH / "src/sigs.k8s.io/yaml"
_NEWEST_FIRST = ("/usr/local/go/bin/go", "/usr/bin/go")
_SOURCE = Path(__file__).with_name("main.go")


def missing() -> str:
    """What is not there to build the oracle, or nothing."""
    if _go() is None:
        return "no Go toolchain"
    if not _SPRIG.is_dir():
        return f"no sprig in {_GOPATH} (golang-github-masterminds-sprig-dev)"
    if not _YAML.is_dir():
        return f"no sigs.k8s.io/yaml in {_GOPATH} (golang-k8s-sigs-yaml-dev)"
    return ""


def _go() -> str | None:
    return next((go for go in _NEWEST_FIRST if Path(go).exists()), shutil.which("go"))


def speaks_newest(folder: Path) -> bool:
    """Whether this Go has what templates learnt up to 1.24."""
    command = [_go(), "version"]
    environment = _environment(folder)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout.split()[2].split(".")[1]) >= 24


def _environment(folder: Path) -> dict[str, str]:
    """Go writes nothing outside of the folder, and fetches nothing."""
    return {
        **os.environ,
        "HOME": str(folder),
        "GO111MODULE": "off",
        "GOPATH": str(_GOPATH),
        "GOCACHE": os.environ.get("GOCACHE", str(folder / "cache")),
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
    }


def build(folder: Path, *more: Path) -> Path:
    """Build the oracle, with more sources beside its own."""
    program = folder / "oracle"
    main = shutil.copy(_SOURCE, folder)  # Go wants all of a program in one folder
    command = [_go(), "build", "-o", program, main, *more]
    environment = _environment(folder)
    subprocess.run(command, check=True, env=environment, cwd=folder, capture_output=True)
    return program


def ask(program: Path, requests: Iterable[Mapping[str, object]]) -> Sequence[dict[str, object]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
