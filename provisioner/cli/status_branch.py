"""`tink status-branch`: the status branch as a thing of its own."""

from __future__ import annotations

import click

from provisioner.cli import options, printing, table
from provisioner.cli.site import Site


@click.group("status-branch")
@options.site()
def status_branch() -> None:
    """Look at the status branch itself."""


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
    rows = [(name.replace("_", " ").capitalize(), value) for name, value in found.items()]
    click.echo(table.draw(table.columns("Field Name", "Value"), rows), nl=False)
