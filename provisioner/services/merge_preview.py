"""What merging one commit into another would do, read from a repository.

The files are those of the merge's result: a branch that is behind neither lacks what came to the
desired branch meanwhile, nor brings back what was deleted there.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.errors import UserError
from provisioner.git import merging
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.views import StatusView
from provisioner.planning import compare_merge
from provisioner.planning.merge_plan import MergePlan
from provisioner.services import desired_loader
from provisioner.store.desired.reading import DesiredStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`base` is the commit that the plan starts from: the one asked for, or the one that the
    server has applied, where that is newer."""

    plan: MergePlan
    base: CommitId
    head: CommitId


def preview(
    repo: GitRepo,
    *,
    base: CommitId,
    head: CommitId,
    branch: str,
    status: StatusView | None,
    idle: str = "ignore",
) -> Preview:
    """Plan the merge of `head` into `base`, commits of `repo`.

    `status` is what the status branch says, or None where nobody has it.  Raises `Conflict` where
    git can't merge, and `UserError` where the two have no commit in common here.
    """
    known = status or StatusView()
    start = _newest(repo, base, known.reconcile.desired_commit)
    if repo.merge_base(start, head) is None:
        raise UserError(
            f"{start[:12]} and {head[:12]} have no commit in common in this repository",
            hint=_why_apart(repo),
        )
    with merging.as_commit(repo, start, head) as (result_repo, result):
        store = DesiredStore(result_repo, branch)
        before = desired_loader.load(store, start, known.reconcile.in_force).state
        after = desired_loader.follow(store, before, result).state
    plan = compare_merge.compare(before, after, known, knows_status=status is not None, idle=idle)
    return Preview(plan=plan, base=start, head=head)


def _newest(repo: GitRepo, base: CommitId, applied: CommitId | None) -> CommitId:
    """What the server has applied, where the base is behind that."""
    if applied is None or applied == base or repo.find_object(applied) is None:
        return base
    return applied if repo.is_ancestor(base, applied) else base


def _why_apart(repo: GitRepo) -> str:
    if repo.is_shallow:
        return "the clone is shallow: git fetch --unshallow, or fetch-depth: 0 in CI"
    return "they are of unrelated histories"
