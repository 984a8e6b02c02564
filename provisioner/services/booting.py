"""Decides for machines that boot, and remembers who asked."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from provisioner.config import BootSettings
from provisioner.model.ids import MacAddress
from provisioner.model.views import Snapshot
from provisioner.os_image import manifest
from provisioner.os_image.manifest import Manifest
from provisioner.planning import boot_decision
from provisioner.planning.boot_decision import BootDecision, Client
from provisioner.services.sightings import Contact, Sightings

QUIET_SECONDS = 300.0  # between two lines of the log about one machine that says the same
_REMEMBERED = 4_096

_LOG = logging.getLogger(__name__)


class Booting:
    """Thread-safe."""

    def __init__(
        self,
        settings: BootSettings,
        snapshot: Callable[[], Snapshot],
        sightings: Sightings,
        *,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`count` is called with the word of each decision that a machine asked for."""
        self.settings = settings
        self.sightings = sightings
        self._snapshot = snapshot
        self._count = count
        self._lines = _Repeated()

    def decide(self, mac: MacAddress, client: Client | None = None) -> BootDecision:
        """What this machine would boot now; leaves no trace."""
        return boot_decision.decide(self._snapshot(), mac, client=client, idle=self.settings.idle)

    def ask(self, mac: MacAddress, client: Client, address: str) -> BootDecision:
        """A machine asks for its boot script, from this address."""
        decision = self.decide(mac, client)
        boot = decision.boot.value if decision.is_known else "unknown"
        self._count(boot)
        self.sightings.note(mac, Contact.BOOT, boot)
        if self._lines.is_new(mac, f"{boot} {decision.reason}"):
            _LOG.info("machine %s asks to boot: %s, because %s", mac, boot, decision.reason)
        interface = decision.interface
        expected = interface.ip if interface else None
        if expected and address != expected and self._lines.is_new(f"{mac} from", address):
            _LOG.warning(
                "the boot script of %s was asked for from %s; its document says %s",
                mac,
                address,
                expected,
            )
        return decision

    def image(self) -> Manifest | None:
        """What is in the folder of the in-memory OS now; None without one.

        Raises `UserError` when the folder holds no whole one.
        """
        folder = self.settings.os_folder
        if folder is None:
            return None
        try:
            changed = (folder / manifest.NAME).stat().st_mtime_ns
        except OSError:
            changed = 0
        return _read(folder, changed)


@lru_cache(maxsize=4)
def _read(folder: Path, changed: int) -> Manifest:
    return manifest.checked(folder)


class _Repeated:
    """Whether a line was logged lately: a machine that asks each second fills no log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def is_new(self, name: str, text: str) -> bool:
        now = time.monotonic()
        with self._lock:
            known, at = self._said.get(name, ("", 0.0))
            if known == text and now < at + QUIET_SECONDS:
                return False
            self._said[name] = (text, now)
            self._said.move_to_end(name)
            while len(self._said) > _REMEMBERED:
                self._said.popitem(last=False)
            return True
