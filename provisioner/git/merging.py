"""Makes the result of a merge without a work tree, and without writing to the repository."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import Conflict
from provisioner.git.command import GitFailed
from provisioner.git.repo import NOBODY, GitRepo
from provisioner.model.ids import CommitId

_CONFLICTS = 1  # git's exit status for them
_SHOWN = 8  # paths


def merged_tree(repo: GitRepo, base: CommitId, head: CommitId) -> str:
    """Write the tree that a merge of `head` into `base` gives; raise `Conflict` with its paths.

    Needs git 2.38 or newer.
    """
    words = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages")
    try:
        out = repo.run(*words, "--end-of-options", base, head)
    except GitFailed as failed:
        if failed.status != _CONFLICTS:
            raise
        raise Conflict(
            f"{head[:12]} can't be merged into {base[:12]}: both changed {_paths_of(failed)}",
            hint="merge or rebase it by hand, and plan again",
        ) from None
    return out.split(b"\0")[0].decode()


@contextlib.contextmanager
def as_commit(repo: GitRepo, base: CommitId, head: CommitId) -> Iterator[tuple[GitRepo, CommitId]]:
    """A repository that holds the merge of `head` into `base`, and the commit there.

    It is the repository itself where one of the two holds the other; else a temporary one, which
    borrows its objects.  Raises `Conflict`.
    """
    if base == head or repo.is_ancestor(base, head):
        yield repo, head
    elif repo.is_ancestor(head, base):
        yield repo, base
    else:
        with tempfile.TemporaryDirectory(prefix="tink-") as temporary:
            borrowing = GitRepo.create_borrowing(Path(temporary) / "merge.git", repo)
            try:
                tree = merged_tree(borrowing, base, head)
                message = "the result of the merge\n"
                commit = borrowing.commit_tree(tree, base, head, message=message, who=NOBODY)
                yield borrowing, commit
            finally:
                borrowing.close()


def _paths_of(failed: GitFailed) -> str:
    """The paths in conflict: after the tree's id, each once."""
    names = failed.stdout.decode("utf-8", "replace").split("\0")[1:]
    paths = list(dict.fromkeys(name for name in names if name))
    more = f" and {len(paths) - _SHOWN} more files" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more if paths else "the same lines"
