"""`tink os build`: the operating system that machines boot into memory."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioner.cli import printing
from provisioner.os_image.contents import KERNELS

MEMORY_MB = 1_024  # what a machine needs to boot it and to run actions of some size


@click.group("os")
def os_() -> None:
    """The in-memory operating system."""


@os_.command
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Where it is written; what stood there is replaced when all is done.",
)
@click.option(
    "--kernel",
    type=click.Choice(list(KERNELS)),
    default="generic",
    show_default=True,
    help="generic: drivers of real machines; cloud: virtual machines only, smaller.",
)
@click.option("--firmware", is_flag=True, help="With non-free firmware for network cards.")
@click.option("--suite", default="bookworm", show_default=True, help="Debian's release.")
@click.option(
    "--mirror",
    default="",
    metavar="URL",
    help="Where its packages come from.  [default: Debian's servers, with security updates]",
)
def build(*, out: Path, kernel: str, firmware: bool, suite: str, mirror: str) -> None:
    """Build it from Debian packages: kernel, initramfs, root file system, manifest.

    Needs mmdebstrap and squashfs-tools; root, or a kernel that allows user namespaces.
    """
    from provisioner.os_image import build as builder

    recipe = builder.Recipe(kernel=kernel, has_firmware=firmware, suite=suite, mirror=mirror)
    made = builder.build(out.absolute(), recipe, printing.note)
    for name, file in made.files.items():
        click.echo(f"{name:<14} {file.size_bytes / 1_000_000:6.1f} MB  sha256 {file.sha256}")
    click.echo(f"kernel {made.kernel_version}; a machine needs {MEMORY_MB} MB of memory")
    if sys.stderr.isatty():
        printing.note(f"Hint: tink serve --os {out}")
