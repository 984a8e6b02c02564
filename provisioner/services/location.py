"""Which repository, which branches and which remote are meant: one answer for verbs and server.

    --repo             read and written by verbs       served
    nothing, a path    the repository there or         the same; a remote of it is followed only
                       around it                       where --remote names it
    a URL, host:path   a fetched copy, only read       the clone in --clone-into, and its origin

docs/cli.md has it as a table for people.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import TinkError, UserError
from provisioner.git import clones, remote_url
from provisioner.git.clones import DEFAULT_BRANCH, DEFAULT_REMOTE
from provisioner.git.command import Network
from provisioner.git.repo import GitRepo
from provisioner.store.guard.memory import Memory
from provisioner.store.status import layout

UNKNOWN = "nothing here tells which branch a server follows"
is_url = remote_url.is_url
_ASK_SECONDS = 5.0  # for a remote that a server is to clone

_LOG = logging.getLogger(__name__)


def open_here(path: str) -> GitRepo:
    """Open the repository at a path or around it, for a person's command.

    Raises `UserError` where there is none, or git's safe.directory does not trust its owner.
    """
    repo = GitRepo(Path(path), search_parents=True, is_persons=True)
    try:
        repo.check_owner()
    except BaseException:
        repo.close()
        raise
    return repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """The desired branch that a person works on, and the one that a server follows.

    `is_guess`: in this clone nothing tells which one a server follows; HEAD's was taken.
    """

    own: str
    followed: str
    is_guess: bool = False


def branches(repo: GitRepo, asked: str, status: str) -> Branches:
    """Find the branches of a repository that is here; `asked` is `--branch`, or empty."""
    head = repo.checked_out_branch() or ""
    if head in _of_status(status):
        head = ""
    known = asked or _known_branch(repo, status)
    followed = known or head or DEFAULT_BRANCH
    own = asked or (not repo.is_bare and head) or followed
    return Branches(own=own, followed=followed, is_guess=not known and bool(repo.remotes()))


def fetched(url: str, folder: Path, asked: str, status: str) -> tuple[GitRepo, Branches]:
    """Fetch what a reader needs of a remote into `folder`."""
    repo = GitRepo.create(folder / "remote.git", bare=True, is_persons=True)
    heads, default = clones.branches_at(repo, url)
    followed = asked or _of_remote(heads, default, status)
    wanted = sorted({followed, *_of_status(status)} & heads)
    if wanted:
        repo.fetch(url, *(f"+refs/heads/{each}:refs/heads/{each}" for each in wanted))
    return repo, Branches(own=followed, followed=followed)


def served_path(path: str) -> str:
    """Of a path within a repository, the repository's own."""
    with closing(open_here(path)) as repo:
        return str(repo.work_tree or repo.git_dir)


def branch_to_serve(repo: str, asked: str, status: str, *, clone_into: Path | None) -> str:
    """The desired branch that a server follows, whatever is checked out.

    Of a remote that was not cloned yet, it asks the remote; one that does not answer is taken
    to have the usual name.
    """
    if asked:
        return asked
    if not is_url(repo):
        with closing(open_here(repo)) as here:
            return branches(here, "", status).followed
    if clone_into is not None and (clone_into / "HEAD").is_file():
        with closing(GitRepo(clone_into)) as cloned:
            known = _known_branch(cloned, status)
        if known:
            return known
    try:
        with (
            tempfile.TemporaryDirectory(prefix="tink-") as folder,
            closing(GitRepo.create(Path(folder), bare=True)) as asking,
        ):
            stop = threading.Event()
            patience = threading.Timer(_ASK_SECONDS, stop.set)
            patience.start()
            try:
                found = clones.branches_at(asking, repo, network=Network(stop=stop))
            finally:
                patience.cancel()
            return _of_remote(*found, status)
    except TinkError:
        return DEFAULT_BRANCH


def remote_to_follow(repo: GitRepo, named: str, *, asked: str | None, is_ours: bool) -> str | None:
    """The remote that a server keeps up with, of the repository that `named` names.

    What a person cloned has an origin because `git clone` writes it there: whoever serves that
    repository serves what it holds, unless a remote is asked for.
    """
    name = asked or DEFAULT_REMOTE
    is_there = name in repo.remotes()
    if is_there and (asked or is_ours or is_url(named)):
        return name
    if asked or is_url(named):
        hint = f"git -C {named} remote add {name} URL"
        raise UserError(f"{named} has no remote {name!r}", hint=hint)
    if is_there:
        words = (name, named, name)
        _LOG.warning("the remote %s of %s is not followed; with --remote %s it would be", *words)
    return None


def _known_branch(repo: GitRepo, status: str) -> str:
    """The desired branch by what does not depend on HEAD: "" where nothing tells.

    `main`, here or at the remote; else the one that a server followed here; else the remote's
    own.
    """
    if repo.branch(DEFAULT_BRANCH) or clones.tracked(repo, DEFAULT_BRANCH):
        return DEFAULT_BRANCH
    before = Memory(repo).desired_branches
    if len(before) == 1:
        return before[0]
    default = clones.default_branch(repo)
    return "" if default in _of_status(status) else default


def _of_remote(heads: Collection[str], default: str, status: str) -> str:
    """The desired branch of a remote with these branches, whose HEAD is `default`."""
    if DEFAULT_BRANCH in heads or not default or default in _of_status(status):
        return DEFAULT_BRANCH
    return default


def _of_status(status: str) -> tuple[str, str]:
    return status, layout.archive_branch(status)
