"""The in-memory OS, built once, and a lab."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.os_image import build
from provisioner.os_image.build import Recipe
from tests.boot.lab import Lab
from tests.boot.site import Site

PACKAGES = "cloud-init,iproute2,netplan.io,kea-dhcp4-server,isc-dhcp-server"
BUILT = os.environ.get("TINKGIT_OS_FOLDER")  # read before the tests' own environment is set


@pytest.fixture(scope="session")
def os_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The in-memory OS for virtual machines; `TINKGIT_OS_FOLDER` names one that is built."""
    if BUILT:
        return Path(BUILT)
    shared = tmp_path_factory.getbasetemp().parent  # by the processes that run the tests
    folder = shared / "os-cloud"
    with (shared / "os-cloud.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            build.build(folder, Recipe(kernel="cloud"), print)
    return folder


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Debian, and in it the other side of what we say: none of it is started."""
    shared = tmp_path_factory.getbasetemp().parent
    folder = shared / "debian"
    with (shared / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}"]
            subprocess.run([*words, "bookworm", folder], check=True)
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("a network of virtual machines needs root, and this is not root")
    with Lab(tmp_path) as opened:
        yield opened


@pytest.fixture
def site(lab: Lab, tmp_path: Path, os_folder: Path) -> Site:
    return Site(lab, tmp_path, os_folder)
