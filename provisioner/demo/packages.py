"""What the demo needs that this machine has not, and how it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from provisioner.demo.engine import EngineMissing
from provisioner.errors import Unavailable

INSTALL_SECONDS = 600  # a bound; docker.io took 20 s on a 2-core machine
# What each Debian package brings; debian-packages.txt names the same ones.
PACKAGES = {"dockerd": "docker.io", "busybox": "busybox-static"}


def missing(programs: tuple[str, ...]) -> list[str]:
    """Name the Debian packages that bring the programs which are not here."""
    path = f"{os.defpath}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"
    return [PACKAGES[program] for program in programs if shutil.which(program, path=path) is None]


def install(names: list[str], tell: Callable[[str], None]) -> None:
    if not names:
        return
    words = " ".join(names)
    by_hand = f"apt-get install -y --no-install-recommends {words}"
    if os.geteuid() != 0:
        raise EngineMissing(f"this machine has no {words}", hint=f"sudo {by_hand}")
    if shutil.which("apt-get") is None:
        raise EngineMissing(
            f"this machine has no {words}, and no apt-get to install it",
            hint="install a Docker engine and a static busybox with your system's own tools",
        )
    tell(f"installing Debian's {words} …")
    for step in (["update"], ["install", "-y", "--no-install-recommends", *names]):
        done = subprocess.run(
            ["apt-get", "-q", *step],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Unavailable(
                f"apt-get {step[0]} failed: {done.stderr.strip()[-500:]}", hint=f"try: {by_hand}"
            )
