"""Following a repository from the command line: look, print what is new, wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from provisioner.cli.site import Site
from provisioner.errors import UserError
from provisioner.model.ids import CommitId

LOOK_SECONDS = 1.0


def commits(
    site: Site, tip: Callable[[], CommitId], *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[CommitId]:
    """Yield where a branch is, and again each time that it has moved; never ends by itself.

    Raises `UserError` for a remote URL, which is fetched once.
    """
    if site.is_remote:
        raise UserError(
            "a remote URL is fetched once", hint="watch in a clone that git fetch keeps up to date"
        )
    seen: CommitId | None = None
    while True:
        now = tip()
        if now != seen:
            seen = now
            yield now
        sleep(LOOK_SECONDS)
