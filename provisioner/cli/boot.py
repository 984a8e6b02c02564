"""`tink boot`: what a machine would boot, and what an existing DHCP server needs to know."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import click

from provisioner.cli import boot_options, options, printing, site
from provisioner.config import BootSettings
from provisioner.errors import UserError
from provisioner.faces.boot import dnsmasq, other_dhcp, reservations, script
from provisioner.faces.boot.dnsmasq import DnsmasqSettings
from provisioner.model import ids
from provisioner.model.ids import MacAddress
from provisioner.model.views import Snapshot
from provisioner.planning.boot_decision import Boot, Client
from provisioner.services import machines
from provisioner.services.booting import Booting
from provisioner.services.sightings import Sightings

_EXAMPLE_URL = "http://SERVER:42114"


@click.group
@options.site()
def boot() -> None:
    """Booting from the network: decisions, scripts, DHCP configuration."""


@boot.command
@click.argument("name", metavar="MACHINE")
@click.option("--firmware", type=click.Choice(["bios", "efi"]), help="As this firmware would ask.")
@click.option("--arch", default="", metavar="ARCH", help="As this architecture would ask.")
@boot_options.add
@options.site()
def show(*, name: str, firmware: str | None, arch: str, **given: Any) -> None:
    """Print what a machine (MAC, IP, id or host name) would boot, why, and the script."""
    settings = boot_options.settings(**given)
    client = Client(firmware=firmware or "", arch=arch)
    with site.snapshot(options.where()) as snapshot:
        booting = Booting(settings, lambda: snapshot, Sightings(lambda: 0.0))
        mac = _mac_of(snapshot, name)
        decision = booting.decide(mac, client)
    click.echo(f"# {mac}: {decision.boot.value}, because {decision.reason}")
    image = booting.image() if decision.boot is Boot.MEMORY else None
    found = script.settings_of(settings, image, settings.url or _EXAMPLE_URL)
    text = script.script_of(decision, mac, client, found)
    if text is not None:
        printing.print_text(text)


@boot.command
@click.argument("kind", type=click.Choice(["dnsmasq", "kea", "isc"]))
@boot_options.add
@options.site()
def config(*, kind: str, **given: Any) -> None:
    """Print what an existing DHCP server needs to know of all machines.

    It is a copy of this moment: print it again after a change.  --boot-url says where this
    server is.
    """
    settings = boot_options.settings(**given)
    if not settings.url:
        raise UserError(
            "where do machines reach the server?", hint="--boot-url http://192.168.1.1:42114"
        )
    with site.snapshot(options.where()) as snapshot:
        booting = Booting(settings, lambda: snapshot, Sightings(lambda: 0.0))
        known = sorted(snapshot.desired.hardware.values(), key=lambda each: each.id)
        found = list(reservations.of_machines(known, booting.decide))
        networks = reservations.networks(snapshot.desired, None)
    about = _dnsmasq_settings(settings)
    if kind == "kea":
        text = other_dhcp.kea_text(about, networks, found)
    elif kind == "isc":
        text = other_dhcp.isc_text(about, networks, found)
    else:
        text = dnsmasq.settings_text(about, networks, None)
        text += "".join(f"dhcp-host={line}\n" for line in dnsmasq.hosts_text(found).splitlines())
        options_lines = dnsmasq.options_text(found).splitlines()
        text += "".join(f"dhcp-option={line}\n" for line in options_lines)
    click.echo(text, nl=False)


def _mac_of(snapshot: Snapshot, name: str) -> MacAddress:
    """A MAC address as it is written, of a machine that nobody knows too."""
    try:
        return ids.parse_mac(name)
    except ids.InvalidId:
        macs = machines.find(snapshot.desired, name).macs
    if not macs:
        raise UserError(f"machine {name} has no MAC address")
    return macs[0]


def _dnsmasq_settings(settings: BootSettings) -> DnsmasqSettings:
    host = urlsplit(settings.url).hostname or ""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise UserError(
            f"{settings.url!r} has no IPv4 address, and TFTP needs one",
            hint="--boot-url http://192.168.1.1:42114",
        ) from None
    return DnsmasqSettings(
        interface="",
        address=host,
        server=settings.url,
        ipxe_folder=settings.ipxe_folder,
        is_proxy=settings.dhcp_mode == "proxy",
    )
