"""The repository that a server serves, and the remote that it keeps up with."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from provisioner.config import ServerSettings
from provisioner.errors import UserError
from provisioner.git import remote_url
from provisioner.git.remote import Remote
from provisioner.git.repo import GitRepo
from provisioner.store.desired import clone, protection
from provisioner.store.desired.clone import Leftovers

DEFAULT_REMOTE = "origin"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A remote; `leftovers` where its clone is ours alone."""

    remote: Remote
    leftovers: Leftovers | None = None


def open_repo(settings: ServerSettings) -> GitRepo:
    """Open the repository, or the clone of the remote that the settings name."""
    if not remote_url.is_url(settings.repo):
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
        remote=settings.remote or DEFAULT_REMOTE,
    )


def followed(repo: GitRepo, settings: ServerSettings, stack: ExitStack) -> Followed | None:
    """The remote to keep up with: the one that was cloned, or one that was asked for.

    What a person cloned has an origin because `git clone` writes it there: whoever serves
    that repository serves what it holds.
    """
    name = _name(repo, settings) if settings.fetch_seconds else None
    if name is None:
        return None
    if not clone.is_our_clone(repo):
        return Followed(remote=Remote.configured(repo, name))
    leftovers = Leftovers(repo)
    stack.callback(leftovers.close)
    environment = remote_url.parse(settings.repo).environment
    remote = Remote.configured(repo, name, environment, inherited=(leftovers.handle,))
    return Followed(remote=remote, leftovers=leftovers)


def _name(repo: GitRepo, settings: ServerSettings) -> str | None:
    if remote_url.is_url(settings.repo) or settings.remote:
        name = settings.remote or DEFAULT_REMOTE
        if not repo.has_remote(name):
            raise UserError(
                f"{settings.repo} has no remote {name!r}",
                hint=f"git -C {settings.repo} remote add {name} URL",
            )
        return name
    if not repo.has_remote(DEFAULT_REMOTE):
        return None
    if clone.is_our_clone(repo):
        return DEFAULT_REMOTE
    _LOG.warning(
        "the remote %s of %s is not followed; with --remote %s it would be",
        *(DEFAULT_REMOTE, settings.repo, DEFAULT_REMOTE),
    )
    return None
