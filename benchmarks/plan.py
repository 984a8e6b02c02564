"""What does the plan of a one-file pull request cost, by the size of the repository?

    python -m benchmarks.plan [--files 100,1000,10000] [--runs 5]

The whole command, from its start to its last line: `tink plan` in a clone whose branch adds one
workflow request to as many hardware files.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.create import commit
from benchmarks.documents import hardware
from provisioner import resources

_REQUEST = 'template: hello_world_workflow\nhardware: {"device_1": "02:00:00:00:00:01"}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", default="100,1000,10000")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    print(f"{'hardware files':>14}  {'median s':>8}  {'min s':>8}")
    for count in map(int, given.files.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder) / "site"
            _make(site, count)
            seconds = [_seconds(site) for _ in range(given.runs)]
        print(f"{count:>14}  {statistics.median(seconds):>8.2f}  {min(seconds):>8.2f}", flush=True)


def _make(site: Path, count: int) -> None:
    _run(site.parent, "init", str(site))
    template = resources.examples_folder() / "templates" / "hello-world.yaml"
    machines = ((f"hardware/{number}.yaml", hardware(number)) for number in range(count))
    commit(site, iter([("templates/hello.yaml", template.read_text()), *machines]))
    subprocess.run(["git", "-C", site, "branch", "base", "main"], check=True)
    commit(site, iter([("workflows/new.yaml", _REQUEST)]))


def _seconds(site: Path) -> float:
    begun = time.perf_counter()
    last = _run(site, "plan", "--base", "base", "--head", "main").splitlines()[-1]
    taken = time.perf_counter() - begun
    if not last.startswith("Plan: 1 to create, 0 to cancel, 0 problems"):
        raise SystemExit(f"this is not the plan that is to be measured: {last}")
    return taken


def _run(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "provisioner.cli", *words]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
