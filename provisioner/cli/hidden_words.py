"""Takes a password off our own command line, which everybody can read (`ps`).

The process starts itself anew, with the repository's URL in its environment: only its owner reads
that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from provisioner.git import remote_url

_FLAG = "--repo"
_VARIABLE = "TINK_REPO"


def hide_password() -> None:
    """Replace this process by one that shows none, if the URL of `--repo` holds some."""
    words, url = without_password(sys.orig_argv)
    if url:
        os.environ[_VARIABLE] = url
        os.execv(sys.executable, [sys.executable, *words[1:]])


def without_password(words: Sequence[str]) -> tuple[list[str], str]:
    """The words without each `--repo` whose URL holds a password, and the last such URL."""
    kept: list[str] = []
    found = ""
    at = 0
    while at < len(words):
        flag, equals, value = words[at].partition("=")
        taken = 1
        if flag == _FLAG and not equals:
            value, taken = (words[at + 1], 2) if at + 1 < len(words) else ("", 1)
        if flag == _FLAG and remote_url.shown(value) != value:
            found = value
        else:
            kept += words[at : at + taken]
        at += taken
    return kept, found
