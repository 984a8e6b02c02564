"""A disk whose power can be cut: images of it, each of one instant, while it is written.

The disk is a file on a file system that can clone files (`FICLONE`: in one step, between
two writes of the loop device), so a clone holds exactly what the file system under test
had sent to its device.  What no such test shows is a device that loses what it was sent
and not told to flush.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

UNMOUNT_SECONDS = 20.0
_FICLONE = 0x40049409
_CLONE_NEWNS = 0x00020000
_DISK_BYTES = 320 * 1024 * 1024  # xfs takes no less than 300 MB
_HOST_BYTES = 4 * 1024 * 1024 * 1024  # sparse
HOSTS = ("xfs", "btrfs")  # which can clone

_MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}


def why_not(kind: str) -> str:
    """Say what is missing here to cut the power of a file system, or nothing."""
    if os.geteuid() != 0:
        return "only root can mount"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    if shutil.which(_MAKE[kind][0]) is None:
        return f"{_MAKE[kind][0]} is not installed"
    if kind not in Path("/proc/filesystems").read_text().split():
        return f"the kernel has no {kind}"
    if kind not in HOSTS and all(why_not(each) for each in HOSTS):
        return "mkfs.xfs or mkfs.btrfs is needed, to clone the disk in one step"
    return ""


def make(kind: str, image: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([*_MAKE[kind], str(image)], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        _unmount(folder)


def _unmount(folder: Path) -> None:
    """The git processes of a killed writer may hold the mount for a moment longer."""
    give_up = time.monotonic() + UNMOUNT_SECONDS
    while subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode:
        if time.monotonic() > give_up:
            subprocess.run(["umount", str(folder)], check=True)
        time.sleep(0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    image: Path
    folder: Path  # where its file system is mounted

    def cut(self, name: str) -> Path:
        """Return the disk as it is in this instant."""
        copy = self.image.with_name(name)
        with self.image.open("rb") as source, copy.open("wb") as target:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        return copy


def _leave_shared_mounts() -> None:
    """Give this process mounts of its own.

    Else an engine that another test starts copies ours, and they stay busy for as long as
    it runs.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def disk(kind: str, tmp_path: Path) -> Iterator[Path]:
    """Make a host file system that can clone and a disk image on it; yield the image."""
    _leave_shared_mounts()
    host = next(each for each in HOSTS if why_not(each) == "")
    with ExitStack() as exits:
        make(host, tmp_path / "host.img", _HOST_BYTES)
        folder = exits.enter_context(mounted(tmp_path / "host.img", tmp_path / "host"))
        make(kind, folder / "disk.img", _DISK_BYTES)
        yield folder / "disk.img"
