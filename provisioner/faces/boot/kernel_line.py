"""Kernel arguments of the in-memory operating systems.

A value that comes from a file is checked again here, although validation refused it before:
nothing but harmless characters gets into a script or a kernel line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from provisioner.model.hardware import Hardware
from provisioner.planning.boot_decision import BootDecision

_HARMLESS = re.compile(r"[A-Za-z0-9._~:/?#@%&=+,\[\]-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class InMemoryOs:
    """What `tink os build` made, as its manifest says: names and sha256 of its files."""

    kernel: str
    initramfs: str
    root: str
    root_sha256: str


def is_harmless(text: str) -> bool:
    """Whether a text can stand in a script and in a kernel line."""
    return _HARMLESS.fullmatch(text) is not None


def our_arguments(decision: BootDecision, mac: str, image: InMemoryOs, server: str) -> list[str]:
    """For the in-memory OS of `tink os build` (docs/boot.md lists them)."""
    interface = decision.interface
    return _arguments(
        {
            "tink_server": server,
            "tink_mac": mac,
            "tink_root": f"{server}/os/{image.root}",
            "tink_root_sha256": image.root_sha256,
            "tink_vlan": interface.vlan_id if interface else "",
        }
    )


def osie_arguments(
    decision: BootDecision, mac: str, server: str, *, grpc_authority: str
) -> list[str]:
    """For OSIE and HookOS: what both generations ask for; each ignores what it does not know."""
    metadata = _map(decision.hardware)
    instance, facility = _below(metadata, "instance"), _below(metadata, "facility")
    interface = decision.interface
    host = _host_of(server)
    return _arguments(
        {
            "packet_action": "workflow",
            "facility": _text(facility.get("facility_code")) or "onprem",
            "packet_base_url": f"{server}/workflow",
            "tinkerbell": server,
            "grpc_authority": grpc_authority or f"{host}:42113",
            "grpc_cert_url": f"{server}/cert",
            "tinkerbell_tls": "false",
            "syslog_host": host,
            "worker_id": mac,
            "hw_addr": mac,
            "instance_id": _text(instance.get("id")),
            "vlan_id": interface.vlan_id if interface else "",
        }
    )


def own_arguments(arguments: Iterable[str]) -> list[str]:
    """What the operator adds, word by word."""
    return [each for each in arguments if is_harmless(each)]


def _arguments(values: Mapping[str, str]) -> list[str]:
    """Leave out what is empty, and what a hardware document should not say."""
    return [f"{name}={value}" for name, value in values.items() if value and is_harmless(value)]


def _host_of(server: str) -> str:
    """In brackets where it is an IPv6 address, as a port may follow."""
    host = urlsplit(server).hostname or ""
    return f"[{host}]" if ":" in host else host


def _map(hardware: Hardware | None) -> Mapping[str, object]:
    return _below(hardware.document, "metadata") if hardware is not None else {}


def _below(value: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
