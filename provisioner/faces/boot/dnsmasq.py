"""dnsmasq's configuration, as text.

Three files: the settings, the machines, and their options.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.faces.boot import script
from provisioner.faces.boot.reservations import Reservation

# DHCP option 93, "client system architecture" (RFC 4578 and its IANA registry).
_BIOS = (0,)
_EFI_X86_64 = (7, 9)
_EFI_ARM64 = (11,)
_HTTP_X86_64 = (16,)
_HTTP_ARM64 = (19,)
PROGRAMS = {
    "bios": "undionly.kpxe",
    "efi64": "snponly.efi",
    "arm64": "snponly-arm64.efi",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where dnsmasq finds and keeps its files."""

    hosts: Path
    options: Path
    leases: Path
    pid: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqSettings:
    """`server` is the URL of the boot scripts, and `address` ours, on that interface.

    With `has_ipv6` machines hear of a router by IPv6 (without a default route): iPXE waits
    16 s for one otherwise.
    """

    interface: str
    address: str
    server: str
    ipxe_folder: Path
    is_proxy: bool = False
    has_ipv6: bool = False
    user: str = ""


def settings_text(
    settings: DnsmasqSettings, networks: Iterable[ipaddress.IPv4Network], files: Files | None
) -> str:
    """The settings; without `files` what an operator adds to a dnsmasq of their own."""
    lines = ["# Written by tink; see docs/boot.md"]
    if files is not None:
        lines += [
            *_process_lines(settings, files.pid),
            "log-dhcp",
            "no-ping",
            f"dhcp-leasefile={files.leases}",
            f"dhcp-hostsfile={files.hosts}",
            f"dhcp-optsfile={files.options}",
        ]
    if settings.is_proxy:
        # Firmware that gets an answer without a boot file waits, or shows an empty menu.
        lines += [f"dhcp-range={settings.address},proxy", "dhcp-ignore=tag:!boot"]
    else:
        lines += [
            *(["dhcp-authoritative"] if files is not None else []),
            "dhcp-ignore=tag:!known",
            *(f"dhcp-range={each.network_address},static,{each.netmask}" for each in networks),
        ]
        if settings.has_ipv6:
            lines += [
                "enable-ra",
                f"dhcp-range=::,constructor:{settings.interface},ra-only",
                f"ra-param={settings.interface},0,0",
            ]
    lines += _tftp_lines(settings) if files is None else []
    lines += [*_matches(), *_boots(settings)]
    return "\n".join(lines) + "\n"


def tftp_text(settings: DnsmasqSettings, pid: Path) -> str:
    """The settings of the dnsmasq that serves boot programs."""
    return "\n".join([*_process_lines(settings, pid), *_tftp_lines(settings)]) + "\n"


def _process_lines(settings: DnsmasqSettings, pid: Path) -> Sequence[str]:
    return [
        "port=0",
        "keep-in-foreground",
        "log-facility=-",
        f"interface={settings.interface}",
        "bind-dynamic",
        f"pid-file={pid}",
        *([f"user={settings.user}"] if settings.user else []),
    ]


def _tftp_lines(settings: DnsmasqSettings) -> Sequence[str]:
    return ["enable-tftp", f"tftp-root={settings.ipxe_folder}"]


def _matches() -> Sequence[str]:
    architectures = {
        "bios": _BIOS,
        "efi64": _EFI_X86_64,
        "arm64": _EFI_ARM64,
        "http-efi64": _HTTP_X86_64,
        "http-arm64": _HTTP_ARM64,
    }
    return [
        "dhcp-match=set:ipxe,175",
        *(
            f"dhcp-match=set:{tag},option:client-arch,{number}"
            for tag, numbers in architectures.items()
            for number in numbers
        ),
    ]


def _boots(settings: DnsmasqSettings) -> Sequence[str]:
    """The boot program for firmware, and the script for iPXE; nothing for who is ignored."""
    address = settings.address
    lines = [
        # No wait for a proxy's answer.
        "dhcp-option=tag:ipxe,encap:175,176,1b",
        f"dhcp-boot=tag:boot,tag:ipxe,{script.script_url(settings.server, '${mac}')}",
    ]
    for tag, program in PROGRAMS.items():
        lines.append(f"dhcp-boot=tag:boot,tag:!ipxe,tag:{tag},{program},,{address}")
    for tag in ("efi64", "arm64"):
        url = f"{settings.server}/ipxe/{PROGRAMS[tag]}"
        lines.append(f"dhcp-option-force=tag:boot,tag:!ipxe,tag:http-{tag},60,HTTPClient")
        lines.append(f"dhcp-boot=tag:boot,tag:!ipxe,tag:http-{tag},{url}")
    if settings.is_proxy:
        services = {"x86PC": "bios", "X86-64_EFI": "efi64", "BC_EFI": "efi64"}
        for service, tag in services.items():
            program = PROGRAMS[tag].removesuffix(".0")
            lines.append(f"pxe-service=tag:boot,tag:!ipxe,{service},tinkgit,{program},{address}")
    return lines


Options = tuple[tuple[str, str], ...]  # code and value, of those that have a value


def hosts_text(reservations: Sequence[Reservation]) -> str:
    """A line for each machine; its tag leads to its options."""
    tags = _tags(reservations)
    return "".join(
        ",".join(
            [
                each.mac,
                *([f"set:{tag}"] if (tag := tags.get(_options(each))) else []),
                *(["set:boot"] if each.boots else []),
                each.ip,
                *([each.hostname] if each.hostname else []),
                str(max(each.lease_seconds, 120)),  # dnsmasq's smallest
            ]
        )
        + "\n"
        for each in reservations
    )


def options_text(reservations: Sequence[Reservation]) -> str:
    """The options of all machines, once for those that have the same ones.

    dnsmasq looks at each line for each answer: with three lines for each of 10,000 machines it
    gave 531 answers a second.
    """
    return "".join(
        f"tag:{tag},{code},{text}\n"
        for options, tag in _tags(reservations).items()
        for code, text in options
    )


def _tags(reservations: Iterable[Reservation]) -> dict[Options, str]:
    found = dict.fromkeys(_options(each) for each in reservations)
    return {options: f"o{number}" for number, options in enumerate(filter(None, found), start=1)}


def _options(reservation: Reservation) -> Options:
    values = {
        "1": reservation.netmask,
        "3": reservation.gateway,
        "6": ",".join(reservation.name_servers),
        "42": ",".join(reservation.time_servers),
        "15": reservation.domain_name,
        "121": ",".join(f"{network},{gateway}" for network, gateway in _all_routes(reservation)),
        "132": f'"{reservation.vlan_id}"' if reservation.vlan_id else "",
    }
    return tuple((code, text) for code, text in values.items() if text)


def _all_routes(reservation: Reservation) -> Sequence[tuple[str, str]]:
    """With the default route, since a client that knows option 121 ignores the router."""
    if reservation.routes and reservation.gateway:
        return (*reservation.routes, ("0.0.0.0/0", reservation.gateway))
    return reservation.routes
