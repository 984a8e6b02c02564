"""What an error of the Docker engine means for an action.

Docker distinguishes classes of errors by their texts only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# In the order of their bits.
# fmt: off
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL",
    "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
    "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
# fmt: on
# Engines older than these capabilities refuse their names.
TOO_NEW_TO_NAME = frozenset({"PERFMON", "BPF", "CHECKPOINT_RESTORE"})

PRIVILEGED_UNAVAILABLE = "unable to apply caps"

_FINAL_PULL_ERRORS = (
    "not found",
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "access denied",
    "access to the resource is denied",
    "pull access denied",
    "manifest unknown",
    "invalid reference format",
    "repository name must be",
)


def is_final_pull_error(text: str) -> bool:
    """Would another try of this pull be useless?"""
    return any(words in text.lower() for words in _FINAL_PULL_ERRORS)


def missing_capabilities(status_file: Path = Path("/proc/self/status")) -> tuple[str, ...]:
    """The capabilities that this machine's processes can't have, read off our own."""
    bounding = -1
    for line in status_file.read_text().splitlines():
        if line.startswith("CapBnd:"):
            bounding = int(line.split()[1], 16)
    return tuple(name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1)


def privileged_unavailable(missing: Iterable[str]) -> str:
    names = ", ".join(f"CAP_{name}" for name in missing) or "some capabilities"
    return (
        f"privileged-unavailable: this machine lacks {names}; "
        "--allow-reduced-privileges runs actions without"
    )
