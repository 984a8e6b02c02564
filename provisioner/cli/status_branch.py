"""`tink status-branch`: the status branch as a thing of its own."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from provisioner.cli import options, printing, table
from provisioner.cli.site import Site
from provisioner.errors import Conflict
from provisioner.git.repo import GitRepo
from provisioner.model import times

if TYPE_CHECKING:
    from provisioner.store.guard.recovery import Choice


@click.group("status-branch")
@options.site()
def status_branch() -> None:
    """Look at the status branch itself."""


@status_branch.command
@options.site()
def begin() -> None:
    """Begin the branch of a site that no server ever served; --repo may be a remote's URL.

    `tink init` does so too. Where a server served the site already, fetch or recover the
    branch that it wrote: with a new one everything would run again.
    """
    from provisioner.store.guard import begin as beginning

    where = options.where()
    with Site.opened(where) as site:
        if site.is_remote:
            commit = beginning.begin_at(site.repo, where.repo, site.status_branch)
        else:
            commit = beginning.begin(site.repo, site.status_branch)
    printing.note(f"began branch {where.status_branch} with commit {commit[:12]}")


@status_branch.command
@click.option(
    "--accept",
    metavar="COMMIT",
    help="Go on with what somebody put there, and give up what the server wrote.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be given up, and do nothing.")
@options.site()
def recover(*, accept: str | None, dry_run: bool) -> None:
    """Put the branch back to where the server left it, after somebody else moved it.

    Works beside a running server, which goes on within seconds, and while none runs. What is
    given up stays in the repository, under the name that is printed.
    """
    from provisioner.store.guard import recovery

    with Site.opened(options.where()) as site:
        site.check_writable()
        found = recovery.choices(site.repo, site.status_branch)
        accepted = site.repo.find_commit(accept) if accept else None
        if accepted is not None and accepted not in [divergence.found for divergence in found]:
            raise Conflict(f"no branch that needs a decision is at {accepted}")
        if not found:
            printing.note(f"branch {site.status_branch} is where the server left it")
        for choice in found:
            is_accepted = accepted is not None and choice.found == accepted
            if accepted is None or is_accepted:
                _recover(site.repo, choice, is_accepted=is_accepted, dry_run=dry_run)


def _recover(repo: GitRepo, choice: Choice, *, is_accepted: bool, dry_run: bool) -> None:
    from provisioner.store.guard import recovery

    now = f"is at {choice.found[:12]}" if choice.found else "is gone"
    was = choice.ours[:12]
    printing.note(f"branch {choice.name} {now}; a server left it at {was}: {choice.meaning}")
    pair = (choice.ours, choice.found)
    staying, given_up = reversed(pair) if is_accepted else pair
    lost = recovery.loss(repo, staying, given_up)
    if lost is None:
        printing.note("what would be given up is not in this repository any more")
    else:
        printing.note(f"commits that are given up: {lost.commits}")
        for subject in lost.subjects:
            printing.note(f"  {subject}")
    if dry_run:
        if choice.found and not is_accepted:
            printing.note(
                f"Hint: to go on with it: tink status-branch recover --accept {choice.found}"
            )
        return
    if is_accepted:
        recovery.request(repo, choice)
        click.echo(f"branch {choice.name} goes on from {choice.found}, as soon as a server runs")
        return
    if choice.remote:
        recovery.request(repo, choice, keep_ours=True)
        click.echo(f"branch {choice.name} is put back to {choice.ours}, as soon as a server runs")
        return
    name = recovery.put_back(repo, choice)
    click.echo(f"put branch {choice.branch} back to {choice.ours}")
    if name:
        printing.note(f"what was there is saved as {name}")


@status_branch.command
@options.site()
def protect() -> None:
    """Have pushes move the branches of this repository forward only, and never delete them.

    `tink init --bare` does so too. It also turns git's automatic gc off.
    """
    from provisioner.store.desired import protection

    with Site.opened(options.where()) as site:
        site.check_writable()
        protection.protect(site.repo, desired=site.branch, status=site.status_branch)
        printing.note(f"pushes move {site.branch} and {site.status_branch} forward only")


@status_branch.command
@options.site()
@options.output("table")
def stats(*, form: str) -> None:
    """Print how much the branch holds, and what that takes on the disk."""
    from provisioner.store.desired import protection
    from provisioner.store.upkeep import maintenance

    with Site.opened(options.where()) as site:
        stats = maintenance.stats(site.repo, site.status_branch, tip=site.status_tip)
        found = maintenance.as_dict(stats)
        found["is_protected"] = protection.is_protected(
            site.repo, desired=site.branch, status=site.status_branch
        )
    if form != "table":
        printing.print_data(found, form)
        return
    shown = found | {"last_maintenance_at": _moment(found["last_maintenance_at"])}
    rows = [(name.replace("_", " ").capitalize(), value) for name, value in shown.items()]
    click.echo(table.draw(table.columns("Field Name", "Value"), rows), nl=False)


def _moment(at: object) -> str:
    """A Unix time as people read it; 0 is never."""
    if not isinstance(at, float) or not at:
        return "never"
    return times.to_the_second(at)


@status_branch.command
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    required=True,
    help="Of the workflows that ended, those that did so this long ago.",
)
@options.site()
def archive(*, older_than: float) -> None:
    """Move finished workflows out of the tip of the branch; every command still finds them."""
    from provisioner.store.status import layout
    from provisioner.store.upkeep import retention
    from provisioner.store.writer.status_writer import StatusWriter

    with Site.opened(options.where()) as site:
        site.check_writable()
        if site.repo.branch(site.status_branch) is None:
            printing.note(f"there is no branch {site.status_branch!r}: nothing to archive")
            return
        try:
            writer = StatusWriter(site.repo, site.status_branch)
        except Conflict as conflict:
            raise Conflict(
                str(conflict), hint="that server can do it: tink serve --archive-after DAYS"
            ) from None
        with contextlib.closing(writer):
            now = time.time()
            done = retention.run(
                writer,
                ended_before=retention.days_before(now, older_than),
                at_seconds=int(now),
            )
    many = f"{done.workflows} finished workflow{'s' * (done.workflows != 1)}"
    click.echo(f"archived {many} on branch {layout.archive_branch(site.status_branch)}")


@status_branch.command
@options.site()
def mend() -> None:
    """Put damaged files back as they were known last; what is set aside is served again.

    Stop the server first. History is not rewritten: the command adds a commit.
    """
    from provisioner.store.guard import mending
    from provisioner.store.writer.status_writer import StatusWriter

    with Site.opened(options.where()) as site:
        site.check_writable()
        try:
            writer = StatusWriter(site.repo, site.status_branch)
        except Conflict as conflict:
            raise Conflict(str(conflict), hint="stop that server first") from None
        with contextlib.closing(writer):
            done = mending.run(writer)
    for path in done.paths:
        click.echo(f"put back {path}")
    for problem in done.left:
        printing.note(f"Warning: {problem}")
    if done.commit is not None:
        printing.note(f"committed on branch {site.status_branch} as {done.commit[:12]}")
    elif not done.left:
        printing.note("nothing is damaged")
    if done.left:
        printing.note("Hint: fetch what is lost from a clone or a back-up, and repeat this")
        raise click.exceptions.Exit(1)
