"""`tink plan`: what a merge would do, before it is merged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from provisioner.cli import options, plan_data, plan_markdown, plan_text, printing, table
from provisioner.cli.site import Site
from provisioner.errors import NotFound
from provisioner.model.ids import CommitId
from provisioner.model.views import StatusView
from provisioner.services import merge_preview
from provisioner.services.merge_preview import Preview

NOTHING, ERROR, CHANGES = 0, 1, 2  # exit codes with --detailed-exitcode


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What is merged into what: the words of the person, and the commits that they mean."""

    base_name: str
    base: CommitId
    head_name: str
    head: CommitId


@click.command
@click.option("--base", metavar="REF", help="Where it is merged (default: what a server follows).")
@click.option("--head", metavar="REF", default="HEAD", show_default=True, help="What is merged.")
@options.output("text", "markdown", default="text")
@click.option(
    options.DETAILED_EXIT_CODE,
    "is_detailed",
    is_flag=True,
    help="Exit with 2 when there are changes.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the plan to a file, for tink apply.",
)
@click.option(
    "--idle",
    type=click.Choice(["ignore", "memory"]),
    default="ignore",
    show_default=True,
    help="As tink serve --idle says it.",
)
@options.site()
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    *,
    base: str | None,
    head: str,
    form: str,
    is_detailed: bool,
    out: Path | None,
    idle: str,
) -> None:
    """Show what merging HEAD would do: workflows, machines, actions, boots, problems.

    Computed from the merge's result by the code that a server runs. Nothing is changed. Exit
    code 1 means that there are problems; with --detailed-exitcode 0 means that nothing changes,
    and 2 that something does.
    """
    with Site.opened(options.where()) as site:
        commit = site.status_commit
        status = site.status.load(commit) if commit else None
        ends = find_ends(site, status, base, head)
        found = merge_preview.preview(
            site.repo,
            base=ends.base,
            head=ends.head,
            branch=site.followed,
            status=status,
            idle=idle,
        )
        unknown = _unknown(site, ends, found, status)
    about: dict[str, object] = {
        "branch": site.followed,
        "base": {"name": ends.base_name, "commit": found.base},
        "head": {"name": ends.head_name, "commit": found.head},
        "status": commit,
        "unknown": unknown,
    }
    data = plan_data.plan_data(found.plan, about)
    if out is not None:
        out.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    heading = f"{ends.head_name} ({found.head[:12]}) into {ends.base_name} ({found.base[:12]})"
    if form == "markdown":
        click.echo(plan_markdown.comment(found.plan, heading, unknown), nl=False)
    elif form == "text":
        for line in (f"tink plan: {table.plain(heading)}", "", *plan_text.lines(found.plan)):
            click.echo(line)
        click.echo(plan_text.summary(found.plan))
    else:
        printing.print_data(data, form)
    for text in unknown:
        printing.note(text)
    if found.plan.errors:
        ctx.exit(ERROR)
    ctx.exit(CHANGES if is_detailed and found.plan.has_changes else NOTHING)


def find_ends(site: Site, status: StatusView | None, base: str | None, head: str) -> Ends:
    """The commits that two names mean; without a base, where a server's branch stands.

    On that branch itself, what was committed and not pushed is planned: the base is then the
    remote's, or what the server applied last.
    """
    head_commit = site.find_commit(head)
    if base is not None:
        return Ends(base_name=base, base=site.find_commit(base), head_name=head, head=head_commit)
    site.check_followed_is_known()
    there = site.tracked(site.followed)
    if there is not None:
        return Ends(
            base_name=f"{site.remote}/{site.followed}", base=there, head_name=head, head=head_commit
        )
    try:
        tip = site.followed_commit
    except NotFound:
        hint = f"git fetch {site.remote or 'REMOTE'} {site.followed}, or give --base"
        raise NotFound("commit", site.followed, hint=hint) from None
    applied = status.reconcile.desired_commit if status is not None else None
    if head_commit == tip and applied and site.repo.find_object(applied) is not None:
        tip = applied
    return Ends(base_name=site.followed, base=tip, head_name=head, head=head_commit)


def _unknown(site: Site, ends: Ends, found: Preview, status: StatusView | None) -> list[str]:
    """What the plan could not know, or took otherwise than it was asked."""
    said = []
    if status is None:
        said.append(
            f"There is no branch {site.status_branch} here, so the state of workflows and the"
            f" installed machines are not known: every request of {ends.base_name} is taken for"
            f" one that became a workflow. {site.how_to_get_status}."
        )
    if found.base != ends.base:
        said.append(
            f"{ends.base_name} is behind the server, which has applied {found.base[:12]}: that is"
            " what the plan starts from."
        )
    return said
