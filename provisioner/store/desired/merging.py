"""Merges one commit into a branch, which must be where the caller saw it."""

from __future__ import annotations

from provisioner.errors import Conflict
from provisioner.git import merging
from provisioner.git.command import GitFailed
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.desired.editing import DesiredEditor


def merge(repo: GitRepo, branch: str, *, base: CommitId, head: CommitId, name: str) -> CommitId:
    """Move `branch` from `base` to its merge with `head`, and the work tree with it; return it.

    A branch that `head` descends from is moved to it, as `git merge` does.  Raises `Conflict`
    where git can't merge, where the branch moved, and where uncommitted changes are in the way.
    """
    is_here = DesiredEditor(repo, branch).work_tree() is not None
    done = head if repo.is_ancestor(base, head) else _commit(repo, branch, base, head, name)
    if is_here:
        _bring_in_line(repo, base, done, "-n")
    try:
        repo.move_ref(f"refs/heads/{branch}", expected=base, new=done)
    except RefMoved:
        raise Conflict(f"branch {branch} moved meanwhile", hint="plan again") from None
    if is_here:
        _bring_in_line(repo, base, done)
    return done


def _commit(repo: GitRepo, branch: str, base: CommitId, head: CommitId, name: str) -> CommitId:
    tree = merging.merged_tree(repo, base, head)
    return repo.commit_tree(
        tree,
        base,
        head,
        message=f"Merge {name} into {branch}\n",
        who=repo.author(),
        is_signed=repo.signs_commits(),
    )


def _bring_in_line(repo: GitRepo, old: CommitId, new: CommitId, *flags: str) -> None:
    """Have the work tree follow, with every change in it kept; raises before it changes any."""
    assert repo.work_tree is not None
    here = f"--work-tree={repo.work_tree}"
    try:
        repo.run(here, "update-index", "-q", "--refresh", directory=repo.work_tree)
    except GitFailed as failed:
        if failed.status != 1:  # 1: some files have changes
            raise
    try:
        repo.run(here, "read-tree", *flags, "-m", "-u", old, new, directory=repo.work_tree)
    except GitFailed as failed:
        raise Conflict(
            f"uncommitted changes are in the way: {failed.stderr}",
            hint="commit them, or git stash, and apply again",
        ) from None
