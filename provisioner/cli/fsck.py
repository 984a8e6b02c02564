"""`tink fsck`: the status branch proves itself from its own history."""

from __future__ import annotations

import sys

import click

from provisioner.cli import options, printing
from provisioner.cli.site import Site
from provisioner.store import fsck as checking


@click.command
@click.option("--since", metavar="REV", help="Trust what was written up to this commit.")
@options.site()
@options.output("text", default="text")
@click.pass_context
def fsck(ctx: click.Context, /, *, since: str | None, form: str) -> None:
    """Prove that no record ever changed and that every state follows from its events."""
    with Site.opened(options.where()) as site:
        known = site.repo.find_commit(since) if since else None
        with click.progressbar(
            length=1, label="commits", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            report = checking.check(site.repo, site.status_branch, since=known, progress=progress)
    if form != "text":
        printing.print_data(_as_data(report), form)
    elif report.commit is None:
        printing.note(f"there is no branch {site.status_branch!r}: nothing to prove")
    else:
        for problem in report.problems:
            click.echo(str(problem))
        found = f"{len(report.problems)} problems" if report.problems else "all is true"
        click.echo(
            f"{found}: {report.commits} commits, {report.workflows} workflows,"
            f" {report.events} events, up to {report.commit[:12]}"
        )
    ctx.exit(1 if report.problems else 0)


def _as_data(report: checking.FsckReport) -> dict[str, object]:
    return {
        "commit": report.commit,
        "commits": report.commits,
        "workflows": report.workflows,
        "events": report.events,
        "problems": [str(each) for each in report.problems],
    }
