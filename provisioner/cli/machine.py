"""`tink machine`: what each machine is doing, what it would boot, and why."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import click

from provisioner.cli import options, printing, site, table
from provisioner.cli.options import Shape
from provisioner.cli.printing import Listed
from provisioner.errors import TinkError, Unavailable, UserError
from provisioner.services import machines

_SERVER_SECONDS = 10.0
_ANSWER_BYTES = 134_217_728  # 200,000 machines
_ERROR_BYTES = 65_536
_FIELDS = frozenset(
    {"id", "hostname", "mac", "ip", "state", "boot", "reason", "workflow"}
    | {"last_contact", "contacts"}
)
Machine = Mapping[str, Any]

_server = click.option(
    "--server",
    metavar="URL",
    envvar="TINK_SERVER",
    help="Ask a running server, which also knows when each machine was heard of.",
)
_idle = click.option(
    "--idle",
    type=click.Choice(["ignore", "memory"]),
    default="ignore",
    show_default=True,
    envvar="TINK_IDLE",
    help="As the server's --idle; not with --server.",
)


@click.group
@options.site()
def machine() -> None:
    """Machines at work: state, boot decision and its reason, last contact."""


@machine.command("list")
@_server
@_idle
@options.site()
@options.listing
def list_machines(*, server: str | None, idle: str, shape: Shape) -> None:
    """List the machines, those that only asked and nobody knows at the end."""
    if server is not None:
        found = _asked(server, "/v1/machines")
    else:
        with site.snapshot(options.where()) as snapshot:
            found = list(machines.all_machines(snapshot, idle=idle))
    printing.print_list(_LISTED, found, shape)


@machine.command
@click.argument("name", metavar="MACHINE")
@_server
@_idle
@options.site()
@options.output("table")
def show(*, name: str, server: str | None, idle: str, form: str) -> None:
    """Show one machine, by id, MAC, IP address or host name."""
    if server is not None:
        answered = _asked(server, f"/v1/machines/{quote(name, safe='')}")
        if len(answered) != 1:
            raise Unavailable(f"what answers at {server} is no tink serve")
        found = answered[0]
    else:
        with site.snapshot(options.where()) as snapshot:
            found = machines.one_machine(snapshot, name, idle=idle)
    if form != "table":
        printing.print_data(dict(found), form)
        return
    rows = [[name, value] for name, value in found.items() if name != "contacts"]
    rows += [
        [f"contact: {kind}", f"{each['at']} {each['detail']}".strip()]
        for kind, each in found["contacts"].items()
    ]
    click.echo(table.draw(table.columns("FIELD NAME", "VALUE"), rows), nl=False)


def _asked(server: str, path: str) -> list[Machine]:
    if not server.startswith(("http://", "https://")):
        raise UserError(f"--server is {server!r}", hint="http://192.168.1.1:42114")
    try:
        with urllib.request.urlopen(server.rstrip("/") + path, timeout=_SERVER_SECONDS) as answer:
            return _machines(answer.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        raise _refusal(server, error) from error
    except OSError as error:
        raise Unavailable(
            f"{server} does not answer", hint="is tink serve running there?"
        ) from error
    except (HTTPException, ValueError) as error:
        raise Unavailable(f"what answers at {server} is no tink serve") from error


def _machines(content: bytes) -> list[Machine]:
    """One JSON object a line; raises `ValueError` for anything else."""
    found = [json.loads(line) for line in content.splitlines() if line]
    for each in found:
        if not (isinstance(each, dict) and each.keys() >= _FIELDS):
            raise ValueError("not a machine")
        contacts = each["contacts"]
        if not (isinstance(contacts, dict) and all(map(_is_contact, contacts.values()))):
            raise ValueError("no contacts")
    return found


def _is_contact(value: object) -> bool:
    return isinstance(value, dict) and value.keys() >= {"at", "detail"}


def _refusal(server: str, error: urllib.error.HTTPError) -> TinkError:
    """In the server's own words, where they are those of ours: which names are meant."""
    try:
        said = json.loads(error.read(_ERROR_BYTES))["error"]
        message, hint = table.plain(said["message"]), table.plain(said["hint"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return Unavailable(f"{server} answers {error.code}")
    if error.code in (400, 404):
        return UserError(message, hint=hint)
    return Unavailable(f"{server} answers {error.code}: {message}", hint=hint)


def _rows(each: Machine) -> Iterator[list[object]]:
    yield [each["hostname"], each["mac"], each["ip"], each["state"], each["boot"]]


def _wide_rows(each: Machine) -> Iterator[list[object]]:
    (row,) = _rows(each)
    yield [*row, each["reason"], each["workflow"], each["last_contact"], each["id"]]


_TITLES = ("HOSTNAME", "MAC ADDRESS", "IP ADDRESS", "STATE", "BOOT")
_LISTED: Listed[Machine] = Listed(
    columns=table.columns(*_TITLES),
    rows=_rows,
    wide_columns=table.columns(*_TITLES, "REASON", "WORKFLOW", "LAST CONTACT", "ID"),
    wide_rows=_wide_rows,
    ids=lambda each: [each["id"] or each["mac"]],
    data=dict,
    classic_data=dict,
)
