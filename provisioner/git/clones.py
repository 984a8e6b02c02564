"""What a clone knows of the remote that it came from, and what a remote says of itself."""

from __future__ import annotations

from provisioner.git import ref_lock
from provisioner.git.command import Network
from provisioner.git.repo import COMMAND_LINE, GitRepo
from provisioner.model.ids import CommitId

DEFAULT_BRANCH = "main"
DEFAULT_REMOTE = "origin"


def remote_of(repo: GitRepo) -> str:
    """The remote of HEAD's branch, else main's, else origin, else the only one; "" for none."""
    names = repo.remotes()
    followed = repo.remotes_of_branches()
    by_branch = [
        followed.get(each or "", "") for each in (repo.checked_out_branch(), DEFAULT_BRANCH)
    ]
    for name in (*by_branch, DEFAULT_REMOTE, *names[: len(names) == 1]):
        if name in names:
            return name
    return ""


def tracked(repo: GitRepo, branch: str) -> CommitId | None:
    """Where the remote had a branch when it was fetched last."""
    return repo.resolve(f"{_tracking(repo)}{branch}")


def default_branch(repo: GitRepo) -> str:
    """The branch that the remote's HEAD was at when it was cloned; "" where that is not known."""
    prefix = _tracking(repo)
    return ref_lock.symbolic_target(repo.common_dir, f"{prefix}HEAD").removeprefix(prefix)


def branches_at(
    repo: GitRepo, url: str, *, network: Network = COMMAND_LINE
) -> tuple[frozenset[str], str]:
    """Ask a remote for the names of its branches, and the one of its HEAD ("" for none)."""
    refs = ("HEAD", "refs/heads/*")
    out = repo.run_with_remote("ls-remote", "--symref", remote=url, words=refs, network=network)
    pairs = [line.split("\t") for line in out.decode("utf-8", "surrogateescape").splitlines()]
    heads = frozenset(ref.removeprefix("refs/heads/") for _, ref in pairs if ref != "HEAD")
    default = next((first for first, _ in pairs if first.startswith("ref: ")), "")
    return heads, default.removeprefix("ref: refs/heads/")


def _tracking(repo: GitRepo) -> str:
    # Refs may have been fetched there from a path or a URL, with no remote configured.
    return f"refs/remotes/{remote_of(repo) or DEFAULT_REMOTE}/"
