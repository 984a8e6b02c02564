"""A network of virtual machines: a namespace with a bridge, and QEMU without KVM.

Nothing in it reaches the network of the machine that runs the tests.  It needs root.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ADDRESS, NETMASK = "10.77.0.1", "255.255.255.0"
BRIDGE = "br0"


class Lab:
    """The network; use it in a `with` statement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"lab{os.getpid()}-{time.monotonic_ns() % 100_000}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._segments: list[str] = []

    def __enter__(self) -> Lab:
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", BRIDGE, "type", "bridge")
        self.ip("link", "set", BRIDGE, "address", "02:00:00:00:77:01", "up")
        self.ip("address", "add", f"{ADDRESS}/24", "dev", BRIDGE)
        self.ip("address", "add", "fd77::1/64", "dev", BRIDGE, "nodad")
        return self

    def __exit__(self, *_: object) -> None:
        for each in reversed(self._processes):
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()
        # What outlives its parent on purpose: the dnsmasq of a server that was killed.
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        for pid in done.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        for name in (*self._segments, self.name):
            _ip("netns", "delete", name)

    def ip(self, *words: str) -> None:
        _ip("-n", self.name, *words)

    def inside(self, words: Sequence[str | Path], segment: str = "") -> list[str]:
        """The words that run a command in the network."""
        return ["ip", "netns", "exec", segment or self.name, *map(str, words)]

    def start(
        self, words: Sequence[str | Path], log: Path, *, segment: str = "", **options: object
    ) -> Process:
        """Start a process in the network; it ends with the lab."""
        with log.open("ab") as opened:
            process = subprocess.Popen(
                self.inside(words, segment),
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,  # type: ignore[call-overload]  # of Popen
            )
        self._processes.append(process)
        return Process(process, log)

    def machine(
        self,
        mac: str,
        *,
        disk: Path | None = None,
        memory_mb: int = 768,
        firmware: str = "bios",
        words: Sequence[str | Path] = (),
        seconds: int = 600,
    ) -> Process:
        """Switch a machine on.  It boots from the network first, then from its disk."""
        tap = f"tap{mac[-2:]}"
        if tap not in self._taps():
            self.ip("tuntap", "add", tap, "mode", "tap")
            self.ip("link", "set", tap, "master", BRIDGE, "up")
        network = f"virtio-net-pci,netdev=n0,mac={mac},bootindex=1"
        command: list[str | Path] = [
            *("timeout", "-k", "5", str(seconds)),
            *("qemu-system-x86_64", "-accel", "tcg", "-smp", "1", "-m", str(memory_mb)),
            *("-nodefaults", "-nographic", "-vga", "none", "-serial", "stdio"),
            *("-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no"),
            *("-device", "virtio-rng-pci"),
        ]
        if firmware == "efi":
            variables = self.folder / f"{mac[-2:]}.efivars"
            if not variables.exists():
                variables.write_bytes(Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes())
            code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
            command += ["-machine", "q35"]
            command += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
            command += ["-drive", f"if=pflash,format=raw,file={variables}"]
            command += ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"]
            network += ",romfile="
        command += ["-device", network]
        if disk is not None:
            command += ["-drive", f"if=none,id=d0,format=raw,file={disk}"]
            command += ["-device", "virtio-blk-pci,drive=d0,bootindex=2"]
        return self.start([*command, *words], self.folder / f"console-{mac[-2:]}.log")

    def add_segment(self, name: str) -> str:
        """A namespace on the same wire, whose interface is `eth0`; returns its name."""
        segment = f"{self.name}-{name}"
        _ip("netns", "add", segment)
        self._segments.append(segment)
        self.ip(
            "link", "add", f"w-{name}", "type", "veth", "peer", "name", "eth0", "netns", segment
        )
        self.ip("link", "set", f"w-{name}", "master", BRIDGE, "up")
        for link in ("lo", "eth0"):
            _ip("-n", segment, "link", "set", link, "up")
        until(lambda: "state forwarding" in self._link(f"w-{name}"), 10)
        return segment

    def _taps(self) -> str:
        return self._link()

    def _link(self, *names: str) -> str:
        words = ["ip", "-n", self.name, "-d", "-o", "link", "show", *names]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


class Process:
    """A process of the lab, and what it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._begin = 0

    @property
    def text(self) -> str:
        """What it wrote, without a console's control characters."""
        text = self._log.read_bytes().decode("utf-8", "replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Cut its power."""
        if self.is_running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> int:
        os.killpg(self._process.pid, signal.SIGTERM)
        return self._process.wait(30)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait until a pattern stands in what it wrote; thrice as long as it may take alone."""

        def look() -> re.Match[str] | None:
            return re.search(pattern, self.text)

        try:
            return until(look, 3 * seconds, while_=lambda: self.is_running)
        except AssertionError as late:
            end = self.text[-3_000:]
            raise AssertionError(f"{pattern!r} did not appear in {seconds} s:\n{end}") from late


def until(
    look: Callable[[], T | None], seconds: float, *, while_: Callable[[], bool] = lambda: True
) -> T:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while True:
        goes_on = while_()
        found = look()
        if found:
            return found
        if not goes_on or time.monotonic() > end:
            raise AssertionError(f"nothing was seen in {seconds} s")
        time.sleep(0.1)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
