"""One service of dnsmasq: its process is started again when it dies, and replaced without a gap.

A dnsmasq of version 2.90 that reads its machines again, at SIGHUP, frees memory that is not its
own and ends (docs/adr/0011).  So another one is started with the new files; dnsmasq lets several
share its ports, and the old one ends when the new one answers.  A dnsmasq goes on when the server
is killed, so that machines keep their leases; the next server finds it by its pid file.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from provisioner.errors import Unavailable

START_SECONDS = 5.0  # in which a dnsmasq says that it has started, or ends
STOP_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0  # between two starts
_CAPABILITIES = "CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"

_LOG = logging.getLogger(__name__)

Read = Callable[[str], None]


class _Process:
    """A process, and a thread that reads its log."""

    def __init__(self, words: list[str], ready: str, read: Read) -> None:
        self._ready = ready
        self._read = read
        self._has_spoken = threading.Event()  # it has started, or ended
        self.has_started = False
        self.last_words = ""
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a person's Ctrl-C is for the server
        )
        assert self._process.stderr is not None
        lines = self._process.stderr
        self._reader = threading.Thread(
            target=self._follow, args=(lines,), name="dhcp-log", daemon=True
        )
        self._reader.start()

    def _follow(self, lines: Iterable[str]) -> None:
        for line in lines:
            text = line.strip()
            if self._ready in text:
                self.has_started = True
                self._has_spoken.set()
            elif text.startswith("dnsmasq: "):
                self.last_words = text.removeprefix("dnsmasq: ")
            self._read(text)
        self._has_spoken.set()

    def wait_for_start(self) -> bool:
        self._has_spoken.wait(START_SECONDS)
        return self.has_started

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def why(self) -> str:
        """Why it ended."""
        self._reader.join(START_SECONDS)
        code = self._process.poll() or 0
        by_signal = f"by signal {-code}" if code < 0 else "it says not why"
        return self.last_words or by_signal

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Service:
    """Not thread-safe."""

    def __init__(
        self,
        name: str,
        *,
        program: str,
        folder: Path,
        settings: Callable[[Path], str],
        ready: str,
        read: Read,
    ) -> None:
        """`folder` takes its files; `settings` makes its configuration, given a pid file.

        `ready` stands in its log when it answers; `read` gets each line, in other threads.
        """
        self._name = name
        self._program = program
        self._settings = settings
        self._ready = ready
        self._read = read
        # Two pairs: the one that ends deletes its pid file.
        self._files = [(folder / f"{name}-{n}.conf", folder / f"{name}-{n}.pid") for n in (1, 2)]
        self._process: _Process | None = None
        self._pause, self._due = 1.0, 0.0

    def start(self) -> None:
        """Start the first one; raises `Unavailable` when it can't be started as things are."""
        for config, pid in self._files:
            self._end_leftover(config, pid)
        started = self._started()
        if not started.wait_for_start():
            started.stop()
            raise Unavailable(f"dnsmasq can't start: {started.why}", hint=_hint(started.why))
        self._process = started

    def replace(self) -> None:
        """Start another one with newer files, then end the old one; it stays if that fails."""
        if self._process is None:
            return  # `look` starts one
        new = self._started()
        if not new.wait_for_start():
            new.stop()
            _LOG.error("another dnsmasq for %s can't start: %s", self._name, new.why)
            self._files.reverse()
            return
        old, self._process = self._process, new
        old.stop()

    def look(self, now: float) -> None:
        """Start it again if it has ended, soon at first and then less often."""
        if self._process is not None and not self._process.is_running:
            _LOG.error("dnsmasq for %s ended: %s", self._name, self._process.why)
            self._process, self._due = None, now + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        if self._process is None and now >= self._due:
            self._process = self._started()
            _LOG.info("dnsmasq for %s is started again", self._name)
        elif self._process is not None and now > self._due + 60:
            self._pause = 1.0

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _started(self) -> _Process:
        self._files.reverse()
        config, pid = self._files[0]
        config.write_text(self._settings(pid), encoding="ascii", errors="replace")
        return _Process([self._program, f"--conf-file={config}"], self._ready, self._read)

    def _end_leftover(self, config: Path, pid_file: Path) -> None:
        """End the dnsmasq of a server that was killed; only one that runs by our settings."""
        with suppress(OSError, ValueError):
            pid = int(pid_file.read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if f"--conf-file={config}".encode() not in words:
                return
            _LOG.info("dnsmasq of an earlier server (process %d) is replaced", pid)
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_SECONDS
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)


def _hint(why: str) -> str:
    if "in use" in why:
        return (
            "another DHCP or TFTP server has the port: ss -lunp 'sport = :67 or sport = :69',"
            " or --dhcp-mode proxy"
        )
    if "ermission" in why or "perm" in why:
        return f"run as root, or give the service {_CAPABILITIES}"
    return ""
