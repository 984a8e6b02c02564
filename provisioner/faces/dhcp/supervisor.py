"""Starts dnsmasq, tells it what changes, starts it again when it dies, stops it at the end.

dnsmasq goes on when the server is killed, so that machines keep their leases; the next server
finds it by its pid file and replaces it.
"""

from __future__ import annotations

import getpass
import ipaddress
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from provisioner.errors import Unavailable
from provisioner.faces.boot import dnsmasq, reservations
from provisioner.faces.boot.dnsmasq import DnsmasqSettings, Files
from provisioner.faces.boot.reservations import Reservation
from provisioner.faces.dhcp import network_card
from provisioner.faces.dhcp.events import Events
from provisioner.model.ids import HardwareId
from provisioner.model.views import Snapshot
from provisioner.services.booting import Booting

LOOK_SECONDS = 0.25  # between two looks for changes; a longer look is followed by a longer pause
START_SECONDS = 1.0  # in which a dnsmasq that can't start ends
STOP_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0  # between two starts
_PACKAGE_HINT = "sudo apt-get install --no-install-recommends dnsmasq-base"
_CAPABILITIES = "CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"

_LOG = logging.getLogger(__name__)


class Dhcp:
    """Runs from the moment it is made until `close`."""

    def __init__(
        self, booting: Booting, snapshot: Callable[[], Snapshot], folder: Path, *, server_port: int
    ) -> None:
        """`folder` takes dnsmasq's files.

        Raises `UserError` or `Unavailable` when dnsmasq can't be started as things are.
        """
        program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")
        if program is None:
            raise Unavailable("dnsmasq is not installed, and --dhcp needs it", hint=_PACKAGE_HINT)
        self._program = program
        self._booting = booting
        self._snapshot = snapshot
        self._card = network_card.read(booting.settings.dhcp_interface)
        self._server_port = server_port
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "dnsmasq.conf"
        self._files = Files(
            hosts=folder / "dnsmasq.hosts",
            options=folder / "dnsmasq.options",
            leases=folder / "dnsmasq.leases",
            pid=folder / "dnsmasq.pid",
        )
        self._events = Events(booting.sightings, self._name_of)
        self._known = _Known(booting)
        self._networks: tuple[ipaddress.IPv4Network, ...] = ()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._closing = threading.Event()
        self._end_leftover()
        self._follow(snapshot())
        self._start()
        self._check_started()
        self._thread = threading.Thread(target=self._run, name="dhcp")
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._stop()

    def _run(self) -> None:
        pause, due = 1.0, 0.0
        seen: Snapshot | None = None
        while True:
            begun = time.monotonic()
            snapshot = self._snapshot()
            try:
                if snapshot is not seen and self._follow(snapshot):
                    self._tell()
                seen = snapshot
                if self._process is not None and self._process.poll() is not None:
                    _LOG.error("dnsmasq ended: %s", self._events.last_error or "it says not why")
                    self._process, due = None, begun + pause
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                if self._process is None and begun >= due:
                    self._start()
                elif self._process is not None and begun > due + 60:
                    pause = 1.0
            except OSError as error:
                _LOG.error("dnsmasq's files can't be written: %s", error.strerror)
            took = time.monotonic() - begun
            if self._closing.wait(max(LOOK_SECONDS, 10 * took)):
                return

    def _follow(self, snapshot: Snapshot) -> bool:
        """Write what changed; True when dnsmasq has to be told."""
        if not self._known.take(snapshot):
            return False
        found = self._known.reservations()
        _write(self._files.hosts, dnsmasq.hosts_text(found))
        _write(self._files.options, dnsmasq.options_text(found))
        networks = reservations.networks(snapshot.desired, self._card.address.network)
        if networks != self._networks:
            self._networks = networks
            _write(self._config, dnsmasq.settings_text(self._settings(), networks, self._files))
            if self._process is not None:
                _LOG.info("dnsmasq is started again, for other networks")
                self._stop()
                self._start()
                return False
        return True

    def _settings(self) -> DnsmasqSettings:
        settings = self._booting.settings
        address = str(self._card.address.ip)
        return DnsmasqSettings(
            interface=self._card.name,
            address=address,
            server=settings.url or f"http://{address}:{self._server_port}",
            ipxe_folder=settings.ipxe_folder,
            is_proxy=settings.dhcp_mode == "proxy",
            has_ipv6=self._card.has_ipv6,
            user=getpass.getuser(),
        )

    def _tell(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, f"--conf-file={self._config}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # a person's Ctrl-C is for the server
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._events.read, args=(self._process.stderr,), name="dhcp-log", daemon=True
        )
        self._reader.start()
        _LOG.info("dnsmasq answers on %s", self._card.name)

    def _check_started(self) -> None:
        assert self._process is not None and self._reader is not None
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            return
        self._reader.join(START_SECONDS)
        said = self._events.last_error
        hint = ""
        if "in use" in said:
            hint = f"another DHCP server has the port: ss -lunp 'sport = :67', or {_MODES}"
        elif "ermission" in said or "perm" in said:
            hint = f"run as root, or give the service {_CAPABILITIES}"
        raise Unavailable(f"dnsmasq can't start: {said or 'it says not why'}", hint=hint)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _end_leftover(self) -> None:
        """End the dnsmasq of a server that was killed; only one that runs by our settings."""
        with suppress(OSError, ValueError):
            pid = int(self._files.pid.read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if f"--conf-file={self._config}".encode() not in words:
                return
            _LOG.info("dnsmasq of an earlier server (process %d) is replaced", pid)
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_SECONDS
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)

    def _name_of(self, mac: str) -> bool:
        return self._known.has(mac)


_MODES = "--dhcp-mode proxy"


class _Known:
    """The reservations, brought along with the snapshot: only what changed is decided again."""

    def __init__(self, booting: Booting) -> None:
        self._booting = booting
        self._inputs: dict[HardwareId, tuple[object, ...]] = {}
        self._found: dict[HardwareId, tuple[Reservation, ...]] = {}
        self._macs: frozenset[str] = frozenset()
        self._is_first = True

    def take(self, snapshot: Snapshot) -> bool:
        """Look at a newer snapshot; True when a reservation came, went or changed."""
        status, hardware = snapshot.status, snapshot.desired.hardware
        is_changed = self._is_first
        self._is_first = False
        for gone in self._inputs.keys() - hardware.keys():
            del self._inputs[gone]
            is_changed = bool(self._found.pop(gone)) or is_changed
        for identity, machine in hardware.items():
            queue = status.queues.get(identity)
            head = status.workflows.get(queue[0]) if queue else None
            inputs = (machine, queue, head, status.machines.get(identity))
            known = self._inputs.get(identity)
            if known is not None and all(map(_is_same, known, inputs)):
                continue
            self._inputs[identity] = inputs
            found = tuple(reservations.of_machines((machine,), self._booting.decide))
            if self._found.get(identity) != found:
                self._found[identity] = found
                is_changed = True
        if is_changed:
            self._macs = frozenset(each.mac for each in self.reservations())
        return is_changed

    def reservations(self) -> list[Reservation]:
        return [each for found in self._found.values() for each in found]

    def has(self, mac: str) -> bool:
        return mac in self._macs


def _is_same(one: object, other: object) -> bool:
    return one is other


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.write_text(text, encoding="ascii", errors="replace")
    temporary.replace(path)
