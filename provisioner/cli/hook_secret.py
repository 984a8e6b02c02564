"""Where a forge may tell of pushes, and the secret that it signs with: out of a file."""

from __future__ import annotations

from pathlib import Path

from provisioner.config import HookSettings
from provisioner.errors import UserError

SHORTEST_BYTES = 16  # a signature with a word as its secret is guessed at home, in seconds
_LONGEST_BYTES = 4_096
_HINT = "openssl rand -hex 32 > FILE; chmod 600 FILE"


def settings(address: tuple[str, int] | None, file: Path | None) -> HookSettings | None:
    """The settings of the listener; None where there is to be none."""
    if address is None and file is None:
        return None
    if address is None:
        raise UserError("--hook-secret-file needs --hook-listen", hint="--hook-listen HOST:PORT")
    if file is None:
        raise UserError("--hook-listen needs a secret: --hook-secret-file FILE", hint=_HINT)
    return HookSettings(host=address[0], port=address[1], secret=_read(file))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{file} can't be read: {error.strerror}", hint=_HINT) from error
    secret = text.strip()
    if not SHORTEST_BYTES <= len(secret) <= _LONGEST_BYTES:
        raise UserError(f"{file} holds no secret of {SHORTEST_BYTES} bytes or more", hint=_HINT)
    return secret
