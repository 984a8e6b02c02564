"""Begins a status branch: with a root commit that holds format.json alone.

Nothing else creates the branch.  A server that created it where it finds none would take a branch
that was deleted, or one that it never fetched, for a site on which nothing has run yet, and
would run everything again.
"""

from __future__ import annotations

import time
from contextlib import closing

from provisioner.errors import Conflict, UserError
from provisioner.git import clones, disk, pack_files
from provisioner.git.commit import commit_text
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import Owner, PackFiles
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, FILE_MODE, TreeEditor
from provisioner.model.ids import CommitId
from provisioner.store.guard.memory import Memory
from provisioner.store.status import codec, layout


class NoStatusBranch(UserError):
    """Only a person knows whether there never was one, or it is missing."""

    def __init__(self, where: object, branch: str, *, remote: str = "") -> None:
        flag = "" if branch == "status" else f" --status-branch {branch}"
        first = f"if the remote has one: tink serve --remote {remote}; " if remote else ""
        what_to_type = f"tink --repo {where}{flag} status-branch begin"
        super().__init__(
            f"{where} has no branch {branch!r}, and a server never begins one by itself",
            hint=f"{first}if no server ever served this site: {what_to_type}",
        )


def none_of(repo: GitRepo, branch: str) -> NoStatusBranch:
    """What to say of a repository that has no status branch."""
    where = repo.work_tree or repo.git_dir
    return NoStatusBranch(where, branch, remote=clones.remote_of(repo))


def begin(repo: GitRepo, branch: str = "status", *, at_seconds: int | None = None) -> CommitId:
    """Begin the status branch, durably; raise `Conflict` when there is one already."""
    _check_missing(repo, branch)
    ref = f"refs/heads/{branch}"
    with closing(PackFiles(repo.objects_dir, Owner.COMMAND)) as files:
        commit = _write_root(repo, files, branch, at_seconds)
        try:
            repo.move_ref(ref, expected=None, new=commit)
        except RefMoved:
            raise _there_is_one(branch) from None
        disk.sync((repo.common_dir / ref).parent)
    return commit


def begin_at(repo: GitRepo, url: str, branch: str = "status") -> CommitId:
    """Begin the status branch of a remote, from a repository that has just fetched it."""
    _check_missing(repo, branch)
    with closing(PackFiles(repo.objects_dir, Owner.COMMAND)) as files:
        commit = _write_root(repo, files, branch, None)
        try:
            repo.push(url, commit=commit, ref=f"refs/heads/{branch}", expected=None)
        except Conflict:
            raise _there_is_one(branch) from None
    return commit


def is_only_begun(repo: GitRepo, commit: CommitId) -> bool:
    """Whether a branch ends where it began, so that nothing is lost with it."""
    root = repo.commit(commit)
    names = [each.name for each in repo.tree(root.tree)]
    return not root.parents and names == [layout.FORMAT.encode()]


def _check_missing(repo: GitRepo, branch: str) -> None:
    if repo.branch(branch) is not None:
        raise _there_is_one(branch)
    remembered = Memory(repo).tip(f"refs/heads/{branch}")
    if remembered is not None:
        raise Conflict(
            f"there was a branch {branch!r}: a server left it at {remembered[:12]}",
            hint="tink serve puts it back, or: tink status-branch recover",
        )
    for ref in repo.refs("refs/remotes/"):
        if ref.split("/", 3)[3:] == [branch]:
            name = ref.removeprefix("refs/remotes/")
            take_up = f"tink serve --remote {name.partition('/')[0]}"
            raise Conflict(
                f"{name} was fetched already",
                hint=f"that is this site's status branch; to take it up: {take_up}",
            )


def _there_is_one(branch: str) -> Conflict:
    return Conflict(f"there is a branch {branch!r} already")


def _write_root(repo: GitRepo, files: PackFiles, branch: str, at_seconds: int | None) -> CommitId:
    builder = PackBuilder()
    trees = TreeEditor(EMPTY_TREE, lambda each: repo.object(each).content)
    trees.put(layout.FORMAT, FILE_MODE, builder.add("blob", codec.encode_format()))
    root = trees.write(lambda content: builder.add("tree", content)).hex()
    now = int(time.time()) if at_seconds is None else at_seconds
    text = commit_text(root, None, f"Begin branch {branch}\n", at_seconds=now)
    commit = CommitId(builder.add("commit", text).hex())
    files.add_durably(builder.build(pack_files.new_name()))
    return commit
