"""The commits of the desired branch that a person accepted although the server had stopped there.

Two ways say so: a ref that `tink accept` writes in the server's repository, which pushes
don't reach, and the trailer `Tink-Accept: <full id>` in a later commit of the branch.  A
trailer that was on the branch before counts no more: what an old history says can't accept
anything when somebody pushes that history again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import suppress

from provisioner.git.command import GitFailed
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.planning.deletion_guard import TRAILER

_ACCEPTED = "refs/tink/accept/"
# Heads that were applied once and then given up for another history.
_ABANDONED = "refs/tink/abandoned/"
_ID = re.compile(r"[0-9a-f]{40}\Z")
_MOST_TRAILERS = 1_000  # looked at; real branches have a handful

_LOG = logging.getLogger(__name__)


class Acceptance:
    """Of one branch; `accept` is for a command line, the rest for the server."""

    def __init__(self, repo: GitRepo, branch: str) -> None:
        self._repo = repo
        self._ref = f"{_ACCEPTED}{branch}"

    def accept(self, commit: CommitId) -> None:
        """Let a server obey this commit, now or when it starts."""
        self._repo.move_ref(self._ref, expected=self._repo.resolve(self._ref), new=commit)

    def by_command(self, tip: CommitId) -> CommitId | None:
        """The commit that `tink accept` named; one that the branch has left is forgotten.

        Costs the reading of one small file, mostly of one that is not there.
        """
        found = self._repo.resolve(self._ref)
        if found is None or descends(self._repo, tip, found):
            return found
        _LOG.warning("%s was accepted, but the branch has moved on from it: not applied", found)
        self._forget(found)
        return None

    def by_trailer(self, tip: CommitId, accepted: CommitId | None) -> CommitId | None:
        """The newest commit below `tip` that a later commit accepts; one or two git processes.

        It must be one where the branch can have been: on the first-parent line.
        """
        known = [*([accepted] if accepted else []), *self._repo.refs(_ABANDONED).values()]
        line: set[str] | None = None
        for commit, named in self._trailers(tip, known):
            if line is None:
                line = set(self._first_parents(tip, accepted))
            if named in line and named != commit and descends(self._repo, commit, named):
                return named
        return None

    def settle(self) -> None:
        """Forget what was accepted by command: the branch is where it was applied last."""
        found = self._repo.resolve(self._ref)
        if found is not None:
            self._forget(found)

    def done(self, commit: CommitId, old: CommitId | None) -> None:
        """Forget what was confirmed, after a commit was applied in place of `old`."""
        if old is not None and not descends(self._repo, commit, old):
            with suppress(GitFailed):  # it is not in this repository any more
                self._repo.run("update-ref", "--no-deref", f"{_ABANDONED}{old}", old)
        found = self._repo.resolve(self._ref)
        if found is not None and descends(self._repo, commit, found):
            self._forget(found)

    def _forget(self, found: CommitId) -> None:
        with suppress(GitFailed):  # another one was written meanwhile
            self._repo.run("update-ref", "--no-deref", "-d", self._ref, found)

    def _trailers(
        self, tip: CommitId, known: list[CommitId]
    ) -> Iterator[tuple[CommitId, CommitId]]:
        """Each commit that accepts something and what that is, the newest first."""
        form = f"%H %(trailers:key={TRAILER},valueonly,separator=%x20)"
        words = ("--topo-order", "-i", f"--grep=^{TRAILER}:", f"--format={form}")
        known = [each for each in known if self._repo.find_object(each) is not None]
        bound = f"--max-count={_MOST_TRAILERS}"
        out = self._repo.run(
            *("log", *words, bound, "--end-of-options", tip, *(f"^{each}" for each in known))
        )
        for row in out.decode(errors="replace").splitlines():
            commit, *named = row.lower().split()
            for each in filter(_ID.match, named):
                yield CommitId(commit), CommitId(each)

    def _first_parents(self, tip: CommitId, accepted: CommitId | None) -> list[str]:
        is_there = accepted is not None and self._repo.find_object(accepted) is not None
        words = ("--first-parent", "--end-of-options", tip, *((f"^{accepted}",) * is_there))
        return self._repo.run("rev-list", *words).decode().split()


def descends(repo: GitRepo, newer: CommitId, older: CommitId) -> bool:
    """Whether `newer` is `older` or comes after it; mostly the reading of two commits.

    A commit that is not in this repository (any more) has nothing to do with any other.
    """
    if newer == older:
        return True
    if any(repo.find_object(each) is None for each in (newer, older)):
        return False
    return older in repo.commit(newer).parents or repo.is_ancestor(older, newer)
