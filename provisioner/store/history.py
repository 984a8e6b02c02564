"""Which paths did each commit of a linear branch change, oldest first?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from provisioner.model.ids import CommitId
from provisioner.store import git_stream
from provisioner.store.repo import GitRepo

_NONE = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class RawChange:
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
    lines: tuple[str, ...]  # a commit and its first parent each
    merges: tuple[CommitId, ...]
    paths: tuple[str, ...]

    def __iter__(self) -> Iterator[CommitChanges]:
        words = ("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--raw", "--")
        with git_stream.fed(self.repo.common_dir, self.lines, *words, *self.paths) as process:
            current: CommitChanges | None = None
            tokens = git_stream.tokens(process)
            for token in tokens:
                if not token.startswith(b":"):
                    if current is not None:
                        yield current
                    current = CommitChanges(commit=CommitId(token.decode()))
                    continue
                assert current is not None, "git names a commit before its changes"
                current.changes.append(_change(token, next(tokens)))
            if current is not None:
                yield current


def read(repo: GitRepo, since: CommitId | None, tip: CommitId, paths: tuple[str, ...]) -> History:
    """Read what happened at or below `paths`."""
    words = ("rev-list", "--first-parent", "--reverse", "--parents", "--end-of-options", tip)
    listing = repo.run(*words, *((f"^{since}",) if since else ())).decode()
    rows = [line.split(" ") for line in listing.splitlines()]
    return History(
        repo=repo,
        lines=tuple(" ".join(row[:2]) + "\n" for row in rows),
        merges=tuple(CommitId(row[0]) for row in rows if len(row) > 2),
        paths=paths,
    )


def _change(head: bytes, path: bytes) -> RawChange:
    old_mode, mode, old, new, _ = head.decode().split(" ")
    return RawChange(
        path=path.decode("utf-8", "surrogateescape"),
        mode=int(mode if new != _NONE else old_mode[1:], 8),
        old="" if old == _NONE else old,
        new="" if new == _NONE else new,
    )
