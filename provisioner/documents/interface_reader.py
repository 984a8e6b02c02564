"""Reads the network interfaces of a hardware document, and checks what gets into other files.

A value that is written into a boot script or a kernel line is refused unless it consists of
harmless characters.  One that only DHCP would hand out is left out with a warning, because the
rest of such a document works.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.documents.problems import Problems
from provisioner.documents.yaml_reader import Path, Place
from provisioner.model.hardware import Interface, Netboot
from provisioner.model.ids import InvalidId, IpAddress, MacAddress, parse_ip, parse_mac
from provisioner.model.problem import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class NetbootNames:
    """How an era spells the fields of `netboot`."""

    allow_pxe: str = "allow_pxe"
    allow_workflow: str = "allow_workflow"
    osie_base_url: str = "base_url"


_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@%&=+,\[\]-]+", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9._~/+@%=-]+", re.ASCII)
_HOSTNAME = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_HOSTNAME_LIMIT = 253  # characters


def read_interfaces(
    problems: Problems, base: Path, entries: Sequence[Any], *, names: NetbootNames
) -> tuple[Interface, ...]:
    """Read network interfaces; an address that stands twice in a document is a mistake."""
    interfaces: list[Interface] = []
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        where: Path = (*base, index)
        interface = _interface(problems, where, entry, names=names)
        dhcp: Path = (*where, "dhcp")
        for text, place in (
            (interface.mac, (*dhcp, "mac")),
            (interface.ip, (*dhcp, "ip", "address")),
        ):
            if text and text in seen:
                owner = f"interface {seen[text]} of this document"
                message = f"{text} is the address of {owner} already"
                problems.add(place, "hardware.duplicate", message)
            elif text:
                seen[text] = index
        interfaces.append(interface)
    return tuple(interfaces)


def _interface(problems: Problems, where: Path, entry: Any, *, names: NetbootNames) -> Interface:
    dhcp = entry.get("dhcp") or {}
    netboot = entry.get("netboot") or {}
    ip = dhcp.get("ip") or {}
    below: Path = (*where, "dhcp")
    checked = _Checked(problems, below)
    return Interface(
        mac=_mac(problems, (*below, "mac"), dhcp.get("mac") or ""),
        ip=_ip(problems, (*below, "ip", "address"), ip.get("address") or ""),
        netmask=checked.address(("ip", "netmask"), ip.get("netmask", "")),
        gateway=checked.address(("ip", "gateway"), ip.get("gateway", "")),
        hostname=checked.hostname(dhcp.get("hostname", "")),
        lease_time_seconds=int(dhcp.get("lease_time", 0)),  # 86400.0 is an integer
        name_servers=checked.servers("name_servers", dhcp.get("name_servers") or ()),
        time_servers=checked.servers("time_servers", dhcp.get("time_servers") or ()),
        arch=dhcp.get("arch", ""),
        uefi=dhcp.get("uefi", False),
        vlan_id=dhcp.get("vlan_id", ""),
        domain_name=checked.name(("domain_name",), dhcp.get("domain_name", "")),
        routes=checked.routes(dhcp.get("classless_static_routes") or ()),
        allow_pxe=netboot.get(names.allow_pxe),
        allow_workflow=netboot.get(names.allow_workflow),
        netboot=_netboot(problems, (*where, "netboot"), netboot, names=names),
    )


def _netboot(
    problems: Problems, where: Path, netboot: Mapping[str, Any], *, names: NetbootNames
) -> Netboot:
    ipxe, osie = netboot.get("ipxe") or {}, netboot.get("osie") or {}

    def url(group: Mapping[str, Any], path: Path, name: str) -> str:
        text: str = group.get(name) or ""
        if text and not _URL.fullmatch(text):
            hint = "http://… or https://… without spaces, quotes, semicolons and ${"
            if name == "url":
                hint += "; a script with variables goes into ipxe.contents"
            _refuse(problems, (*path, name), text, "a URL", hint)
        return text

    def file(name: str) -> str:
        text: str = osie.get(name) or ""
        if text and not _FILE.fullmatch(text):
            _refuse(problems, (*where, "osie", name), text, "a file name", "vmlinuz-x86_64")
        return text

    return Netboot(
        ipxe_url=url(ipxe, (*where, "ipxe"), "url"),
        ipxe_contents=ipxe.get("contents") or "",
        osie_base_url=url(osie, (*where, "osie"), names.osie_base_url),
        osie_kernel=file("kernel"),
        osie_initrd=file("initrd"),
        idle=netboot.get("idle") or "",
    )


def _refuse(problems: Problems, where: Path, text: str, noun: str, hint: str) -> None:
    message = f"expected {noun} that can stand in a boot script, found {text[:200]!r}"
    problems.add(where, "netboot.value", message, hint=hint)


class _Checked:
    """Values that DHCP hands out; one that no client could use is "", with a warning."""

    def __init__(self, problems: Problems, where: Path) -> None:
        self._problems = problems
        self._where = where

    def address(self, path: Path, text: str) -> str:
        return self._usable(path, text, _is_address, "an IP address")

    def name(self, path: Path, text: str) -> str:
        return self._usable(path, text, is_hostname, "a host name")

    def hostname(self, text: str) -> str:
        """As written, for it names the machine in lists too; who sends it asks `is_hostname`."""
        self.name(("hostname",), text)
        return text

    def servers(self, field: str, texts: Sequence[str]) -> tuple[str, ...]:
        """Name servers and time servers: addresses, or names as some clients take them."""
        found = [
            self._usable((field, at), text, _is_hostname_or_address, "an IP address")
            for at, text in enumerate(texts)
        ]
        return tuple(item for item in found if item)

    def routes(self, entries: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
        found = []
        for at, entry in enumerate(entries):
            where: Path = ("classless_static_routes", at)
            network = self._usable(
                (*where, "destination_descriptor"),
                entry["destination_descriptor"],
                _is_network,
                "an IPv4 network such as 10.0.0.0/8",
            )
            name = "router" if "router" in entry else "gateway"
            gateway = self.address((*where, name), entry.get(name, ""))
            if not gateway and not entry.get(name):
                self._warn(where, "expected the address of a router, found none")
            if network and gateway:
                found.append((network, gateway))
        return tuple(found)

    def _usable(self, path: Path, text: str, is_usable: Callable[[str], bool], noun: str) -> str:
        if not text or is_usable(text):
            return text
        self._warn(path, f"expected {noun}, found {text[:200]!r}")
        return ""

    def _warn(self, path: Path, text: str) -> None:
        self._problems.add(
            (*self._where, *path),
            "dhcp.value",
            f"{text}; DHCP will not hand it out",
            severity=Severity.WARNING,
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # the zone of an IPv6 address may hold anything


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def is_hostname(text: str) -> bool:
    """Whether DHCP can hand out this host name."""
    return len(text) <= _HOSTNAME_LIMIT and _HOSTNAME.fullmatch(text) is not None


def _is_hostname_or_address(text: str) -> bool:
    return is_hostname(text) or _is_address(text)


def places_of(problems: Problems, base: Path, interfaces: Sequence[Interface]) -> dict[str, Place]:
    """Return line and column of each address, by its one spelling."""
    places: dict[str, Place] = {}
    for index, interface in enumerate(interfaces):
        if interface.mac:
            places[interface.mac] = problems.place((*base, index, "dhcp", "mac"))
        if interface.ip:
            places[interface.ip] = problems.place((*base, index, "dhcp", "ip", "address"))
    return places


def with_macs(entries: Sequence[Any], interfaces: Sequence[Interface]) -> list[Any]:
    """Return the interfaces as written, the MACs in their one spelling."""
    return [
        {**entry, "dhcp": {**entry["dhcp"], "mac": interface.mac}} if interface.mac else entry
        for entry, interface in zip(entries, interfaces, strict=True)
    ]


def _mac(problems: Problems, where: Path, text: str) -> MacAddress | None:
    try:
        return parse_mac(text) if text else None
    except InvalidId as error:
        problems.invalid(where, "mac.format", error, text)
        return None


def _ip(problems: Problems, where: Path, text: str) -> IpAddress | None:
    try:
        return parse_ip(text) if text else None
    except InvalidId as error:
        problems.invalid(where, "ip.format", error, text)
        return None
