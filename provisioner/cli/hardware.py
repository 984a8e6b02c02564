"""`tink hardware`: the machines of the desired branch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import click

from provisioner.cli import (
    commit,
    hardware_views,
    options,
    printing,
    proposal,
    reading,
    table,
    watching,
)
from provisioner.cli.options import Shape
from provisioner.cli.site import Site
from provisioner.documents import encode
from provisioner.documents.layout import FOLDER_OF, Kind
from provisioner.errors import NotFound, UserError
from provisioner.model import ids as model_ids
from provisioner.model.hardware import Hardware, Interface
from provisioner.model.ids import HardwareId
from provisioner.model.views import DesiredState
from provisioner.services import machines as finder
from provisioner.store.desired.reading import DesiredStore

NOTHING_GIVEN = "either pipe the data or provide the required '--file' flag"


@click.group
@options.site()
def hardware() -> None:
    """Machines: what identifies each one, and its metadata."""


@hardware.command
@click.option(
    "--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@options.site()
def push(*, path: Path | None) -> None:
    """Add a machine, or change the one with that id; JSON or YAML, from a pipe or --file."""
    text, name = reading.piped_or_file(path, nothing_given=NOTHING_GIVEN)
    with Site.opened(options.where()) as site:
        site.check_writable()
        machine = _decoded(text, name)
        desired = site.desired()
        known = desired.hardware.get(machine.id)
        target = known.source.path if known else _new_path(desired, machine)
        commit.check_sole(desired, target)
        content = encode.encode_hardware(machine.document, path=target).encode()
        proposal.check(desired, {target: content})
        what = "Change" if known else "Add"
        commit.write(site, {target: content}, f"{what} hardware {_called(machine)}")
    printing.note(f"{datetime.now():%Y/%m/%d %H:%M:%S} Hardware data pushed successfully")


@hardware.command
@click.argument("ids", nargs=-1, metavar="[ID]...")
@options.site()
@options.listing
def get(*, ids: tuple[str, ...], shape: Shape) -> None:
    """List these machines, by id or name; without an ID, all."""
    with Site.opened(options.where()) as site:
        desired = site.desired()
        known = [finder.find(desired, text) for text in ids]
        printing.print_list(hardware_views.LISTED, known if ids else _all(desired), shape)


@hardware.command("list")
@options.site()
@options.listing
def list_hardware(*, shape: Shape) -> None:
    """List the machines, a row per network interface."""
    with Site.opened(options.where()) as site:
        printing.print_list(hardware_views.LISTED, _all(site.desired()), shape)


@hardware.command("id")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
@options.output("line", default="line")
def by_id(*, ids: tuple[str, ...], form: str) -> None:
    """Print each machine's document, on one line."""
    with Site.opened(options.where()) as site:
        desired = site.desired()
        _print_documents([finder.find(desired, text) for text in ids], form)


@hardware.command("mac")
@click.argument("macs", nargs=-1, required=True, metavar="MAC...")
@click.option("-d", "--details", is_flag=True, help="The machine's whole document.")
@options.site()
@options.output("table")
def by_mac(*, macs: tuple[str, ...], details: bool, form: str) -> None:
    """Find machines by MAC address, in any spelling."""
    wanted = [model_ids.parse_mac(mac) for mac in macs]
    with Site.opened(options.where()) as site:
        desired = site.desired()
        found = [_named(desired, desired.hardware_by_mac.get(mac), "MAC", mac) for mac in wanted]
    _print_matches(found, wanted, lambda interface: interface.mac, form="line" if details else form)


@hardware.command("ip")
@click.argument("addresses", nargs=-1, required=True, metavar="IP...")
@click.option("-d", "--details", is_flag=True, help="The machine's whole document.")
@options.site()
@options.output("table")
def by_ip(*, addresses: tuple[str, ...], details: bool, form: str) -> None:
    """Find machines by IP address."""
    wanted = [model_ids.parse_ip(address) for address in addresses]
    with Site.opened(options.where()) as site:
        desired = site.desired()
        found = [_named(desired, desired.hardware_by_ip.get(ip), "IP", ip) for ip in wanted]
    _print_matches(found, wanted, lambda interface: interface.ip, form="line" if details else form)


@hardware.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
def watch(*, ids: tuple[str, ...]) -> None:
    """Print each machine's document whenever it changes, on one line, until interrupted."""
    from provisioner.services import desired_loader  # with all that reads documents: 0.2 s

    with Site.opened(options.where()) as site:
        desired = site.desired()
        known = {machine.id: machine for machine in (finder.find(desired, text) for text in ids)}
        store = DesiredStore(site.repo, site.branch)
        for commit_id in watching.commits(site, lambda: site.desired_commit):
            desired = desired_loader.follow(store, desired, commit_id).state
            for machine_id, before in tuple(known.items()):
                now = desired.hardware.get(machine_id)
                if now is not None and now.document != before.document:
                    known[machine_id] = now
                    _print_documents([now], "line")
                    sys.stdout.flush()


@hardware.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
def delete(*, ids: tuple[str, ...]) -> None:
    """Delete machines; workflows that exist keep running on them."""
    with Site.opened(options.where()) as site:
        site.check_writable()
        desired = site.desired()
        found = {id_text: _find(desired, id_text) for id_text in ids}
        paths = {id_text: machine.source.path for id_text, machine in found.items() if machine}
        called = [_called(machine) for machine in found.values() if machine]
        commit.delete(site, desired, ids, paths=paths, what=f"hardware {', '.join(called)}")


def _all(desired: DesiredState) -> list[Hardware]:
    return sorted(desired.hardware.values(), key=lambda machine: machine.source.path)


def _find(desired: DesiredState, text: str) -> Hardware | None:
    """None where there is none; an ambiguous name is an error."""
    try:
        return finder.find(desired, text)
    except NotFound:
        return None


def _named(desired: DesiredState, found: HardwareId | None, kind: str, address: str) -> Hardware:
    machine = desired.hardware.get(found) if found else None
    if machine is None:
        raise NotFound("hardware", address, hint=f"no machine has that {kind} address")
    return machine


def _print_matches(
    machines: Iterable[Hardware],
    wanted: Iterable[str],
    address: Callable[[Interface], str | None],
    *,
    form: str,
) -> None:
    if form != "table":
        _print_documents(list(machines), form)
        return
    for machine, text in zip(machines, wanted, strict=True):
        interface = next(
            interface for interface in machine.interfaces if address(interface) == text
        )
        rows = hardware_views.interface_rows(machine, interface)
        click.echo(table.draw(hardware_views.ONE_COLUMNS, rows), nl=False)


def _print_documents(machines: list[Hardware], form: str) -> None:
    if form == "line":
        for machine in machines:
            click.echo(hardware_views.one_line(machine))
    else:
        shown = [hardware_views.data(machine) for machine in machines]
        printing.print_data(printing.one_or_all(shown), form)


def _decoded(text: bytes, name: str) -> Hardware:
    """Read what is pushed, with classic tink's words where it has some."""
    decoded = reading.decode(Kind.HARDWARE, text, name)
    if len(decoded.hardware) != 1:
        raise UserError(
            f"{name} holds {len(decoded.hardware)} machines; push takes one",
            hint=f"for many: tink import {name}",
        )
    return decoded.hardware[0]


def _called(machine: Hardware) -> str:
    names = (machine.name, *(interface.hostname for interface in machine.interfaces), machine.id)
    return next(name for name in names if name)


def _new_path(desired: DesiredState, machine: Hardware) -> str:
    name = commit.file_name(_called(machine), machine.id)
    return commit.free_path(desired, f"{FOLDER_OF[Kind.HARDWARE]}/{name}.yaml", machine.id[:8])
