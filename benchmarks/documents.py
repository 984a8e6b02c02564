"""What do documents cost: each step for one file, a whole repository cold, one file changed?

    python -m benchmarks.documents [--files 1000,10000]

The repository is a real one; its hardware files are YAML of 1.3 KB, as an operator writes
them.  One thread, the processor time of this process beside the time on the wall.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.create import commit
from gotemplate import template as go_template
from provisioner.documents import schema_check, workflow_text, yaml_reader
from provisioner.documents.decode import decode_file
from provisioner.documents.hardware_view import hardware_view
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.services import desired_loader
from provisioner.store.desired.reading import DesiredStore

HARDWARE = """\
# rack 12, unit {number}
id: {number:08x}-1111-4111-8111-111111111111
metadata:
  facility:
    facility_code: onprem
    plan_slug: c2.medium.x86
    plan_version_slug: ""
  manufacturer:
    slug: supermicro
  instance:
    id: {number:08x}-1111-4111-8111-111111111111
    hostname: machine-{number}
    operating_system:
      distro: ubuntu
      os_slug: ubuntu_22_04
      version: "22.04"
    storage:
      disks:
        - device: /dev/nvme0n1
          wipe_table: true
          partitions:
            - label: BIOS
              number: 1
              size: 4096
            - label: ROOT
              number: 2
              size: 0
  state: provisioning
network:
  interfaces:
    - dhcp:
        mac: 02:00:{a:02x}:{b:02x}:{c:02x}:01
        hostname: machine-{number}
        arch: x86_64
        uefi: true
        lease_time: 86400
        name_servers: [1.1.1.1, 8.8.8.8]
        time_servers: []
        ip:
          address: 10.{a}.{b}.{c}
          netmask: 255.0.0.0
          gateway: 10.255.255.254
      netboot:
        allow_pxe: true
        allow_workflow: true
    - dhcp:
        mac: 02:00:{a:02x}:{b:02x}:{c:02x}:02
        arch: x86_64
        uefi: true
      netboot:
        allow_pxe: false
        allow_workflow: false
"""
_ACTION = """\
      - name: "action-{number}"
        image: quay.io/tinkerbell/actions/image2disk:latest
        timeout: 600
        environment:
          DEST_DISK: {{{{ index .Hardware.Disks 0 }}}}
          COMPRESSED: true
"""
TEMPLATE = """\
version: "0.1"
name: install
global_timeout: 1800
tasks:
  - name: "os-installation"
    worker: "{{.device_1}}"
    volumes:
      - /dev:/dev
      - /lib/firmware:/lib/firmware:ro
    actions:
""" + "".join(_ACTION.format(number=number) for number in range(8))


def hardware(number: int) -> str:
    return HARDWARE.format(number=number, a=number >> 16, b=number >> 8 & 255, c=number & 255)


def microseconds(work: Callable[[], object], rounds: int = 400) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1_000_000


def print_steps() -> None:
    text = hardware(1)
    document = yaml_reader.read(text, path="x.yaml").documents[0]
    content = text.encode()
    decoded = decode_file(path="hardware/x.yaml", blob_id="", content=content)
    parsed = go_template.parse(TEMPLATE)
    data = {"device_1": "02:00:00:00:01:01", **hardware_view(decoded.hardware[0])}
    rendered = parsed.render(data)
    steps: dict[str, Callable[[], object]] = {
        f"hardware, {len(content):,} bytes: YAML to data with places": lambda: yaml_reader.read(
            text, path="x.yaml"
        ),
        "  JSON Schema": lambda: schema_check.check_as_go(
            document.data, "hardware", document=document, path="x.yaml"
        ),
        "  all of it (decode_file)": lambda: decode_file(
            path="hardware/x.yaml", blob_id="", content=content
        ),
        f"template, {TEMPLATE.count(chr(10))} lines: decode_file": lambda: decode_file(
            path="templates/x.yaml", blob_id="", content=TEMPLATE.encode()
        ),
        "  parse": lambda: go_template.parse(TEMPLATE),
        "  render": lambda: parsed.render(data),
        "  read the rendered workflow": lambda: workflow_text.parse_workflow(rendered, path="x"),
    }
    for name, work in steps.items():
        print(f"{name:55} {microseconds(work):9.1f} µs", flush=True)


def print_repository(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="tinkgit-bench-") as name:
        folder = Path(name) / "site.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder], check=True)
        commit(folder, _files(range(count)))
        store = DesiredStore(GitRepo(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        state = desired_loader.load(store, _tip(store)).state
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert len(state.hardware) == count
        changes = []
        for number in range(9):
            commit(folder, iter([(_path(number), hardware(number) + f"# change {number}\n")]))
            begun = time.perf_counter()
            state = desired_loader.follow(store, state, _tip(store)).state
            changes.append(time.perf_counter() - begun)
        print(
            f"{count:7,} hardware files: cold {wall:6.2f} s ({cpu:.2f} s of processor,"
            f" {wall / count * 1_000_000:.0f} µs a file); one file changed:"
            f" {statistics.median(changes) * 1000:.1f} ms",
            flush=True,
        )


def _files(numbers: range) -> Iterator[tuple[str, str]]:
    return ((_path(number), hardware(number)) for number in numbers)


def _path(number: int) -> str:
    return f"hardware/rack-{number // 100}/machine-{number}.yaml"


def _tip(store: DesiredStore) -> CommitId:
    tip = store.tip()
    assert tip is not None
    return tip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", default="1000,10000")
    options = parser.parse_args()
    print_steps()
    for count in map(int, options.files.split(",")):
        print_repository(count)


if __name__ == "__main__":
    main()
