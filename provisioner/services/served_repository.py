"""The repository that a server serves, and the remote that it keeps up with."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from provisioner.config import ServerSettings
from provisioner.errors import UserError
from provisioner.git import clones, remote_url
from provisioner.git.remote import Remote
from provisioner.git.repo import GitRepo
from provisioner.services import location
from provisioner.store.desired import clone, protection
from provisioner.store.desired.clone import Leftovers


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A remote; `leftovers` where its clone is ours alone."""

    remote: Remote
    leftovers: Leftovers | None = None


def open_repo(settings: ServerSettings) -> GitRepo:
    """Open the repository, or the clone of the remote that the settings name."""
    if not location.is_url(settings.repo):
        repo = GitRepo(Path(settings.repo))
        protection.look(repo, desired=settings.desired_branch, status=settings.status_branch)
        return repo
    if settings.clone_into is None:
        raise UserError("a remote repository needs a folder for its clone", hint="--clone-into DIR")
    return clone.open_clone(
        settings.clone_into,
        remote_url.parse(settings.repo),
        branch=settings.desired_branch,
        status_branch=settings.status_branch,
        remote=settings.remote or clones.DEFAULT_REMOTE,
    )


def followed(repo: GitRepo, settings: ServerSettings, stack: ExitStack) -> Followed | None:
    """The remote to keep up with: the one that was cloned, or one that was asked for;
    `location.remote_to_follow` decides.
    """
    if not settings.fetch_seconds:
        return None
    is_ours = clone.is_our_clone(repo)
    name = location.remote_to_follow(repo, settings.repo, asked=settings.remote, is_ours=is_ours)
    if name is None:
        return None
    if not is_ours:
        return Followed(remote=Remote.configured(repo, name))
    leftovers = Leftovers(repo)
    stack.callback(leftovers.close)
    environment = remote_url.parse(settings.repo).environment
    remote = Remote.configured(repo, name, environment, inherited=(leftovers.handle,))
    return Followed(remote=remote, leftovers=leftovers)
