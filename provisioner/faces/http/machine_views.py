"""Machines as people see them."""

from __future__ import annotations

from provisioner.faces.http.answers import Call, Kind, Outcome, Route, Work, json_answer, json_lines
from provisioner.services import machines
from provisioner.services.provisioner import Provisioner
from provisioner.services.sightings import Sightings


def list_machines(server: Provisioner, call: Call) -> Outcome:
    """One JSON object a line; those that nobody knows but who asked come last."""
    snapshot = server.snapshots.current
    idle, sightings = _observed(server)
    return Work(
        kind=Kind.LIST,
        run=lambda is_wanted: json_lines(
            machines.all_machines(snapshot, idle=idle, sightings=sightings), is_wanted
        ),
    )


def get_machine(server: Provisioner, call: Call) -> Outcome:
    """By id, MAC, IP address or host name."""
    idle, sightings = _observed(server)
    found = machines.one_machine(
        server.snapshots.current, call.path["machine"], idle=idle, sightings=sightings
    )
    return json_answer(found)


def _observed(server: Provisioner) -> tuple[str, Sightings | None]:
    """The setting and the sightings; a process that only reads has neither."""
    if server.booting is None:
        return "ignore", None
    return server.booting.settings.idle, server.booting.sightings


ROUTES = (
    Route(method="GET", rule="/v1/machines", view=list_machines),
    Route(method="GET", rule="/v1/machines/<machine>", view=get_machine),
)
