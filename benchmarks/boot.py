"""What machines that boot cost: their scripts, and their operating system beside reports.

    python -m benchmarks.boot [--machines 1000] [--seconds 4] [--rounds 3] [--clients 64]
        [--downloads 50] [--megabytes 100] [--links 1gbit 10gbit loopback]

Every machine has a workflow, and asks for its script over a connection of its own.  Then
reports are sent with and without machines that load a file of that size, in turn; the ratio of
the p99 is the median over the rounds.  A link other than loopback needs root, and iproute2.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks import downloads, load_client, reports, site
from benchmarks.figures import Figures, median
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


def _measure(options: argparse.Namespace, folder: Path) -> None:
    os_folder = folder / "os"
    os_folder.mkdir()
    _write_os(os_folder, options.megabytes)
    played = reports.scripts(options.machines * 20)
    site.fill(folder / "site.git", options.machines * 20)
    everywhere = ("--listen", "0.0.0.0:0")  # the last one counts
    with site.serving(folder / "site.git", "--os", str(os_folder), *everywhere) as server:
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
        for link in options.links:
            _beside_downloads(options, server, played, "" if link == "loopback" else link)


def _beside_downloads(
    options: argparse.Namespace, server: site.Server, played: Scripts, link: str
) -> None:
    def drive() -> Figures:
        return played.drive(
            "127.0.0.1", server.port, clients=options.clients, seconds=options.seconds
        )

    ratios = []
    for _ in range(options.rounds):
        alone = drive()
        path = f"/os/{manifest.ROOT}"
        with downloads.beside(server.port, path, options.downloads, link) as loaded:
            time.sleep(0.5)
            before, begun = loaded()
            beside = drive()
            after, ended = loaded()
        ratios.append(beside.p99_ms / alone.p99_ms)
        speed = (after - before) / (ended - begun) / 1e6
        print(f"reports alone: {alone}", flush=True)
        print(
            f"beside {options.downloads} downloads by {link or 'loopback'} ({speed:,.0f} MB/s): "
            f"{beside}",
            flush=True,
        )
    print(f"p99 beside downloads by {link or 'loopback'}: {median(ratios):.2f} times that alone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--downloads", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument(
        "--links", nargs="+", default=["1gbit", "10gbit", "loopback"], help="speeds of the network"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinkgit-boot-") as name:
        _measure(options, Path(name))


if __name__ == "__main__":
    main()
