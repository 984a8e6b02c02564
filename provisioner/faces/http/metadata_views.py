"""Metadata: what a machine may read of itself, and how its installed system says that it runs.

The machine is known by its source address.  Only one with a workflow under way, or with an
installed system, is answered; all others get the same 404.  User data and vendor data, which may
hold secrets, are empty once the installed system phoned home, or after a day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from provisioner.documents import metadata_view
from provisioner.errors import UserError
from provisioner.faces.http.answers import Answer, Call, Later, Outcome, Route, json_answer
from provisioner.faces.http.errors import error_answer
from provisioner.faces.http.source import address_of
from provisioner.model import ids
from provisioner.model.boot_history import Install
from provisioner.model.hardware import Hardware
from provisioner.model.ids import HardwareId, InvalidId, IpAddress
from provisioner.model.set_aside import Damaged
from provisioner.model.views import Receipt
from provisioner.planning import machine_standing
from provisioner.planning.machine_standing import Standing
from provisioner.services.provisioner import Provisioner
from provisioner.services.sightings import Contact

TEXT = "text/plain; charset=utf-8"
PHONE_HOME_LIMIT_BYTES = 65_536  # cloud-init sends its host keys
_NOTHING = error_answer(404, "not-found", "not found")


class _Asking:
    """The machine behind a request, and whether it may read."""

    def __init__(self, server: Provisioner, call: Call) -> None:
        booting = server.booting
        if booting is None:
            raise UserError("this process serves no metadata")
        self._settings = booting.settings
        self._snapshot = server.snapshots.current
        self.address = address_of(call, booting.settings.proxies)
        self.machine = self._machine()
        self.standing: Standing | None = None
        self.document: Hardware | None = None
        if self.machine is not None:
            self.standing = machine_standing.standing_of(self._snapshot, self.machine)
            self.document = self._snapshot.desired.hardware.get(self.machine)
            booting.sightings.note(self.machine, Contact.METADATA, call.method)

    def _machine(self) -> HardwareId | None:
        if not self.address:
            return None
        owner = self._snapshot.desired.hardware_by_ip.get(IpAddress(self.address))
        live = self._snapshot.status.live_addresses.get(self.address) or ()
        return owner or next(iter(live), None)

    @property
    def readable(self) -> Hardware | None:
        """Its document, when it may read it."""
        standing = self.standing
        if standing is None or not (standing.is_at_work or standing.is_installed):
            return None
        return self.document

    @property
    def may_read_user_data(self) -> bool:
        standing = self.standing
        if standing is None:
            return False
        if standing.is_at_work or standing.install is None:
            return True
        return not self._has_come_up(standing.install)

    def _has_come_up(self, install: Install) -> bool:
        try:
            context = self._snapshot.status.workflows[install.workflow].context
        except Damaged:
            return True
        if self.machine in context.phoned_home:
            return True
        installed = datetime.fromisoformat(install.at).timestamp()
        return time.time() > installed + self._settings.metadata_seconds


def ec2_root(server: Provisioner, call: Call) -> Outcome:
    return _text(server, call, lambda _: "meta-data/\nuser-data")


def ec2_meta_data(server: Provisioner, call: Call) -> Outcome:
    """A leaf, or the names below a folder, with or without a slash at the end."""
    path = call.path.get("path", "")
    return _text(server, call, lambda each: metadata_view.find(metadata_view.meta_data(each), path))


def user_data(server: Provisioner, call: Call) -> Outcome:
    return _secret_text(server, call, metadata_view.user_data)


def hegel(server: Provisioner, call: Call) -> Outcome:
    """The machine's document, as Hegel serves it; without user data once that is over."""
    asking = _Asking(server, call)
    machine = asking.readable
    if machine is None:
        return _NOTHING
    document = dict(machine.document)
    metadata = document.get("metadata")
    if not asking.may_read_user_data and isinstance(metadata, dict):
        document["metadata"] = _without_user_data(metadata)
    return json_answer(document)


def nocloud(server: Provisioner, call: Call) -> Outcome:
    """cloud-init's NoCloud files, of the machine that asks and no other."""
    asking = _Asking(server, call)
    machine = asking.readable
    try:
        is_own = machine is not None and ids.parse_mac(call.path["mac"]) in machine.macs
    except InvalidId:
        is_own = False
    if machine is None or not is_own:
        return _NOTHING
    match call.path["name"]:
        case "meta-data":
            text = metadata_view.nocloud_meta_data(machine)
        case "network-config":
            text = metadata_view.network_config(machine)
        case "user-data":
            text = metadata_view.user_data(machine) if asking.may_read_user_data else ""
        case "vendor-data":
            text = metadata_view.vendor_data(machine) if asking.may_read_user_data else ""
        case _:
            return _NOTHING
    return _plain(text)


def phone_home(server: Provisioner, call: Call) -> Outcome:
    """The installed system runs: noted as an event of the workflow that installed it.

    Repeating it changes nothing; of a machine that installed nothing it is only heard.
    """
    asking = _Asking(server, call)
    if asking.machine is None or asking.standing is None:
        return _NOTHING
    install = asking.standing.install
    if install is None or not asking.standing.is_installed:
        return _plain("")
    future = server.reports.phone_home(install.workflow, asking.machine)

    def finish(receipt: Receipt) -> Answer:
        return _plain("")

    return Later(future=future, finish=finish)


def _text(server: Provisioner, call: Call, text_of: Callable[[Hardware], str | None]) -> Outcome:
    machine = _Asking(server, call).readable
    text = text_of(machine) if machine is not None else None
    return _NOTHING if text is None else _plain(text)


def _secret_text(server: Provisioner, call: Call, text_of: Callable[[Hardware], str]) -> Outcome:
    asking = _Asking(server, call)
    machine = asking.readable
    if machine is None:
        return _NOTHING
    return _plain(text_of(machine) if asking.may_read_user_data else "")


def _plain(text: str) -> Answer:
    return Answer(body=text.encode("utf-8", "replace"), content_type=TEXT)


def _without_user_data(metadata: dict[str, object]) -> dict[str, object]:
    told = {name: each for name, each in metadata.items() if name not in ("userdata", "vendordata")}
    instance = told.get("instance")
    if isinstance(instance, dict):
        told["instance"] = {name: each for name, each in instance.items() if name != "userdata"}
    return told


ROUTES = (
    Route(method="GET", rule="/2009-04-04", view=ec2_root),
    Route(method="GET", rule="/2009-04-04/", view=ec2_root),
    Route(method="GET", rule="/2009-04-04/meta-data", view=ec2_meta_data),
    Route(method="GET", rule="/2009-04-04/meta-data/", view=ec2_meta_data),
    Route(method="GET", rule="/2009-04-04/meta-data/<path:path>", view=ec2_meta_data),
    Route(method="GET", rule="/2009-04-04/user-data", view=user_data),
    Route(method="GET", rule="/metadata", view=hegel),
    Route(method="GET", rule="/nocloud/<mac>/<name>", view=nocloud),
    Route(method="POST", rule="/phone-home", view=phone_home, body_limit=PHONE_HOME_LIMIT_BYTES),
    Route(method="PUT", rule="/phone-home", view=phone_home, body_limit=PHONE_HOME_LIMIT_BYTES),
)
