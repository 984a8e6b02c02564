"""What the kernel says of a network interface of this machine."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UserError

_GET_ADDRESS, _GET_NETMASK = 0x8915, 0x891B  # SIOCGIFADDR, SIOCGIFNETMASK of linux/sockios.h


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCard:
    """`has_ipv6`: it has an address that is not only valid on the link."""

    name: str
    address: ipaddress.IPv4Interface
    has_ipv6: bool


def read(name: str) -> NetworkCard:
    """Raises `UserError` for an interface that is not there or has no IPv4 address."""
    if not (Path("/sys/class/net") / name).exists() or "/" in name or len(name) > 15:
        raise UserError(f"there is no network interface {name!r}", hint="ip -brief link shows them")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            address, mask = (_ask(asking, code, name) for code in (_GET_ADDRESS, _GET_NETMASK))
        except OSError as error:
            raise UserError(
                f"network interface {name!r} has no IPv4 address",
                hint=f"ip address add 192.168.1.1/24 dev {name}",
            ) from error
    return NetworkCard(
        name=name,
        address=ipaddress.IPv4Interface(f"{address}/{mask}"),
        has_ipv6=_has_ipv6(name),
    )


def _ask(asking: socket.socket, code: int, name: str) -> str:
    request = struct.pack("256s", name.encode())
    return socket.inet_ntoa(fcntl.ioctl(asking.fileno(), code, request)[20:24])


def _has_ipv6(name: str) -> bool:
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    words = (line.split() for line in lines)
    return any(each[5] == name and not each[0].startswith("fe80") for each in words)
