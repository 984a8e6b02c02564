"""A small operating system for disks: a kernel, and an init that says it is there."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from provisioner.os_image import initramfs, manifest

SIZE_MB = 40
START = 2048  # sector of the only partition
INIT = """\
#!/bin/busybox sh
export PATH=/bin:/sbin
/bin/busybox mkdir -p /proc /sys /dev /etc
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox --install -s /bin
modprobe -a virtio_pci virtio_net
ip link set eth0 up
until udhcpc -q -n -i eth0 -s /dhcp; do sleep 1; done
echo "disk OS: $(hostname) is up" >/dev/console
server=http://10.77.0.1:42114
until wget -q -O /answer --post-data instance_id=x $server/phone-home; do sleep 1; done
wget -q -O /id $server/2009-04-04/meta-data/instance-id
echo "disk OS: phoned home as $(cat /id)" >/dev/console
while :; do sleep 3600; done
"""


def write_bios_disk(path: Path, os_folder: Path) -> None:
    """A disk that a BIOS boots: SYSLINUX on FAT, with the in-memory OS's kernel."""
    config = path.with_suffix(".cfg")
    config.write_text(
        "DEFAULT linux\nPROMPT 0\nLABEL linux\n KERNEL vmlinuz\n INITRD initrd\n"
        " APPEND console=ttyS0 panic=10\n"
    )
    files = {**_system(path, os_folder), "syslinux.cfg": config}
    _write(path, f"label: dos\nstart={START}, type=c, bootable\n", files)
    _run("syslinux", "--install", "--offset", START * 512, path)
    with path.open("r+b") as disk:
        disk.write(Path("/usr/lib/syslinux/mbr/mbr.bin").read_bytes())


def write_efi_disk(path: Path, os_folder: Path) -> None:
    """A disk that UEFI boots without being told: systemd-boot in an EFI system partition."""
    config, entry = path.with_suffix(".conf"), path.with_suffix(".entry")
    config.write_text("default linux\ntimeout 0\n")
    entry.write_text(
        "title linux\nlinux /vmlinuz\ninitrd /initrd\noptions console=ttyS0 panic=10\n"
    )
    files = {
        **_system(path, os_folder),
        "EFI/BOOT/BOOTX64.EFI": Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi"),
        "loader/loader.conf": config,
        "loader/entries/linux.conf": entry,
    }
    _write(path, f"label: gpt\nstart={START}, size={(SIZE_MB - 2) * 2048}, type=U\n", files)


def _system(path: Path, os_folder: Path) -> dict[str, Path]:
    """Kernel and initramfs; its init is of our own."""
    initrd = path.with_suffix(".initrd")
    own = initramfs.archive({"init": initramfs.file(INIT.encode(), executable=True)})
    initrd.write_bytes((os_folder / manifest.INITRAMFS).read_bytes() + own)
    return {"vmlinuz": os_folder / manifest.KERNEL, "initrd": initrd}


def _write(path: Path, partitions: str, files: Mapping[str, Path]) -> None:
    """A disk with one partition of FAT, and the files in it."""
    with path.open("wb") as disk:
        disk.truncate(SIZE_MB * 1_048_576)
    _run("sfdisk", "-q", path, given=partitions)
    _run("mkfs.fat", "--offset", START, "-F", "16", path, (SIZE_MB - 2) * 1024)
    inside = f"{path}@@{START * 512}"
    folders = {str(parent) for name in files for parent in Path(name).parents if parent.name}
    for folder in sorted(folders):
        _run("mmd", "-i", inside, f"::{folder}")
    for name, source in files.items():
        _run("mcopy", "-i", inside, source, f"::{name}")


def _run(*words: object, given: str = "") -> None:
    done = subprocess.run(
        [str(each) for each in words],
        input=given,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MTOOLS_SKIP_CHECK": "1"},
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
