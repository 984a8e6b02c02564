"""What `tink os build` writes beside the three files: what they are, and their sums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.errors import UserError

NAME = "manifest.json"
FORMAT_VERSION = 1
KERNEL, INITRAMFS, ROOT = "vmlinuz", "initramfs", "root.squashfs"
_CHUNK_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`kernel` is "cloud" or "generic"; `packages` maps Debian packages to versions."""

    kernel: str
    kernel_version: str
    arch: str
    suite: str
    has_firmware: bool
    files: Mapping[str, File]
    packages: Mapping[str, str]


def encode(manifest: Manifest) -> str:
    raw = {"format_version": FORMAT_VERSION, **asdict(manifest)}
    return json.dumps(raw, indent=2, sort_keys=True) + "\n"


def read(folder: Path) -> Manifest:
    """Read a folder's manifest; raises `UserError` when it is none of ours."""
    path = folder / NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.pop("format_version") != FORMAT_VERSION:
            raise ValueError("it has another format_version")
        raw["files"] = {name: File(**each) for name, each in raw["files"].items()}
        manifest = Manifest(**raw)
        if not {KERNEL, INITRAMFS, ROOT} <= manifest.files.keys():
            raise ValueError("a file is missing in it")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} is no manifest of an in-memory OS: {error}",
            hint=f"build one: tink os build --out {folder}",
        ) from error
    return manifest


def checked(folder: Path) -> Manifest:
    """As `read`, when each file has the size that its manifest says."""
    manifest = read(folder)
    for name, file in manifest.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            raise UserError(f"{folder / name}: {error.strerror}") from error
        if size != file.size_bytes:
            raise UserError(
                f"{folder / name} has {size} bytes, its manifest says {file.size_bytes}",
                hint=f"build it again: tink os build --out {folder}",
            )
    return manifest


def file_of(path: Path) -> File:
    """Size and sum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            digest.update(chunk)
    return File(size_bytes=path.stat().st_size, sha256=digest.hexdigest())
