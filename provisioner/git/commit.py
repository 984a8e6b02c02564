"""The content of one commit of a branch that we write, and the steps in which it is published.

A `Sink` makes commits of batches in steps, of which only `sync` waits for the disk: so the
next batch is built while this one becomes durable, and a thread that has others to answer
can take all other steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from provisioner.git.pack import Pack
from provisioner.model.ids import CommitId, TreeId

MACHINE = "tinkgit <tinkgit@localhost>"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file's new content, a folder's new tree, all files of a folder, or a removal.

    `files` holds names and contents: a folder that is written once and never touched again
    need not be opened, found in its parent and held in memory for that.
    """

    path: str
    content: bytes | None = None
    tree: TreeId | None = None
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A commit that is built and not published; `pack` is the sink's own business."""

    parent: CommitId | None
    commit: CommitId
    pack: Pack | None = None

    @property
    def built(self) -> Pack:
        """The pack, for a sink that builds one for each commit."""
        assert self.pack is not None
        return self.pack

    @property
    def size_bytes(self) -> int:
        """The size of its pack, or 0."""
        return len(self.pack.content) if self.pack is not None else 0


class Sink(Protocol):
    """What makes commits durable, one after the other, on one branch."""

    def stage(self, changes: tuple[FileChange, ...], message: str, *, at_seconds: int) -> Staged:
        """Build a commit on top of the one staged last."""

    def begin(self, staged: Staged) -> None:
        """Start to publish it; what would have to wait is left to `sync`.

        Raises `RefMoved`, or OSError with nothing done; so do the two steps that follow.
        """

    def sync(self, staged: Staged) -> None:
        """Make it durable; may be called by another thread than the rest."""

    def end(self, staged: Staged) -> None:
        """Let everybody see it: the ref is there afterwards."""

    def reset(self, tip: CommitId | None) -> None:
        """Forget what was staged and go on from `tip`."""

    def rehearse(self, size_bytes: int) -> None:
        """Write as a batch of that size is written, and change nothing; raises as `sync` does."""

    def close(self) -> None:
        """Finish what can be finished, and give back what is held."""


def commit_text(
    tree: str, parent: CommitId | None, message: str, *, at_seconds: int, who: str = MACHINE
) -> bytes:
    """Return the content of a commit object, at UTC; `who` is a name and an address."""
    parents = f"parent {parent}\n" if parent else ""
    stamp = f"{who} {at_seconds} +0000"
    text = f"tree {tree}\n{parents}author {stamp}\ncommitter {stamp}\n\n{message}"
    return text.encode("utf-8", "replace")
