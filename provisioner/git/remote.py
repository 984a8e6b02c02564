"""One remote of a repository: where its branches are known to be, how to reach it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from provisioner.git import remote_url
from provisioner.git.command import GitFailed, Network
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """`url` may be shown; `environment` and `inherited` are for the git that reaches it.

    Each of the two directions has an event that ends what it waits for.
    """

    repo: GitRepo
    name: str
    url: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherited: Sequence[int] = ()
    stop_fetching: threading.Event = field(default_factory=threading.Event)
    stop_pushing: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def configured(
        cls,
        repo: GitRepo,
        name: str,
        environment: Mapping[str, str] | None = None,
        *,
        inherited: Sequence[int] = (),
    ) -> Remote:
        """A remote as the repository's configuration has it."""
        listing = repo.run("config", "--get", f"remote.{name}.url")
        url = remote_url.shown(listing.decode("utf-8", "replace").strip())
        return cls(
            repo=repo, name=name, url=url, environment=environment or {}, inherited=inherited
        )

    def tracking(self, branch: str) -> str:
        return f"refs/remotes/{self.name}/{branch}"

    def fetch(self) -> None:
        """Learn where all branches are; those that are gone there are forgotten here."""
        refspec = f"+refs/heads/*:refs/remotes/{self.name}/*"
        for is_last_try in (False, True):
            try:
                self.repo.fetch(
                    self.name, refspec, prune=True, network=self._network(self.stop_fetching)
                )
                return
            except GitFailed as failed:
                # A push of ours moved the tracking ref meanwhile, and it is right.
                if is_last_try or "but expected" not in failed.stderr:
                    raise

    def push(self, *, commit: CommitId, branch: str, expected: CommitId | None) -> None:
        """Push a branch if the remote has it at `expected`; else raise `Conflict`."""
        self.repo.push(
            self.name,
            commit=commit,
            ref=f"refs/heads/{branch}",
            expected=expected,
            network=self._network(self.stop_pushing),
        )
        # git notes it itself only for some configurations.
        tracking = self.tracking(branch)
        if self.repo.resolve(tracking) == expected != commit:
            with suppress(RefMoved):  # by the other thread's fetch, which knows better
                self.repo.move_ref(tracking, expected=expected, new=commit)

    def _network(self, stop: threading.Event) -> Network:
        return Network(stop=stop, environment=self.environment, inherited=self.inherited)
