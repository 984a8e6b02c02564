"""What machines that boot from the network load: scripts, kernels, file systems.

All of it is plain HTTP without a secret: neither a boot loader nor a firmware trusts a CA of
ours.
"""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import NotFound, UserError
from provisioner.faces.boot import script
from provisioner.faces.http import file_parts
from provisioner.faces.http.answers import Answer, Call, Outcome, Route
from provisioner.faces.http.errors import error_answer
from provisioner.faces.http.source import address_of, server_url
from provisioner.model import ids
from provisioner.model.ids import InvalidId
from provisioner.os_image import manifest
from provisioner.planning.boot_decision import Boot, Client
from provisioner.services.booting import Booting
from provisioner.services.provisioner import Provisioner

_NOTHING_TO_BOOT = error_answer(404, "not-found", "nothing to boot")
_FIRMWARES = {"pcbios": "bios", "bios": "bios", "efi": "efi"}
IPXE_FILES = frozenset(
    {"undionly.kpxe", "ipxe.pxe", "ipxe.efi", "snponly.efi", "ipxe-arm64.efi", "snponly-arm64.efi"}
)


def auto_script(server: Provisioner, call: Call) -> Outcome:
    """The iPXE script of a machine; the same 404 for unknown machines and ignored ones."""
    booting = _booting(server)
    try:
        mac = ids.parse_mac(call.path.get("mac") or call.query.get("mac", ""))
    except InvalidId:
        return _NOTHING_TO_BOOT
    client = Client(
        firmware=_FIRMWARES.get(call.query.get("firmware", ""), ""),
        arch=call.query.get("arch", "")[:20],
    )
    decision = booting.ask(mac, client, address_of(call, booting.settings.proxies))
    if decision.boot is Boot.IGNORE:
        return _NOTHING_TO_BOOT
    image = booting.image() if decision.boot is Boot.MEMORY else None
    settings = script.settings_of(booting.settings, image, server_url(booting, call))
    text = script.script_of(decision, mac, client, settings)
    assert text is not None
    return Answer(
        body=text.encode("utf-8", "replace"),
        content_type=script.CONTENT_TYPE,
        headers=(("Cache-Control", "no-store"),),
    )


def os_file(server: Provisioner, call: Call) -> Outcome:
    """A file of the in-memory OS, named by its manifest; ranges and ETag are understood."""
    booting = _booting(server)
    image, folder = booting.image(), booting.settings.os_folder
    name = call.path["name"]
    if image is None or folder is None or name not in (*image.files, manifest.NAME):
        raise NotFound("file", name)
    etag = image.files[name].sha256 if name in image.files else ""
    return file_parts.answer(folder / name, call.headers, etag=etag)


def ipxe_file(server: Provisioner, call: Call) -> Outcome:
    """An iPXE program, for UEFI firmware that boots over HTTP."""
    name = call.path["name"]
    if name not in IPXE_FILES:
        raise NotFound("file", name)
    return file_parts.answer(_booting(server).settings.ipxe_folder / Path(name), call.headers)


def _booting(server: Provisioner) -> Booting:
    if server.booting is None:
        raise UserError("this process boots no machines")
    return server.booting


ROUTES = (
    Route(method="GET", rule="/boot/<mac>/auto.ipxe", view=auto_script),
    Route(method="GET", rule="/boot/auto.ipxe", view=auto_script),
    Route(method="GET", rule="/auto.ipxe", view=auto_script),
    Route(method="GET", rule="/os/<name>", view=os_file),
    Route(method="GET", rule="/ipxe/<name>", view=ipxe_file),
)
