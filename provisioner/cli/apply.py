"""`tink apply`: merge exactly what a plan was made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from provisioner.cli import options, plan_data, printing
from provisioner.cli.site import Site
from provisioner.errors import Conflict, NotFound, UserError
from provisioner.model.ids import CommitId
from provisioner.store.desired.merging import merge


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.site()
def apply(*, file: Path) -> None:
    """Merge what the plan in FILE (tink plan --out FILE) was made for, and nothing else.

    Refuses when the base or the head has moved since, and when the plan has problems.
    """
    made = _read(file)
    with Site.opened(options.where()) as site:
        site.check_writable()
        base, head = made["base"], made["head"]
        branch = made["branch"]
        tip = site.repo.branch(branch)
        if tip is None:
            raise NotFound("branch", branch, where="here")
        if tip == head["commit"] and tip != base["commit"]:
            hint = f"git push {site.remote or 'REMOTE'} {branch}"
            raise Conflict(f"{branch} is at {tip[:12]} already", hint=hint)
        _check_at(base["commit"], tip, branch)
        _check_at(head["commit"], site.find_commit(head["name"]), head["name"])
        done = merge(site.repo, branch, base=tip, head=CommitId(head["commit"]), name=head["name"])
        click.echo(f"merged {head['name']} ({head['commit'][:12]}) into {branch}: {done}")
        if site.remote:
            printing.note(f"git push {site.remote} {branch} brings it to the server")


def _read(file: Path) -> dict[str, Any]:
    try:
        made = json.loads(file.read_bytes())
        version = made["format_version"]
        known = made["base"]["commit"], made["head"]["commit"], made["head"]["name"], made["branch"]
        problems = made["summary"]["problems"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{file} holds no plan", hint="make one: tink plan --out FILE") from None
    if version != plan_data.FORMAT_VERSION or not all(isinstance(text, str) for text in known):
        raise UserError(
            f"{file} holds a plan of another version", hint="make it anew: tink plan --out FILE"
        )
    if problems:
        noun = "problem" if problems == 1 else "problems"
        raise UserError(f"the plan in {file} has {problems} {noun}", hint="mend them, plan again")
    return dict(made)


def _check_at(planned: str, found: CommitId, name: str) -> None:
    if planned != found:
        raise Conflict(
            f"{name} is at {found[:12]}, and the plan was made for {planned[:12]}",
            hint="plan again: tink plan --out FILE",
        )
