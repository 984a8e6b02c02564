"""From a commit with workflow requests to their records on the status branch.

    python -m benchmarks.create [--requests 1,100,10000] [--machines 1000]

Rendering, validation and the durable commit are all in it; the clock starts when the
desired branch moves and stops when the last record can be read from the status branch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks import site

TEMPLATE = """\
version: "0.1"
name: install
global_timeout: 1800
tasks:
  - name: os-installation
    worker: "{{.device_1}}"
    volumes:
      - /dev:/dev
    actions:
"""
ACTION = """\
      - name: action-%d
        image: quay.io/tinkerbell/actions/image2disk:latest
        timeout: 600
        environment:
          DEST_DISK: /dev/sda
          IMG_URL: "http://{{.device_1}}/image.raw.gz"
          COMPRESSED: true
"""


def mac(number: int) -> str:
    return f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def _hardware(number: int) -> str:
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    dhcp = {"mac": mac(number), "ip": {"address": address}}
    netboot = {"allow_pxe": True, "allow_workflow": True}
    interfaces = [{"dhcp": dhcp, "netboot": netboot}]
    return json.dumps({"id": site.worker_id(number), "network": {"interfaces": interfaces}})


def _request(number: int, machines: int) -> str:
    hardware = {"device_1": mac(number % machines)}
    return json.dumps({"id": site.workflow_id(number), "template": "install", "hardware": hardware})


def commit(repository: Path, files: Iterator[tuple[str, str]]) -> None:
    """Add files to `main` by `git fast-import`, in one commit."""
    head = subprocess.run(
        ["git", "-C", repository, "rev-parse", "-q", "--verify", "refs/heads/main"],
        check=False, capture_output=True,
    )  # fmt: skip
    text = "commit refs/heads/main\ncommitter bench <bench@localhost> now\ndata 5\nbench\n"
    if head.returncode == 0:
        text += f"from {head.stdout.decode().strip()}\n"
    for path, content in files:
        text += f"M 100644 inline {path}\ndata {len(content.encode())}\n{content}\n"
    subprocess.run(
        ["git", "-C", repository, "fast-import", "--quiet", "--date-format=now"],
        input=text.encode(), check=True,
    )  # fmt: skip


def _git(repository: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", repository, *words], check=False, capture_output=True)
    return done.stdout.decode()


def _await_records(repository: Path, wanted: int) -> float:
    """Wait until the server says, on the status branch, that it has followed; return when."""
    ref = repository / "refs" / "heads" / "status"
    tip = _git(repository, "rev-parse", "main").strip()
    seen = b""
    while True:
        told = ref.read_bytes() if ref.exists() else b""
        if told != seen:
            seen = told
            if tip in _git(repository, "show", "status:reconcile.json"):
                break
        time.sleep(0.005)
    ended = time.perf_counter()
    found = _git(repository, "ls-tree", "-r", "--name-only", "status", "status/").count("\n")
    if found != wanted:
        raise SystemExit(f"{found} records, not {wanted}")
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", default="1,100,10000")
    parser.add_argument("--machines", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name:
        repository = Path(name) / "site.git"
        site.new(repository).close()
        machines = ((f"hardware/n{n}.json", _hardware(n)) for n in range(options.machines))
        template = TEMPLATE + "".join(ACTION % n for n in range(site.ACTIONS))
        commit(repository, (each for each in (*machines, ("templates/install.yaml", template))))
        with site.serving(repository) as server:
            done = 0
            for count in map(int, options.requests.split(",")):
                name_of = partial("workflows/{}.json".format)
                requests = (
                    (name_of(n), _request(n, options.machines)) for n in range(done, done + count)
                )
                started = time.perf_counter()
                commit(repository, requests)
                committed = time.perf_counter()
                done += count
                took = _await_records(repository, done) - committed
                print(
                    f"{count:6,} requests: {took * 1000:8.1f} ms from commit to record,"
                    f" {count / took:7,.0f} records/s (git took {committed - started:.2f} s)",
                    flush=True,
                )
            print(f"server: {server.resident_mib:.0f} MiB resident")


if __name__ == "__main__":
    main()
