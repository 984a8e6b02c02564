"""`tink fsck`: the status branch proves itself from its own history."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from provisioner.cli import options, printing
from provisioner.cli.site import Site
from provisioner.model.problem import Problem
from provisioner.store.fsck import fsck as checking
from provisioner.store.guard import losses


@click.command
@click.option("--since", metavar="REV", help="Trust what was written up to this commit.")
@options.site()
@options.output("text", default="text")
@click.pass_context
def fsck(ctx: click.Context, /, *, since: str | None, form: str) -> None:
    """Prove that no record ever changed and that every state follows from its events.

    In a clone, of what was fetched last; where a server runs, also that nothing it wrote is lost.
    """
    with Site.opened(options.where()) as site:
        known = site.repo.find_commit(since) if since else None
        with click.progressbar(
            length=1, label="commits", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = total
                bar.update(done - bar.pos)

            report = checking.check(
                site.repo,
                site.status_branch,
                since=known,
                tip=site.status_commit,
                progress=progress,
            )
        lost = tuple(losses.problems(site.repo, site.status_branch))
    report = replace(report, problems=(*lost, *report.problems))
    if site.repo.is_shallow and report.commit is not None:
        report = replace(report, problems=(_cut_off(site), *report.problems))
    if report.commit is None and not lost:
        report = replace(report, problems=(_nothing(site),))
    if form != "text":
        printing.print_data(_as_data(report), form)
    else:
        for problem in report.problems:
            click.echo(str(problem))
    if form == "text" and report.commit is not None:
        found = f"{len(report.problems)} problems" if report.problems else "all is true"
        click.echo(
            f"{found}: {report.commits} commits, {report.workflows} workflows,"
            f" {report.events} events, up to {report.commit[:12]}"
        )
    ctx.exit(1 if report.problems else 0)


def _nothing(site: Site) -> Problem:
    """Nothing to prove is no proof: where there is a site, there is a status branch."""
    message = "there is no such branch: nothing to prove"
    return Problem(
        path=site.status_branch, code="fsck.nothing", message=message, hint=site.how_to_get_status
    )


def _cut_off(site: Site) -> Problem:
    """A history without its beginning proves nothing of what was before."""
    return Problem(
        path=site.status_branch,
        code="fsck.shallow",
        message="the clone is shallow: its history was cut off, and only the rest was checked",
        hint=f"git fetch --unshallow {site.remote}".rstrip(),
    )


def _as_data(report: checking.FsckReport) -> dict[str, object]:
    return {
        "commit": report.commit,
        "commits": report.commits,
        "workflows": report.workflows,
        "events": report.events,
        "problems": [str(problem) for problem in report.problems],
    }
