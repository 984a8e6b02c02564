"""What does a server need to be told?  Defaults suit a machine room of some thousand workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_HOST = "0.0.0.0"
DEFAULT_PORT = 42114  # classic tink-server's HTTP port
DEFAULT_READ_PORT = 42115
DEFAULT_HOOK_PORT = 42116
READ_PROCESSES_LIMIT = 64  # each holds a view of its own; more than cores gain nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSettings:
    """What machines that boot from the network get (docs/boot.md).

    `url` is the server's address as machines reach it; empty: the one that each of them used.
    `os_folder` is what `tink os build` wrote; `osie_url` names another in-memory OS instead.
    `idle` is what a machine does that never had a workflow: "memory" or "ignore".
    `proxies` are addresses whose `X-Forwarded-For` is believed.
    """

    url: str = ""
    os_folder: Path | None = None
    osie_url: str = ""
    osie_kernel: str = "vmlinuz-{arch}"
    osie_initrd: str = "initramfs-{arch}"
    grpc_authority: str = ""
    kernel_arguments: tuple[str, ...] = ()
    idle: str = "ignore"
    ipxe_folder: Path = Path("/usr/lib/ipxe")
    dhcp_interface: str = ""
    dhcp_mode: str = "reservation"
    proxies: tuple[str, ...] = ()
    metadata_seconds: float = 86_400.0  # of an installed system that did not phone home


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """Where a forge tells of pushes, and the secret that it signs with."""

    host: str
    port: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`repo` is a path or the URL of a remote, which is cloned into `clone_into`.

    `remote` names the one to keep up with; a clone of ours keeps up with `origin` in any case.
    `fetch_seconds` counts only with a remote; 0 leaves remotes alone.
    """

    repo: str
    clone_into: Path | None = None
    desired_branch: str = "main"
    status_branch: str = "status"
    remote: str | None = None
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    poll_seconds: float = 2.0
    fetch_seconds: float = 30.0
    grace_seconds: float = 120.0
    archive_after_days: float | None = None  # finished workflows stay in the tip
    writer: str = "tinkgit"
    boot: BootSettings = BootSettings()
    hooks: HookSettings | None = None  # nobody is told of pushes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """What a process needs that only reads; `repo` is a path, `reads_for` the writer's address."""

    repo: str
    desired_branch: str
    status_branch: str
    host: str
    port: int
    reads_for: str
    log_format: str = "plain"
