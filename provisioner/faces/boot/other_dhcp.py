"""What an existing Kea or ISC DHCP server needs to be told: `tink boot config kea|isc`."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from typing import Any

from provisioner.faces.boot import script
from provisioner.faces.boot.dnsmasq import PROGRAMS, DnsmasqSettings
from provisioner.faces.boot.reservations import Reservation

Networks = Sequence[ipaddress.IPv4Network]


def kea_text(
    settings: DnsmasqSettings, networks: Networks, reservations: Iterable[Reservation]
) -> str:
    """A `Dhcp4` configuration: client classes, and a subnet with reservations each."""
    known = list(reservations)
    is_ipxe = "option[175].exists"
    classes: list[dict[str, Any]] = [
        {
            "name": "tink-ipxe",
            "test": is_ipxe,
            "boot-file-name": script.script_url(settings.server, "${mac}"),
        },
        *(
            {
                "name": f"tink-{tag}",
                "test": f"not {is_ipxe} and ({_any(numbers)})",
                "next-server": settings.address,
                "boot-file-name": PROGRAMS[tag],
            }
            for tag, numbers in (("bios", (0,)), ("efi64", (7, 9)), ("arm64", (11,)))
        ),
    ]
    subnets = [
        {
            "id": number,
            "subnet": str(network),
            "reservations": [
                _kea_reservation(each) for each in known if ipaddress.ip_address(each.ip) in network
            ],
        }
        for number, network in enumerate(networks, start=1)
    ]
    told = {"Dhcp4": {"client-classes": classes, "subnet4": subnets}}
    return json.dumps(told, indent=2) + "\n"


def _any(numbers: Iterable[int]) -> str:
    return " or ".join(f"option[93].hex == 0x{number:04x}" for number in numbers)


def _kea_reservation(each: Reservation) -> dict[str, Any]:
    options = {
        "routers": each.gateway,
        "domain-name-servers": ", ".join(each.name_servers),
        "ntp-servers": ", ".join(each.time_servers),
        "domain-name": each.domain_name,
    }
    told: dict[str, Any] = {"hw-address": each.mac, "ip-address": each.ip}
    if each.hostname:
        told["hostname"] = each.hostname
    data = [{"name": name, "data": text} for name, text in options.items() if text]
    if data:
        told["option-data"] = data
    if not each.boots:
        told["boot-file-name"] = ""
    return told


def isc_text(
    settings: DnsmasqSettings, networks: Networks, reservations: Iterable[Reservation]
) -> str:
    """Lines for dhcpd.conf."""
    url = script.script_url(settings.server, "${mac}")
    lines = [
        "option client-arch code 93 = unsigned integer 16;",
        "option ipxe-options code 175 = string;",
    ]
    lines += (f"subnet {each.network_address} netmask {each.netmask} {{ }}" for each in networks)
    for each in reservations:
        name = f"tink-{each.mac.replace(':', '')}"
        lines.append(f"host {name} {{")
        lines.append(f"  hardware ethernet {each.mac};")
        lines.append(f"  fixed-address {each.ip};")
        lines.append(f"  default-lease-time {each.lease_seconds};")
        values = {
            "host-name": f'"{each.hostname}"' if each.hostname else "",
            "subnet-mask": each.netmask,
            "routers": each.gateway,
            "domain-name-servers": ", ".join(each.name_servers),
            "ntp-servers": ", ".join(each.time_servers),
            "domain-name": f'"{each.domain_name}"' if each.domain_name else "",
        }
        lines += (f"  option {option} {text};" for option, text in values.items() if text)
        if each.boots:
            lines += [
                f"  next-server {settings.address};",
                f'  if exists ipxe-options {{ filename "{url}"; }}',
                f'  elsif option client-arch = 0 {{ filename "{PROGRAMS["bios"]}"; }}',
                f'  elsif option client-arch = 11 {{ filename "{PROGRAMS["arm64"]}"; }}',
                f'  else {{ filename "{PROGRAMS["efi64"]}"; }}',
            ]
        lines.append("}")
    return "\n".join(lines) + "\n"
