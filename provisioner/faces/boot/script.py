"""The iPXE script that a machine gets: a text, from a decision.

A script tries again until it works: a machine that was switched on while the server was not
there, or was cut off in mid-download, must not wait for a person.  It asks for the script anew
each time, for the decision may be another by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioner.config import BootSettings
from provisioner.errors import UserError
from provisioner.faces.boot import kernel_line
from provisioner.faces.boot.kernel_line import InMemoryOs
from provisioner.model.hardware import Netboot
from provisioner.os_image import manifest
from provisioner.os_image.manifest import Manifest
from provisioner.planning.boot_decision import ARCHITECTURES, Boot, BootDecision, Client

CONTENT_TYPE = "text/plain; charset=utf-8"
RETRY_SECONDS = 5
HEAD = "#!ipxe\n"
_UNSHOWN = re.compile(r"[^A-Za-z0-9._:/,()=-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Osie:
    """An in-memory OS of somebody else's: kernel and initrd are below `base_url`."""

    base_url: str
    kernel: str = "vmlinuz-{arch}"
    initrd: str = "initramfs-{arch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSettings:
    """`server` is the address that the machine reaches us by, such as http://10.0.0.1:42114.

    `image` is our own in-memory OS, `osie` another in its place; without both no machine can
    be booted into memory.  `arguments` are added to every kernel line.
    """

    server: str
    image: InMemoryOs | None = None
    osie: Osie | None = None
    grpc_authority: str = ""
    arguments: tuple[str, ...] = ()


def settings_of(settings: BootSettings, image: Manifest | None, server: str) -> ScriptSettings:
    """What the operator's settings, and the in-memory OS that is served, say of all scripts."""
    osie = Osie(
        base_url=settings.osie_url, kernel=settings.osie_kernel, initrd=settings.osie_initrd
    )
    return ScriptSettings(
        server=server,
        image=_named(image) if image is not None else None,
        osie=osie if settings.osie_url else None,
        grpc_authority=settings.grpc_authority,
        arguments=settings.kernel_arguments,
    )


def _named(image: Manifest) -> InMemoryOs:
    return InMemoryOs(
        kernel=manifest.KERNEL,
        initramfs=manifest.INITRAMFS,
        root=manifest.ROOT,
        root_sha256=image.files[manifest.ROOT].sha256,
    )


def script_of(
    decision: BootDecision, mac: str, client: Client, settings: ScriptSettings
) -> str | None:
    """Write the script, or None for a machine that is ignored.

    Raises `UserError` when a machine is to boot into memory and there is nothing to boot.
    """
    match decision.boot:
        case Boot.IGNORE:
            return None
        case Boot.DISK:
            return HEAD + _told(decision, mac) + _disk(client)
        case Boot.SCRIPT:
            return _custom(decision, mac, settings)
        case Boot.MEMORY:
            return _memory(decision, mac, client, settings)


def _disk(client: Client) -> str:
    """Under UEFI `exit` alone ends in the boot menu; a BIOS is told which disk."""
    bios, efi = "sanboot --no-describe --drive 0x80 || exit\n", "exit 1\n"
    if client.firmware == "bios":
        return bios
    if client.firmware == "efi":
        return efi
    return f"iseq ${{platform}} efi && exit 1 ||\n{bios}"


def _custom(decision: BootDecision, mac: str, settings: ScriptSettings) -> str:
    netboot = _netboot(decision)
    if netboot.ipxe_url:
        if not kernel_line.is_harmless(netboot.ipxe_url):
            raise UserError(f"{netboot.ipxe_url[:200]!r} can't stand in a boot script")
        attempt = f"chain --autofree {netboot.ipxe_url} || goto failed\n"
        return HEAD + _told(decision, mac) + attempt + _again(mac, settings)
    contents = netboot.ipxe_contents
    if contents.startswith("#!ipxe"):
        return contents
    return HEAD + contents


def _memory(decision: BootDecision, mac: str, client: Client, settings: ScriptSettings) -> str:
    netboot = _netboot(decision)
    osie = settings.osie
    if netboot.osie_base_url:
        osie = Osie(
            base_url=netboot.osie_base_url,
            **{
                name: value
                for name, value in (
                    ("kernel", netboot.osie_kernel),
                    ("initrd", netboot.osie_initrd),
                )
                if value
            },
        )
    if osie is not None:
        arch = ARCHITECTURES.get(client.arch, client.arch) or "x86_64"
        base = osie.base_url.rstrip("/")
        kernel = f"{base}/{osie.kernel.replace('{arch}', arch)}"
        initrd = f"{base}/{osie.initrd.replace('{arch}', arch)}"
        arguments = kernel_line.osie_arguments(
            decision, mac, settings.server, grpc_authority=settings.grpc_authority
        )
    elif settings.image is not None:
        image = settings.image
        kernel = f"{settings.server}/os/{image.kernel}"
        initrd = f"{settings.server}/os/{image.initramfs}"
        arguments = kernel_line.our_arguments(decision, mac, image, settings.server)
    else:
        raise UserError(
            "there is no in-memory OS to boot",
            hint="tink os build --out DIR, then tink serve --os DIR; or --osie-url URL",
        )
    for each in (kernel, initrd):
        if not kernel_line.is_harmless(each):
            raise UserError(f"{each[:200]!r} can't stand in a boot script")
    words = ["initrd=initramfs", *arguments, *kernel_line.own_arguments(settings.arguments)]
    return (
        HEAD
        + _told(decision, mac)
        + "imgfree\n"
        + f"kernel {kernel} {' '.join(words)} || goto failed\n"
        + f"initrd --name initramfs {initrd} || goto failed\n"
        + "boot || goto failed\n"
        + _again(mac, settings)
    )


def _again(mac: str, settings: ScriptSettings) -> str:
    return (
        ":failed\n"
        + f"echo tinkgit: that failed, trying again in {RETRY_SECONDS} seconds\n"
        + f"sleep {RETRY_SECONDS}\n"
        + f"chain --autofree --replace {script_url(settings.server, mac)} || goto failed\n"
    )


def script_url(server: str, mac: str) -> str:
    """Where iPXE loads a machine's script; it fills in firmware and architecture itself."""
    return f"{server}/boot/{mac}/auto.ipxe?firmware=${{platform}}&arch=${{buildarch}}"


def _told(decision: BootDecision, mac: str) -> str:
    """One line on the machine's console."""
    name = decision.interface.hostname if decision.interface else ""
    text = f"tinkgit: {mac} {name}: {decision.boot.value}, because {decision.reason}"
    return f"echo {_UNSHOWN.sub(' ', text)[:300]}\n"


def _netboot(decision: BootDecision) -> Netboot:
    return decision.interface.netboot if decision.interface is not None else Netboot()
