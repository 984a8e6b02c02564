"""What machines that boot cost: their scripts, and their operating system beside reports.

    python -m benchmarks.boot [--machines 1000] [--seconds 4] [--rounds 3] [--clients 64]
        [--downloads 50] [--megabytes 100]

Every machine has a workflow, and asks for its script over a connection of its own.  Then
reports are sent with and without machines that load a file of that size, in turn; the ratio of
the p99 is the median over the rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from benchmarks import load_client, reports, site
from benchmarks.figures import median
from benchmarks.load import Scripts
from provisioner.os_image import manifest
from provisioner.os_image.manifest import File, Manifest

SCRIPTS_OF_A_CLIENT = 100
MOST_SCRIPTS_PER_SECOND = 10_000


def _asking(machines: int, first: int) -> Iterator[bytes]:
    for number in range(first, first + SCRIPTS_OF_A_CLIENT):
        place = number % machines
        mac = f"02:00:00:{place >> 16:02x}:{place >> 8 & 255:02x}:{place & 255:02x}"
        yield load_client.get(f"/boot/{mac}/auto.ipxe?firmware=pcbios&arch=i386")


def _write_os(folder: Path, megabytes: int) -> None:
    files = {}
    for name, size in (
        (manifest.KERNEL, 1_000),
        (manifest.INITRAMFS, 1_000),
        (manifest.ROOT, megabytes * 1_000_000),
    ):
        content = bytes(size)
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files[name] = File(size_bytes=size, sha256=digest)
    made = Manifest(
        kernel="cloud",
        kernel_version="",
        arch="x86_64",
        suite="bookworm",
        has_firmware=False,
        files=files,
        packages={},
    )
    (folder / manifest.NAME).write_text(manifest.encode(made))


@contextmanager
def _downloading(server: site.Server, downloads: int) -> Iterator[list[int]]:
    """Machines that load the file again and again; yields the bytes that each has got."""
    got = [0] * downloads
    over = threading.Event()

    def load(place: int) -> None:
        buffer = bytearray(262_144)
        while not over.is_set():
            with (
                suppress(OSError),
                socket.create_connection((server.host, server.port), timeout=30) as client,
            ):
                client.sendall(load_client.get(f"/os/{manifest.ROOT}"))
                while not over.is_set() and (size := client.recv_into(buffer)):
                    got[place] += size

    threads = [threading.Thread(target=load, args=(place,)) for place in range(downloads)]
    for each in threads:
        each.start()
    try:
        yield got
    finally:
        over.set()
        for each in threads:
            each.join()


def _measure(options: argparse.Namespace, folder: Path) -> None:
    os_folder = folder / "os"
    os_folder.mkdir()
    _write_os(os_folder, options.megabytes)
    played = reports.scripts(options.machines * 20)
    site.fill(folder / "site.git", options.machines * 20)
    with site.serving(folder / "site.git", "--os", str(os_folder)) as server:
        server.settle()
        asking = Scripts(
            lambda first: _asking(options.machines, first * SCRIPTS_OF_A_CLIENT),
            count(),
            per_second=MOST_SCRIPTS_PER_SECOND,
        )
        for _ in range(options.rounds):
            figures = asking.drive(
                server.host, server.port, clients=options.machines, seconds=options.seconds
            )
            print(f"{options.machines} machines ask for scripts: {figures}", flush=True)
        ratios = []
        for _ in range(options.rounds):
            alone = played.drive(
                server.host, server.port, clients=options.clients, seconds=options.seconds
            )
            with _downloading(server, options.downloads) as got:
                time.sleep(0.5)
                before, begun = sum(got), time.monotonic()
                beside = played.drive(
                    server.host, server.port, clients=options.clients, seconds=options.seconds
                )
                speed = (sum(got) - before) / (time.monotonic() - begun) / 1e6
            ratios.append(beside.p99_ms / alone.p99_ms)
            print(f"reports alone: {alone}", flush=True)
            print(f"beside {options.downloads} downloads ({speed:,.0f} MB/s): {beside}", flush=True)
        print(f"p99 beside downloads: {median(ratios):.2f} times that alone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--downloads", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinkgit-boot-") as name:
        _measure(options, Path(name))


if __name__ == "__main__":
    main()
