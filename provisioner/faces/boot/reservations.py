"""What DHCP hands out to each machine: values from hardware documents, checked for any server.

Every text that leaves here consists of harmless characters, so that no document can add a line
or an option to a DHCP server's configuration.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from provisioner.documents.interface_reader import is_hostname
from provisioner.model.hardware import Hardware, Interface
from provisioner.model.ids import IpAddress, MacAddress
from provisioner.model.views import DesiredState
from provisioner.planning.boot_decision import Boot, BootDecision

DEFAULT_LEASE_SECONDS = 172_800  # as Boots; a document's lease_time of 0 or none means this

Decide = Callable[[MacAddress], BootDecision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One interface that has a MAC and an IPv4 address.  `boots`: it is told a boot file."""

    mac: MacAddress
    ip: IpAddress
    netmask: str
    hostname: str
    gateway: str
    name_servers: tuple[str, ...]
    time_servers: tuple[str, ...]
    domain_name: str
    routes: tuple[tuple[str, str], ...]
    vlan_id: str
    lease_seconds: int
    boots: bool


def of_machines(machines: Iterable[Hardware], decide: Decide) -> Iterator[Reservation]:
    """One for each interface with both addresses, in the order of the machines."""
    for machine in machines:
        for interface in machine.interfaces:
            if interface.mac and interface.ip and _is_v4(interface.ip):
                yield of_interface(interface, boots=boots(decide(interface.mac)))


def boots(decision: BootDecision) -> bool:
    """Whether DHCP names a boot file: also to a machine that goes on to its disk, whose
    firmware finds that out soonest by a script."""
    return decision.boot is not Boot.IGNORE


def of_interface(interface: Interface, *, boots: bool) -> Reservation:
    assert interface.mac is not None and interface.ip is not None
    return Reservation(
        mac=interface.mac,
        ip=interface.ip,
        netmask=interface.netmask if _is_v4(interface.netmask) else "",
        hostname=interface.hostname if is_hostname(interface.hostname) else "",
        gateway=interface.gateway if _is_v4(interface.gateway) else "",
        name_servers=tuple(filter(_is_v4, interface.name_servers)),
        time_servers=tuple(filter(_is_v4, interface.time_servers)),
        domain_name=interface.domain_name,
        routes=interface.routes,
        vlan_id=interface.vlan_id,
        lease_seconds=interface.lease_time_seconds or DEFAULT_LEASE_SECONDS,
        boots=boots,
    )


def networks(
    desired: DesiredState, default: ipaddress.IPv4Network | None
) -> tuple[ipaddress.IPv4Network, ...]:
    """The networks that machines have addresses in, and `default`; none within another."""
    found: set[ipaddress.IPv4Network | None] = {default}
    for machine in desired.hardware.values():
        for interface in machine.interfaces:
            if interface.ip and interface.mac and _is_v4(interface.ip):
                found.add(_network_of(interface, default))
    known = {each for each in found if each is not None}
    return tuple(sorted(each for each in known if known.isdisjoint(_around(each))))


def _around(network: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Network]:
    """The networks that contain it.  Neighbours stay apart: each has a broadcast address."""
    return (network.supernet(new_prefix=length) for length in range(network.prefixlen))


def _network_of(
    interface: Interface, default: ipaddress.IPv4Network | None
) -> ipaddress.IPv4Network | None:
    address = ipaddress.IPv4Address(str(interface.ip))
    if default is not None and address in default:
        return default
    if not interface.netmask:
        return None
    try:
        return ipaddress.IPv4Network(f"{address}/{interface.netmask}", strict=False)
    except ValueError:
        return None


def _is_v4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
