"""The paths that each commit of a linear branch changed, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from provisioner.git import stream
from provisioner.git.command import HISTORY_SECONDS
from provisioner.git.repo import GitRepo
from provisioner.git.tree import FILE_MODE
from provisioner.model.ids import CommitId

_NONE = "0" * 40


class RawChange(NamedTuple):
    """`old` and `new` are object ids, empty where the path was or is not there.

    `mode` is the new one, or the last it had.
    """

    path: str
    mode: int
    old: str
    new: str


@dataclass(slots=True, kw_only=True)
class CommitChanges:
    commit: CommitId
    changes: list[RawChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The first-parent line up to `tip`, without what `since` had already."""

    repo: GitRepo
    since: CommitId | None
    lines: tuple[str, ...]  # a commit and its first parent each
    merges: tuple[CommitId, ...]
    paths: tuple[str, ...]

    def of(self, repo: GitRepo) -> History:
        """The same, to be read by another process."""
        return replace(self, repo=repo)

    def cut(self, ends: Iterable[int]) -> list[History]:
        """Cut it, after so many commits each, into stretches that follow each other."""
        stretches = []
        since, merges = self.since, set(self.merges)
        for start, end in pairwise((0, *ends)):
            lines = self.lines[start:end]
            commits = [CommitId(line[:40]) for line in lines]
            if commits:
                own = tuple(each for each in commits if each in merges)
                stretches.append(replace(self, since=since, lines=lines, merges=own))
                since = commits[-1]
        return stretches

    def __iter__(self) -> Iterator[CommitChanges]:
        words = ("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--raw", "--")
        with stream.fed(self.repo.common_dir, self.lines, *words, *self.paths) as process:
            current: CommitChanges | None = None
            tokens = stream.tokens(process)
            for token in tokens:
                if not token.startswith(":"):
                    if current is not None:
                        yield current
                    current = CommitChanges(commit=CommitId(token))
                    continue
                assert current is not None, "git names a commit before its changes"
                current.changes.append(_change(token, next(tokens)))
            if current is not None:
                yield current


def read(repo: GitRepo, since: CommitId | None, tip: CommitId, paths: tuple[str, ...]) -> History:
    """Read what happened at or below `paths`."""
    words = ("rev-list", "--first-parent", "--reverse", "--parents", "--end-of-options", tip)
    only_new = (f"^{since}",) if since else ()
    listing = repo.run(*words, *only_new, timeout_seconds=HISTORY_SECONDS).decode()
    rows = [line.split(" ") for line in listing.splitlines()]
    return History(
        repo=repo,
        since=since,
        lines=tuple(" ".join(row[:2]) + "\n" for row in rows),
        merges=tuple(CommitId(row[0]) for row in rows if len(row) > 2),
        paths=paths,
    )


def _change(head: str, path: str) -> RawChange:
    """Of `:100644 100644 <old id> <new id> M`, where each word has its place."""
    old_mode, mode, old, new = head[1:7], head[8:14], head[15:55], head[56:96]
    return RawChange(
        path,
        FILE_MODE if mode == "100644" else int(mode if new != _NONE else old_mode, 8),
        "" if old == _NONE else old,
        "" if new == _NONE else new,
    )
