"""Which commit brought a version of a file, who made and signed it, and what merged it.

Each question is one or three walks of the history, by git itself: a path's, and that between the
commit and the tip.  Their cost grows with the number of commits, never with that of files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioner.errors import TinkError
from provisioner.git.command import HISTORY_SECONDS
from provisioner.git.repo import GitRepo
from provisioner.model import times
from provisioner.model.ids import CommitId

# As git's %G? says it.
SIGNATURES = {
    "G": "good",
    "U": "good, of unknown validity",
    "X": "good, expired",
    "Y": "good, made by an expired key",
    "R": "good, made by a revoked key",
    "B": "bad",
    "E": "can't be checked",
    "N": "none",
}
_FORMAT = "%x01%H%x00%an%x00%ae%x00%cI%x00%G?%x00%GS%x00%GK%x00%B%x00"
_FIELDS = 8
# GitHub's and Gitea's subject, GitLab's body, and what a squashed one ends with.
_PULL_REQUESTS = (
    re.compile(r"\AMerge pull request #(\d{1,9})\b"),
    re.compile(r"\AMerge pull request '[^\n]*' \(#(\d{1,9})\)"),
    re.compile(r"^See merge request \S*!(\d{1,9})$", re.MULTILINE),
    re.compile(r"\A[^\n]*\(#(\d{1,9})\)$", re.MULTILINE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit: `signer` and `key` are empty where git knows none."""

    commit: CommitId
    author: str
    email: str
    at: str
    signature: str
    signer: str
    key: str
    subject: str
    pull_request: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A version of a file: the commit that brought it, and the merge that brought the commit."""

    path: str
    change: Change
    merge: Change | None


def origin(repo: GitRepo, tip: CommitId, path: str, *, blob: str = "") -> Origin | None:
    """Find what brought the newest version at or below a path, or the one with this content.

    None where the history that is here does not tell.
    """
    words = ("--no-renames", "--raw", "--no-abbrev", "-z", "--format=%x01%H%x00")
    only = (f"--find-object={blob}",) if blob else ("--max-count=1",)
    try:
        said = repo.run(
            *("log", *words, *only, "--end-of-options", tip, "--", f":(literal){path}"),
            timeout_seconds=HISTORY_SECONDS,
        ).decode("utf-8", "surrogateescape")
        cut = repo.shallow_commits()
        for entry in said.split("\x01")[1:]:
            commit, *tokens = entry.split("\0")
            if commit in cut:  # it seems to bring all that there was before it
                continue
            heads = [at for at, token in enumerate(tokens) if token.lstrip("\n").startswith(":")]
            for at in heads:
                if not blob or tokens[at].split(" ")[3] == blob:
                    found = CommitId(commit)
                    if _is_cut_off(repo, found):
                        return None
                    return Origin(
                        path=tokens[at + 1],
                        change=read(repo, found),
                        merge=_merge_of(repo, found, tip),
                    )
    except TinkError:  # a shallow clone, or one of the status branch alone
        return None
    return None


def read(repo: GitRepo, commit: CommitId) -> Change:
    words = ("--no-patch", f"--format={_FORMAT}", "--end-of-options", commit)
    said = repo.run("show", *words).decode("utf-8", "replace")
    fields = said.partition("\x01")[2].split("\0")[:_FIELDS]
    found, author, email, at, signature, signer, key, message = fields
    numbers = (pattern.search(message.strip()) for pattern in _PULL_REQUESTS)
    number = next((each[1] for each in numbers if each), None)
    return Change(
        commit=CommitId(found),
        author=author,
        email=email,
        at=times.in_utc(at),
        signature=SIGNATURES.get(signature, SIGNATURES["E"]),
        signer=signer,
        key=key,
        subject=message.strip().partition("\n")[0],
        pull_request=int(number) if number else None,
    )


def _is_cut_off(repo: GitRepo, commit: CommitId) -> bool:
    """Whether a shallow clone ends here: to git, such a commit brings all its files."""
    parents = repo.commit(commit).parents
    return repo.is_shallow and any(repo.find_object(each) is None for each in parents)


def _merge_of(repo: GitRepo, commit: CommitId, tip: CommitId) -> Change | None:
    """The merge on the branch's own line that brought a commit; None for one made on that line."""
    span = ("--end-of-options", f"{commit}..{tip}")
    words = ("rev-list", "--first-parent", "--parents", *span)
    line = [row.split(" ") for row in _lines(repo, *words)]
    if not line or line[-1][1:2] == [commit]:
        return None
    after = set(_lines(repo, "rev-list", "--ancestry-path", *span))
    brought = [row[0] for row in line if row[0] in after]
    return read(repo, CommitId(brought[-1])) if brought else None


def _lines(repo: GitRepo, *words: str) -> list[str]:
    return repo.run(*words, timeout_seconds=HISTORY_SECONDS).decode().splitlines()
