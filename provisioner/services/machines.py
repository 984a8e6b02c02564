"""Machines as people see them: one shape for `GET /v1/machines` and `tink machine list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.errors import Ambiguous, NotFound
from provisioner.model import ids, times
from provisioner.model.hardware import Hardware
from provisioner.model.ids import HardwareId, MacAddress
from provisioner.model.views import DesiredState, Snapshot
from provisioner.planning import boot_decision, machine_standing
from provisioner.planning.boot_decision import Boot
from provisioner.planning.render_workflow import find_hardware
from provisioner.services.sightings import Contact, Sighting, Sightings

_ASKING = (Contact.DHCP, Contact.BOOT)


def all_machines(
    snapshot: Snapshot, *, idle: str, sightings: Sightings | None = None
) -> Iterator[Mapping[str, object]]:
    """Every machine of the desired branch, by host name, then those that only asked."""
    known = sorted(snapshot.desired.hardware.values(), key=lambda each: (each.host_name, each.id))
    for machine in known:
        yield describe(snapshot, machine, idle=idle, sightings=sightings)
    for name in sorted(sightings.names()) if sightings is not None else ():
        if ":" in name and MacAddress(name) not in snapshot.desired.hardware_by_mac:
            yield _unknown(name, sightings.of(name) if sightings is not None else {})


def one_machine(
    snapshot: Snapshot, name: str, *, idle: str, sightings: Sightings | None = None
) -> Mapping[str, object]:
    """By id, MAC, IP address or host name; raises `NotFound`."""
    machine = find(snapshot.desired, name)
    return describe(snapshot, machine, idle=idle, sightings=sightings)


def find(desired: DesiredState, name: str) -> Hardware:
    """Find a machine by id, the beginning of one, MAC, IP address, agentID or host name.

    Raises `NotFound`, and `UserError` for what may mean several machines.
    """
    found = desired.hardware.get(HardwareId(name.lower())) or find_hardware(name, desired)
    if found is not None:
        return found
    several = [each for each in desired.hardware.values() if name in (each.host_name, each.name)]
    if not several and ids.is_beginning(name):
        several = [each for each in desired.hardware.values() if each.id.startswith(name.lower())]
    if len(several) > 1:
        shown = sorted(each.macs[0] if each.macs else each.id for each in several)
        raise Ambiguous(f"{len(several)} machines are called {name!r}", shown)
    if not several:
        raise NotFound("machine", name, hint="tink machine list shows the machines")
    return several[0]


def describe(
    snapshot: Snapshot, machine: Hardware, *, idle: str, sightings: Sightings | None = None
) -> Mapping[str, object]:
    """What a machine is, what it would boot and why, how far it is, when it was heard of.

    Times are RFC 3339, UTC; `last_contact` is empty where no server observes.
    """
    seen = sightings.of(machine.id, *machine.macs) if sightings is not None else {}
    newest = max(seen.items(), key=lambda each: each[1].at, default=None)
    mac = machine.macs[0] if machine.macs else None
    decision = boot_decision.decide(snapshot, mac, idle=idle) if mac else None
    is_asking = newest is not None and newest[0] in _ASKING and newest[1].detail != "ignored"
    standing = machine_standing.standing_of(
        snapshot,
        machine.id,
        is_seen=bool(seen),
        is_booting=is_asking and decision is not None and decision.boot is not Boot.IGNORE,
    )
    return {
        "id": machine.id,
        "hostname": machine.host_name,
        "mac": mac or "",
        "ip": machine.ips[0] if machine.ips else "",
        "state": standing.state.value,
        "boot": decision.boot.value if decision else "ignore",
        "reason": decision.reason if decision else "it has no MAC address",
        "workflow": standing.workflow or "",
        "last_contact": _time(newest[1]) if newest else "",
        "contacts": _contacts(seen),
        "path": machine.source.path,
    }


def _unknown(mac: str, seen: Mapping[Contact, Sighting]) -> Mapping[str, object]:
    newest = max(seen.values(), key=lambda each: each.at, default=None)
    return {
        "id": "",
        "hostname": "",
        "mac": mac,
        "ip": "",
        "state": "unknown",
        "boot": "ignore",
        "reason": "no hardware document has this MAC",
        "workflow": "",
        "last_contact": _time(newest) if newest else "",
        "contacts": _contacts(seen),
        "path": "",
    }


def _contacts(seen: Mapping[Contact, Sighting]) -> dict[str, object]:
    return {
        each.value: {"at": _time(sighting), "detail": sighting.detail}
        for each, sighting in sorted(seen.items(), key=lambda pair: pair[0].value)
    }


def _time(sighting: Sighting) -> str:
    return times.to_the_second(sighting.at)
