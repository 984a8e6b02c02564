"""Whole lives of machines: real virtual machines, real DHCP, nobody presses a key."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.boot import disk
from tests.boot.lab import ADDRESS, Process, until
from tests.boot.site import REBOOT, Site, mac, shell

pytestmark = [pytest.mark.network, pytest.mark.waits, pytest.mark.timeout(900)]

INSTALLED, HARMLESS, IDLE, UNKNOWN = 0x11, 0x12, 0x13, 0x14


def serve_disk(site: Site, write=disk.write_bios_disk) -> None:
    """A web server with the image of a disk."""
    folder = site.folder / "images"
    folder.mkdir()
    write(folder / "disk.raw", site.os_folder)
    words = ["python3", "-m", "http.server", "8000", "--directory", str(folder)]
    site.lab.start(words, site.folder / "images.log")


WRITE = shell(
    "write",
    f"wget -q -O - http://{ADDRESS}:8000/disk.raw | dd of=/dev/vda bs=1M && sync",
    image="actions/image2disk",
)


def empty_disk(site: Site, number: int):
    path = site.folder / f"disk-{number}.raw"
    with path.open("wb") as opened:
        opened.truncate(disk.SIZE_MB * 1_048_576)
    return path


def switch_on(site: Site, number: int, **options: Any) -> Process:
    return site.lab.machine(mac(number), **options)


def test_a_merged_request_installs_a_machine_that_then_boots_from_its_disk(site):
    """Empty disk, power on: DHCP by MAC, memory, workflow, reboot, disk, phone home."""
    site.start_registry()
    serve_disk(site)
    site.add_machine(INSTALLED)
    site.add_template("install", WRITE, REBOOT)
    site.request("install-n17", "install", INSTALLED)
    site.commit("Install n17")
    site.serve()
    machine = switch_on(site, INSTALLED, disk=empty_disk(site, INSTALLED))
    machine.wait_for("tinkgit: 02:00:00:00:00:11 n17: memory, because workflow", 60)
    machine.wait_for("tinkgit: worker 02:00:00:00:00:11 asks", 90)
    machine.wait_for("tinkgit: 02:00:00:00:00:11 n17: disk, because", 120)
    machine.wait_for("disk OS: n17 is up", 60)
    machine.wait_for("disk OS: phoned home as i-17", 30)
    events = site.events("install-n17")
    assert [each.get("action_status") or each.get("status") for each in events][:4] == [
        "STATE_RUNNING",
        "STATE_SUCCESS",
        "STATE_RUNNING",
        "STATE_SUCCESS",
    ]
    assert machine.text.count("tinkgit: worker 02") == 1
    assert site.machines()[mac(INSTALLED)]["state"] == "installed"


def test_one_that_installs_nothing_comes_back_and_others_are_ignored(site):
    site.start_registry()
    site.add_machine(HARMLESS)
    site.add_machine(IDLE)
    site.add_template("harmless", shell("look", "ls /dev/vda"), REBOOT)
    site.request("look-n18", "harmless", HARMLESS)
    site.commit("Look at n18")
    server = site.serve()
    unknown = switch_on(site, UNKNOWN, memory_mb=256)
    idle = switch_on(site, IDLE, memory_mb=256)
    server.wait_for(f"DHCP ignores {mac(UNKNOWN)}", 60)
    until(lambda: "dhcp" in str(site.machines()[mac(IDLE)]["contacts"]), 60)
    found = site.machines()
    assert found[mac(UNKNOWN)]["state"] == "unknown"
    assert (found[mac(IDLE)]["state"], found[mac(IDLE)]["boot"]) == ("ignored", "ignore")
    idle.wait_for("No more network devices|Nothing to boot|No bootable device", 60)
    for other in (unknown, idle):
        other.kill()
        assert "auto.ipxe" not in other.text and "tinkgit" not in other.text
    machine = switch_on(site, HARMLESS, disk=empty_disk(site, HARMLESS))
    machine.wait_for("n18: memory, because workflow", 60)
    machine.wait_for("n18: memory, because its workflows", 150)  # a console has 80 columns
    assert site.machines()[mac(HARMLESS)]["state"] in ("waiting", "booting")


def test_a_machine_that_waits_in_memory_is_started_by_a_merge(site):
    site.start_registry()
    site.add_machine(IDLE, idle="memory")
    site.commit("Add n19")
    site.serve()
    machine = switch_on(site, IDLE)
    machine.wait_for("tinkgit: worker .* asks", 90)
    site.add_template("hello", shell("hello", "echo hello"))
    site.request("hello-n19", "hello", IDLE)
    site.commit("Say hello on n19")
    until(lambda: "STATE_SUCCESS" in str(site.events("hello-n19")), 90)


def test_a_changed_file_system_is_refused_until_it_is_right(site):
    """The file is another than the manifest says, of the same length; then it is put right."""
    changed = site.folder / "changed-os"
    shutil.copytree(site.os_folder, changed)
    root = changed / "root.squashfs"
    whole = root.read_bytes()
    root.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    site.os_folder = changed
    site.add_machine(IDLE, idle="memory")
    site.commit("Add n19")
    site.serve()
    machine = switch_on(site, IDLE)
    machine.wait_for("root.squashfs is refused: its SHA-256 is", 60)
    root.write_bytes(whole)
    machine.wait_for("tinkgit: worker .* asks", 120)


def test_uefi_installs_a_disk_though_the_power_fails_while_it_is_written(site):
    """It boots to PXE again, the action runs again, and the system on its disk comes up."""
    site.start_registry()
    serve_disk(site, disk.write_efi_disk)
    half = f"wget -q -O - http://{ADDRESS}:8000/disk.raw | dd of=/dev/vda bs=1M count=20 && sync"
    script = f"{half} && echo half written >/dev/ttyS0 && sleep 20 && {WRITE['command'][-1]}"
    site.add_machine(INSTALLED)
    write = {**WRITE, "command": ["/bin/sh", "-c", script], "max_attempts": 3}
    site.add_template("install", write, REBOOT)
    site.request("install-n17", "install", INSTALLED)
    site.commit("Install n17")
    site.serve()
    uefi = {"firmware": "efi", "memory_mb": 1_024}
    path = empty_disk(site, INSTALLED)
    machine = switch_on(site, INSTALLED, disk=path, **uefi)
    machine.wait_for("half written", 200)
    machine.kill()
    machine = switch_on(site, INSTALLED, disk=path, **uefi)
    machine.wait_for("half written(.|\n)*half written", 200)  # its log goes on
    machine.wait_for("disk OS: n17 is up", 200)
    machine.wait_for("disk OS: phoned home as i-17", 30)
    states = [
        (each["attempt"], each["action_status"].removeprefix("STATE_"))
        for each in site.events("install-n17")
        if "action_status" in each
    ]
    written = [(1, "RUNNING"), (2, "RUNNING"), (2, "SUCCESS")]
    assert states == [*written, (1, "RUNNING"), (1, "SUCCESS")]
    assert site.machines()[mac(INSTALLED)]["state"] == "installed"


def test_a_machine_whose_document_goes_while_it_boots_is_taken_in_again_when_it_is_back(site):
    site.start_registry()
    site.add_machine(IDLE, idle="memory")
    site.add_machine(HARMLESS)
    site.commit("Add machines")
    server = site.serve()
    machine = switch_on(site, IDLE)
    machine.wait_for("os/initramfs... ok", 60)
    document = site.repo / "hardware" / f"n{IDLE}.json"
    kept = document.read_text()
    document.unlink()
    site.commit("Remove n19")
    until(lambda: site.machines().get(mac(IDLE), {}).get("state") == "unknown", 60)
    machine.wait_for("No DHCP server answers on eth0. Trying again", 120)
    assert site.machines()[mac(HARMLESS)]["state"] == "never seen"
    document.write_text(kept)
    site.add_template("hello", shell("hello", "echo hello"))
    site.request("hello-n19", "hello", IDLE)
    site.commit("Add n19 again")
    until(lambda: "STATE_SUCCESS" in str(site.events("hello-n19")), 180)
    assert server.is_running


def test_a_killed_server_is_waited_for(site):
    site.add_machine(IDLE, idle="memory")
    site.commit("Add n19")
    server = site.serve()
    machine = switch_on(site, IDLE)
    machine.wait_for("os/initramfs... ok", 60)
    server.kill()  # before the machine has its file system; dnsmasq goes on
    machine.wait_for("root.squashfs can't be fetched. Trying again", 60)
    server = site.serve()
    assert "is replaced" in server.text
    machine.wait_for("tinkgit: worker .* asks", 120)
