"""What dnsmasq's log says of machines: who asked, and what was answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from provisioner.services.sightings import Contact, Sightings

_ACK = re.compile(r"DHCPACK\([^)]*\) ([0-9.]+) ([0-9a-f:]{17})")
_IGNORED = re.compile(
    r"DHCP(?:DISCOVER|REQUEST)\([^)]*\) (?:[0-9.]+ )?([0-9a-f:]{17}) +(?:ignored|no address)"
)
_SENT = re.compile(r"sent (\S+) to ([0-9.]+)")
_FAILED = re.compile(r"dnsmasq: (.*(?:fail|cannot|bad |error|unknown|illegal).*)", re.IGNORECASE)
_REMEMBERED = 4_096  # unknown machines that were named in the log

_LOG = logging.getLogger(__name__)


class Events:
    """`take` gets each line of a log, in a thread for each dnsmasq."""

    def __init__(
        self,
        sightings: Sightings,
        is_known: Callable[[str], bool],
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`count` gets each answer: `address`, `boot_program` or `ignored`."""
        self._sightings = sightings
        self._count = count
        self._is_known = is_known
        self._unknown: set[str] = set()

    def take(self, line: str) -> None:
        if found := _ACK.search(line):
            address, mac = found.groups()
            self._count("address")
            self._sightings.note(mac, Contact.DHCP, address)
            _LOG.debug("DHCP gave %s to %s", address, mac)
        elif found := _IGNORED.search(line):
            self._ignored(found[1])
        elif found := _SENT.search(line):
            self._count("boot_program")
            _LOG.debug("TFTP sent %s to %s", *found.groups())
        elif found := _FAILED.search(line):
            _LOG.warning("dnsmasq: %s", found[1])

    def _ignored(self, mac: str) -> None:
        """Name an unknown machine once: it asks every few seconds."""
        self._count("ignored")
        self._sightings.note(mac, Contact.DHCP, "ignored")
        if self._is_known(mac) or mac in self._unknown:
            return
        if len(self._unknown) >= _REMEMBERED:
            self._unknown.clear()
        self._unknown.add(mac)
        _LOG.info("DHCP ignores %s: no hardware document has this MAC address", mac)
