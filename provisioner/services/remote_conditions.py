"""The conditions that concern a remote, each with what to do about it."""

from __future__ import annotations

from provisioner.git.remote import Remote
from provisioner.model.ids import CommitId
from provisioner.services.conditions import Condition
from provisioner.store.guard import recovery
from provisioner.store.guard.start_commit import Start

NOT_REACHED = "remote-not-reached"
NO_STATUS_BRANCH = "no-status-branch"
ANOTHER_SERVER = "another-server"
DIVERGED = "remote-diverged"
DESIRED_MISSING = "desired-missing-at-remote"
# Those that keep a server from writing.
STOPPING = (NOT_REACHED, NO_STATUS_BRANCH, ANOTHER_SERVER, DIVERGED)


def not_reached(remote: Remote, error: Exception | None) -> Condition:
    reason = f": {error}" if error else ""
    return Condition(
        name=NOT_REACHED,
        message=f"nothing is acknowledged before {remote.url} was reached and holds a start commit"
        f" of this server{reason}",
        stops_writing=True,
    )


def no_status_branch(remote: Remote, branch: str) -> Condition:
    flag = "" if branch == "status" else f" --status-branch {branch}"
    begin = f"tink --repo {remote.url}{flag} status-branch begin"
    return Condition(
        name=NO_STATUS_BRANCH,
        message=f"{remote.url} has no branch {branch!r}, and a server never begins one by itself",
        hint=f"if no server ever served this site: {begin}",
        stops_writing=True,
    )


def another_server(
    remote: Remote, branch: str, other: Start, *, ours: CommitId, theirs: CommitId
) -> Condition:
    """Of two servers on one remote; what only this one has is saved under a ref."""
    message = f"another server ({other.who}, since {other.at}) writes {branch!r} of {remote.url}"
    if remote.repo.is_ancestor(ours, theirs):
        hint = "stop one of the two; to go on with this one, start it again"
        return Condition(name=ANOTHER_SERVER, message=message, hint=hint, stops_writing=True)
    message, hint = _kept(remote, branch, message, ours)
    return Condition(
        name=ANOTHER_SERVER,
        message=message,
        hint=f"stop one of the two; {hint}",
        stops_writing=True,
    )


def diverged(remote: Remote, branch: str, *, ours: CommitId, theirs: CommitId) -> Condition:
    """Of two histories; what only this clone has is saved under a ref."""
    message = (
        f"{branch!r} of {remote.url} is at {theirs[:12]}, which does not go on by the rules from"
        f" {ours[:12]}, where this server left it"
    )
    message, hint = _kept(remote, branch, message, ours)
    return Condition(name=DIVERGED, message=message, hint=hint, stops_writing=True)


def desired_missing(remote: Remote, branch: str) -> Condition:
    return Condition(
        name=DESIRED_MISSING,
        message=f"{remote.url} has no branch {branch!r}",
        hint="push it there, or say which one it is: tink serve --branch NAME",
    )


def _kept(remote: Remote, branch: str, message: str, ours: CommitId) -> tuple[str, str]:
    ref = recovery.set_aside(remote.repo, branch, ours)
    where = remote.repo.work_tree or remote.repo.common_dir
    # Without the remote's commit, which moves: each change is logged.
    return (
        f"{message}; what was acknowledged here is saved as {ref}",
        f"see both, and decide: tink --repo {where} status-branch recover --dry-run",
    )
