"""The options of `tink serve` and `tink boot` that say what machines boot."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from provisioner.config import BootSettings
from provisioner.errors import UserError
from provisioner.faces.boot import kernel_line
from provisioner.model import ids

_DEFAULTS = BootSettings()
_OPTIONS = (
    click.option(
        "--os",
        "os_folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        metavar="DIR",
        envvar="TINK_OS",
        help="The in-memory OS that machines boot: what `tink os build` wrote.",
    ),
    click.option(
        "--osie-url",
        default="",
        metavar="URL",
        envvar="TINK_OSIE_URL",
        help="Boot another in-memory OS (HookOS, OSIE): where its files are.",
    ),
    click.option(
        "--osie-kernel",
        default=_DEFAULTS.osie_kernel,
        metavar="NAME",
        show_default=True,
        help="Its kernel, below --osie-url.",
    ),
    click.option(
        "--osie-initrd",
        default=_DEFAULTS.osie_initrd,
        metavar="NAME",
        show_default=True,
        help="Its initrd, below --osie-url.",
    ),
    click.option(
        "--grpc-authority",
        default="",
        metavar="HOST:PORT",
        help="Where the agent of such an OS asks.  [default: port 42113 of this server]",
    ),
    click.option(
        "--kernel-arguments",
        default="",
        metavar="WORDS",
        envvar="TINK_KERNEL_ARGUMENTS",
        help="Added to the kernel line of in-memory systems: console=ttyS0 …",
    ),
    click.option(
        "--idle",
        type=click.Choice(["ignore", "memory"]),
        default=_DEFAULTS.idle,
        show_default=True,
        envvar="TINK_IDLE",
        help="What a known machine does that never had a workflow; netboot.idle goes first.",
    ),
    click.option(
        "--boot-url",
        "url",
        default="",
        metavar="URL",
        envvar="TINK_BOOT_URL",
        help="This server as machines reach it.  [default: the address that each one used]",
    ),
    click.option(
        "--ipxe",
        "ipxe_folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        default=_DEFAULTS.ipxe_folder,
        show_default=True,
        help="Where the iPXE programs are.",
    ),
    click.option(
        "--dhcp",
        "dhcp_interface",
        default="",
        metavar="INTERFACE",
        envvar="TINK_DHCP",
        help="Run dnsmasq for DHCP and TFTP on this network interface.",
    ),
    click.option(
        "--dhcp-mode",
        type=click.Choice(["reservation", "proxy"]),
        default=_DEFAULTS.dhcp_mode,
        show_default=True,
        help="Give machines their addresses, or only say what to boot beside another server.",
    ),
    click.option(
        "--trust-proxy",
        "proxies",
        multiple=True,
        metavar="ADDRESS",
        help="Believe X-Forwarded-For of this address; may be repeated.",
    ),
    click.option(
        "--metadata-hours",
        type=click.FloatRange(min=0),
        default=_DEFAULTS.metadata_seconds / 3600,
        show_default=True,
        help="How long an installed system that does not phone home may read its user data.",
    ),
)


def add(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with all of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings(
    *, kernel_arguments: str, metadata_hours: float, proxies: Iterable[str], **rest: Any
) -> BootSettings:
    """Make the settings; raises `UserError` for what no machine could use."""
    for name, option in _WRITTEN.items():
        rest[name] = rest[name].rstrip("/")
        if rest[name] and not kernel_line.is_harmless(rest[name].replace("{arch}", "")):
            raise UserError(f"{option}: {rest[name]!r} can't stand in a boot script")
    for name in ("url", "osie_url"):
        if rest[name] and not rest[name].startswith(("http://", "https://")):
            raise UserError(f"{_WRITTEN[name]} is {rest[name]!r}", hint="http://192.168.1.1:42114")
    return BootSettings(
        kernel_arguments=_words(kernel_arguments),
        metadata_seconds=metadata_hours * 3600,
        proxies=tuple(map(_proxy, proxies)),
        **rest,
    )


def _words(kernel_arguments: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(kernel_arguments))
    except ValueError as error:
        raise UserError(f"--kernel-arguments: {error}") from error
    for word in words:
        if not kernel_line.is_harmless(word):
            raise UserError(f"--kernel-arguments: {word!r} can't stand in a boot script")
    return words


def _proxy(text: str) -> str:
    try:
        return ids.parse_ip(text)
    except ids.InvalidId as error:
        raise UserError(f"--trust-proxy: {error.message}", hint=error.hint) from error


# Written into boot scripts and kernel lines.
_WRITTEN = {
    "url": "--boot-url",
    "osie_url": "--osie-url",
    "osie_kernel": "--osie-kernel",
    "osie_initrd": "--osie-initrd",
    "grpc_authority": "--grpc-authority",
}
