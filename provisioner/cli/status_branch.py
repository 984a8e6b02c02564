"""`tink status-branch`: the status branch as a thing of its own."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import click

from provisioner.cli import options, printing, table
from provisioner.cli.site import Site
from provisioner.errors import Conflict


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
    from provisioner.store import begin as beginning

    where = options.where()
    with Site.opened(where) as site:
        if site.is_remote:
            commit = beginning.begin_at(site.repo, where.repo, site.status_branch)
        else:
            commit = beginning.begin(site.repo, site.status_branch)
    printing.note(f"began branch {where.status_branch} with commit {commit[:12]}")


@status_branch.command
@options.site()
@options.output("table")
def stats(*, form: str) -> None:
    """Print how much the branch holds, and what that takes on the disk."""
    from provisioner.store import maintenance

    with Site.opened(options.where()) as site:
        found = maintenance.as_dict(maintenance.stats(site.repo, site.status_branch))
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
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


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
    from provisioner.store import layout, retention
    from provisioner.store.status_writer import StatusWriter

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
