"""Runs dnsmasq, for DHCP and for TFTP, with what the newest snapshot says of machines.

TFTP has a dnsmasq of its own, which is never replaced: a machine that loads its boot program is
not cut off by a commit.
"""

from __future__ import annotations

import getpass
import ipaddress
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from provisioner.errors import TinkError, Unavailable
from provisioner.faces.boot import dnsmasq, reservations
from provisioner.faces.boot.dnsmasq import DnsmasqSettings, Files
from provisioner.faces.boot.reservations import Reservation
from provisioner.faces.dhcp import network_card
from provisioner.faces.dhcp.events import Events
from provisioner.faces.dhcp.process import Service
from provisioner.model.ids import HardwareId
from provisioner.model.views import Snapshot
from provisioner.services.booting import Booting

LOOK_SECONDS = 0.25  # between two looks for changes …
SHARE = 5  # … and this many times what a look took of the processor
FIRST_SECONDS = 10.0  # in which a server usually has read the desired branch
_PACKAGE_HINT = "sudo apt-get install --no-install-recommends dnsmasq-base"

_LOG = logging.getLogger(__name__)


class Dhcp:
    """Runs from the moment it is made until `close`."""

    def __init__(
        self,
        booting: Booting,
        snapshot: Callable[[], Snapshot],
        folder: Path,
        *,
        server_port: int,
        count: Callable[[str], None],
    ) -> None:
        """`folder` takes dnsmasq's files; `count` gets each answer (see `Events`).

        Raises `UserError` or `Unavailable` when dnsmasq can't be started as things are.
        """
        program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")
        if program is None:
            raise Unavailable("dnsmasq is not installed, and --dhcp needs it", hint=_PACKAGE_HINT)
        self._booting = booting
        self._snapshot = snapshot
        self._card = network_card.read(booting.settings.dhcp_interface)
        self._server_port = server_port
        folder.mkdir(parents=True, exist_ok=True)
        self._hosts, self._options = folder / "dhcp.hosts", folder / "dhcp.options"
        self._leases = folder / "dhcp.leases"
        self._known = _Known(booting)
        self._networks: tuple[ipaddress.IPv4Network, ...] = ()
        events = Events(booting.sightings, self._known.has, count)
        self._dhcp = Service(
            "dhcp",
            program=program,
            folder=folder,
            settings=self._dhcp_settings,
            ready=f"read {self._options}",  # after the machines; before, it knows none
            read=events.take,
        )
        self._tftp = Service(
            "tftp",
            program=program,
            folder=folder,
            settings=self._tftp_settings,
            ready="started, version",
            read=events.take,
        )
        self._closing = threading.Event()
        self._tftp.start()
        self._has_started = False
        try:
            self._start(FIRST_SECONDS)
        except TinkError:
            self._tftp.stop()
            raise
        self._thread = threading.Thread(target=self._run, name="dhcp")
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        for service in (self._dhcp, self._tftp):
            service.stop()

    def _start(self, seconds: float) -> None:
        """Start DHCP as soon as the machines are known: one that is not is ignored."""
        end = time.monotonic() + seconds
        while self._snapshot().desired.commit is None:
            if time.monotonic() > end:
                return
            time.sleep(0.02)
        self._follow(self._snapshot())
        self._dhcp.start()
        self._has_started = True
        _LOG.info("dnsmasq answers on %s", self._card.name)

    def _run(self) -> None:
        seen: Snapshot | None = None
        while True:
            begun, used = time.monotonic(), time.thread_time()
            snapshot = self._snapshot()
            try:
                if not self._has_started:
                    self._start(0.0)
                elif snapshot is not seen and self._follow(snapshot):
                    self._dhcp.replace()
                seen = snapshot
                if self._has_started:
                    self._dhcp.look(begun)
                self._tftp.look(begun)
            except TinkError as error:
                _LOG.error("%s", error)
            except OSError as error:
                _LOG.error("dnsmasq's files can't be written: %s", error.strerror)
            if self._closing.wait(max(LOOK_SECONDS, SHARE * (time.thread_time() - used))):
                return

    def _follow(self, snapshot: Snapshot) -> bool:
        """Write what changed; True when dnsmasq has to be replaced."""
        if not self._known.take(snapshot):
            return False
        found = self._known.reservations()
        _write(self._hosts, dnsmasq.hosts_text(found))
        _write(self._options, dnsmasq.options_text(found))
        self._networks = reservations.networks(snapshot.desired, self._card.address.network)
        return True

    def _dhcp_settings(self, pid: Path) -> str:
        files = Files(hosts=self._hosts, options=self._options, leases=self._leases, pid=pid)
        return dnsmasq.settings_text(self._settings(), self._networks, files)

    def _tftp_settings(self, pid: Path) -> str:
        return dnsmasq.tftp_text(self._settings(), pid)

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
