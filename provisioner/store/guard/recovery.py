"""The choice of a person between what a server left on a branch and what somebody put there.

Safe beside a running server, and while none runs.  Putting back is a move of the ref, which
the server then finds where it left it.  Accepting is a request in a file: the server, or the
next one that starts, takes it if it is still about the two commits that the person saw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import Conflict
from provisioner.git import disk
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.guard import foreign
from provisioner.store.guard.foreign import Kind
from provisioner.store.guard.memory import PINS, Memory
from provisioner.store.status import layout

SET_ASIDE = f"{PINS}set-aside/"
_REQUEST = "accept-{}.json"  # in our own folder, for each branch
_SUBJECTS = 10
_MEANINGS = {
    Kind.BEHIND: "something is missing, which a server that runs puts back by itself",
    Kind.BROKEN: "what was added breaks the rules",
    Kind.DIVERGED: "it does not go on from there",
    Kind.LOST: "that commit is not in this repository any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A branch, here or at a remote, that is not where it was left."""

    branch: str
    ours: CommitId
    found: CommitId | None
    kind: Kind
    remote: str = ""

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    @property
    def name(self) -> str:
        return name_at(self.remote, self.branch) if self.remote else self.branch

    @property
    def meaning(self) -> str:
        return _MEANINGS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What would be given up: how many commits, and the subjects of the newest."""

    commits: int
    subjects: tuple[str, ...]


def choices(repo: GitRepo, status_branch: str) -> list[Choice]:
    """Return the branches of a site that are not where a server left them.

    What goes on from there by the rules needs no decision: a server writes, or will take it up.
    """
    memory = Memory(repo)
    found = []
    for branch in (status_branch, layout.archive_branch(status_branch)):
        ours, there = memory.tip(f"refs/heads/{branch}"), repo.branch(branch)
        if ours is not None and ours != there:
            kind = foreign.judge(repo, branch, ours=ours, found=there).kind
            if kind is not Kind.AHEAD:
                found.append(Choice(branch=branch, ours=ours, found=there, kind=kind))
    return found or _choices_at_remotes(repo, status_branch)


def _choices_at_remotes(repo: GitRepo, status_branch: str) -> list[Choice]:
    """Return what was fetched of a status branch that does not go on from the one here."""
    found = []
    for branch in (status_branch, layout.archive_branch(status_branch)):
        ours = repo.branch(branch)
        for ref, there in repo.refs("refs/remotes/").items():
            remote, _, name = ref.removeprefix("refs/remotes/").partition("/")
            if ours is not None and name == branch and there != ours:
                kind = foreign.judge(repo, branch, ours=ours, found=there).kind
                if kind not in (Kind.AHEAD, Kind.BEHIND):
                    choice = Choice(branch=branch, ours=ours, found=there, kind=kind, remote=remote)
                    found.append(choice)
    return found


def name_at(remote: str, branch: str) -> str:
    """The name of a remote's branch in requests and messages."""
    return f"{remote}/{branch}"


def loss(repo: GitRepo, remaining: CommitId | None, given_up: CommitId | None) -> Loss | None:
    """Say what one commit has and the other has not; None when that can't be said."""
    if given_up is None:
        return Loss(commits=0, subjects=())
    if not foreign.is_commit(repo, given_up):
        return None
    without = (
        (f"^{remaining}",) if remaining is not None and foreign.is_commit(repo, remaining) else ()
    )
    words = ("--first-parent", "--end-of-options", given_up, *without)
    count = int(repo.run("rev-list", "--count", *words))
    subjects = repo.run("log", f"--max-count={_SUBJECTS}", "--format=%h %s", *words).decode()
    return Loss(commits=count, subjects=tuple(subjects.splitlines()))


def put_back(repo: GitRepo, choice: Choice) -> str:
    """Let a branch be where the server left it; return the ref that keeps what was there."""
    if choice.kind is Kind.LOST:
        raise Conflict(
            f"commit {choice.ours} is not in this repository any more",
            hint="fetch it from a clone or a back-up; or: tink status-branch recover --accept"
            f" {choice.found or 'COMMIT'}",
        )
    remaining = set_aside(repo, choice.branch, choice.found)
    repo.move_ref(choice.ref, expected=choice.found, new=choice.ours)
    disk.sync((repo.common_dir / choice.ref).parent)
    return remaining


def set_aside(repo: GitRepo, branch: str, commit: CommitId | None) -> str:
    """Keep a commit from being pruned; return the ref, empty when there is no such commit."""
    if commit is None or not foreign.is_commit(repo, commit):
        return ""
    ref = f"{SET_ASIDE}{branch}/{commit[:12]}"
    if repo.resolve(ref) is None:
        try:
            repo.move_ref(ref, expected=None, new=commit)
        except RefMoved:
            return ref  # somebody else set it aside at the same moment
    return ref


def request(repo: GitRepo, choice: Choice, *, keep_ours: bool = False) -> None:
    """Ask the server to go on with what was found; or, at a remote, to put ours back."""
    path = _path(repo, choice.name)
    pair = (choice.found, choice.ours)
    accepted, given_up = reversed(pair) if keep_ours else pair
    content = json.dumps({"accept": accepted, "instead_of": given_up}).encode()
    temporary = path.with_suffix(".new")
    disk.write_file(temporary, content + b"\n")
    disk.sync(temporary)
    temporary.replace(path)
    disk.sync(path.parent)


def is_requested(repo: GitRepo, branch: str, *, ours: CommitId, found: CommitId) -> bool:
    """Whether a person asked to go on with `found` in place of `ours`."""
    try:
        asked = json.loads(_path(repo, branch).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return bool(asked == {"accept": found, "instead_of": ours})


def forget_request(repo: GitRepo, branch: str) -> None:
    _path(repo, branch).unlink(missing_ok=True)


def _path(repo: GitRepo, branch: str) -> Path:
    return repo.own_dir / _REQUEST.format(branch.replace("/", "%"))
