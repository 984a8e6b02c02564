"""`make demo-boot`: virtual machines boot from the network; one installs itself.

Everything is real but the machines, which QEMU plays: DHCP, iPXE, the in-memory OS, the worker,
a registry, a disk.  Nothing reaches the network of this machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from provisioner.os_image import build
from provisioner.os_image.build import Recipe
from tests.boot.disk import SIZE_MB, write_bios_disk
from tests.boot.lab import ADDRESS, Lab
from tests.boot.site import REBOOT, Site, mac, shell

INSTALLED, UNKNOWN = 0x11, 0x14


def main() -> None:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="tink-demo-") as name:
        folder = Path(name)
        os_folder = folder / "os"
        say("tink os build --kernel cloud (about a minute)")
        build.build(os_folder, Recipe(kernel="cloud"), say)
        with Lab(folder) as lab:
            _play(Site(lab, folder, os_folder), say)


def _play(site: Site, say: Callable[[str], None]) -> None:
    say("a repository, a registry, the image of a disk")
    site.start_registry()
    images = site.folder / "images"
    images.mkdir()
    write_bios_disk(images / "disk.raw", site.os_folder)
    words = ["python3", "-m", "http.server", "8000", "--directory", str(images)]
    site.lab.start(words, site.folder / "images.log")
    site.add_machine(INSTALLED)
    write = shell(
        "write",
        f"wget -q -O - http://{ADDRESS}:8000/disk.raw | dd of=/dev/vda bs=1M && sync",
        image="actions/image2disk",
    )
    site.add_template("install", write, REBOOT)
    site.request("install-n17", "install", INSTALLED)
    site.commit("Install n17")
    say("tink serve --dhcp br0 --os os")
    server = site.serve()
    disk = site.folder / "disk.raw"
    with disk.open("wb") as opened:
        opened.truncate(SIZE_MB * 1_048_576)
    say(f"{mac(INSTALLED)} is switched on, its disk is empty")
    machine = site.lab.machine(mac(INSTALLED), disk=disk)
    for pattern, text in (
        ("n17: memory, because workflow", "it has its address, and its boot script"),
        ("tinkgit: worker .* asks", "its in-memory OS is up, the worker asks for its workflow"),
        ("n17: disk, because workflow", "the workflow wrote its disk and rebooted it"),
        ("disk OS: n17 is up", "it boots from its disk"),
        ("disk OS: phoned home", "the installed system phoned home"),
    ):
        machine.wait_for(pattern, 180)
        say(text)
    say("a machine that nobody knows is switched on")
    site.lab.machine(mac(UNKNOWN), memory_mb=256)
    server.wait_for(f"DHCP ignores {mac(UNKNOWN)}", 60)
    say("it gets no answer at all")
    print()
    print(site.tink("machine", "list", "--server", f"http://{ADDRESS}:42114"), end="")
    print(site.tink("--repo", str(site.repo), "workflow", "list"), end="")


if __name__ == "__main__":
    main()
