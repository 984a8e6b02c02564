"""`tink accept`: let a server obey a commit that it would not obey by itself."""

from __future__ import annotations

from collections.abc import Iterator

import click

from provisioner.cli import options, printing
from provisioner.cli.site import Site
from provisioner.errors import Conflict, UserError
from provisioner.model.ids import CommitId
from provisioner.model.state import FINAL
from provisioner.services import validation
from provisioner.services.remotes import DesiredTip
from provisioner.services.validation import Verdict
from provisioner.store.desired import clone
from provisioner.store.desired.acceptance import Acceptance, descends
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.guard.memory import Memory
from provisioner.store.status import checkpoint

_SHOWN = 20  # deletions, one by one


@click.command
@click.argument("revision", metavar="COMMIT")
@click.option("-n", "--dry-run", is_flag=True, help="Only print what it would do.")
@options.site()
def accept(*, revision: str, dry_run: bool) -> None:
    """Let the server obey COMMIT (an id or its beginning, or a branch), whatever it deletes.

    Needed where /readyz says desired-not-accepted: the branch was forced to another history,
    or a commit deletes much at once. Works in the server's own repository, beside the running
    server or while it is down.
    """
    with Site.opened(options.where()) as site:
        if site.is_remote:
            raise UserError(
                "a remote URL is only read",
                hint="run it where the server runs; or push a commit with a Tink-Accept trailer",
            )
        if site.repo.branch(site.status_branch) is None:
            raise UserError(
                f"no server serves this repository: it has no branch {site.status_branch!r}",
                hint="run it where the server runs; or push a commit with a Tink-Accept trailer",
            )
        tip = _tip(site)
        commit = tip if revision == site.followed else site.find_commit(revision)
        if not descends(site.repo, tip, commit):
            raise Conflict(
                f"branch {site.followed} is at {tip[:12]}, which does not hold {commit[:12]}",
                hint=f"accept what the branch holds: tink accept {tip}",
            )
        applied = Memory(site.repo).accepted_desired(site.followed)
        status = checkpoint.load(site.status)
        applied = applied or status.reconcile.desired_commit
        verdict = validation.judge(DesiredStore(site.repo, site.followed), commit, status)
        if applied and descends(site.repo, applied, commit):
            printing.note(f"nothing to accept: {commit[:12]} was applied already")
            return
        for line in _effect(site, verdict, commit, applied):
            click.echo(line)
        if not dry_run:
            Acceptance(site.repo, site.followed).accept(commit)
            click.echo(f"accepted {commit}: the server obeys it within seconds, or when it starts")


def _tip(site: Site) -> CommitId:
    """Where the server sees the branch: in its clone of a remote, that is the remote's."""
    if not clone.is_our_clone(site.repo):
        return site.followed_commit
    return DesiredTip(site.repo, site.followed, site.remote)() or site.followed_commit


def _effect(
    site: Site, verdict: Verdict, commit: CommitId, applied: CommitId | None
) -> Iterator[str]:
    subject = site.repo.commit(commit).message.partition("\n")[0]
    yield f"{site.followed} at {commit[:12]} ({subject})"
    if applied and site.repo.find_object(applied) is None:
        yield f"  comes in place of {applied[:12]}, which is not in this repository any more"
    elif applied and not descends(site.repo, commit, applied):
        words = ("--count", "--end-of-options", applied, f"^{commit}")
        count = int(site.repo.run("rev-list", *words))
        yield f"  leaves out {count} commit{'s' * (count != 1)} up to {applied[:12]}"
    plan = verdict.plan
    deleted = [deletion.workflow_id for deletion in plan.deletions]
    states = {workflow_id: verdict.status.workflows[workflow_id].state for workflow_id in deleted}
    unfinished = [workflow_id for workflow_id, state in states.items() if state not in FINAL]
    for workflow in unfinished[:_SHOWN]:
        yield f"  deletes workflow {workflow} ({states[workflow].removeprefix('STATE_').lower()})"
    if len(unfinished) > _SHOWN:
        yield f"  deletes {len(unfinished) - _SHOWN} more unfinished workflows"
    if len(states) > len(unfinished):
        yield f"  deletes {len(states) - len(unfinished)} workflows that have ended"
    if plan.creations:
        yield f"  runs {len(plan.creations)} new workflow{'s' * (len(plan.creations) != 1)}"
