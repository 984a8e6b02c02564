"""`tink workflow logs`: the end of what each action printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from provisioner.cli import options, printing
from provisioner.cli.site import Site
from provisioner.errors import NotFound
from provisioner.model.event import ActionReported
from provisioner.model.state import State
from provisioner.model.views import LiveWorkflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one action, and how it went last."""

    action_index: int
    attempt: int
    task_name: str
    action_name: str
    status: State


@click.command
@click.argument("workflow", metavar="ID")
@click.option("--action", "name", help="Only the action of that name, or number (from 0).")
@click.option("--attempt", type=click.IntRange(1), help="Only that attempt.")
@options.site()
@options.output("text", default="text")
def logs(*, workflow: str, name: str | None, attempt: int | None, form: str) -> None:
    """Print the stored output of the actions: the last 64 KiB of each run."""
    with Site.opened(options.where()) as site:
        entry = site.workflow(workflow)
        wanted = [
            run
            for run in _runs(entry)
            if name in (None, run.action_name, str(run.action_index))
            and attempt in (None, run.attempt)
        ]
        if not wanted and (name is not None or attempt is not None):
            raise NotFound("run", f"{name or 'any action'}, attempt {attempt or 'any'}")
        shown = [(run, _read(site, entry, run)) for run in wanted]
    if form != "text":
        printing.print_data([_as_data(run, content) for run, content in shown], form)
    elif len(shown) == 1 and name is not None:
        printing.print_bytes(shown[0][1])
    else:
        for run, content in shown:
            click.secho(_title(run), bold=True)
            ends = not content or content.endswith(b"\n")
            printing.print_bytes(content if ends else content + b"\n")


def _runs(entry: LiveWorkflow) -> Iterator[Run]:
    newest: dict[tuple[int, int], ActionReported] = {}
    for event in entry.events:
        if isinstance(event, ActionReported):
            newest[event.action_index, event.attempt] = event
    for (index, attempt), event in sorted(newest.items()):
        yield Run(
            action_index=index,
            attempt=attempt,
            task_name=event.task_name,
            action_name=event.action_name,
            status=event.action_status,
        )


def _read(site: Site, entry: LiveWorkflow, run: Run) -> bytes:
    content = site.status.read_log(
        entry.id, action_index=run.action_index, attempt=run.attempt, commit=site.status_tip
    )
    return content or b""


def _title(run: Run) -> str:
    again = f", attempt {run.attempt}" if run.attempt > 1 else ""
    return f"== {run.action_index} {run.task_name} / {run.action_name}{again}: {run.status}"


def _as_data(run: Run, content: bytes) -> dict[str, object]:
    return {
        "action_index": run.action_index,
        "attempt": run.attempt,
        "task_name": run.task_name,
        "action_name": run.action_name,
        "action_status": run.status.value,
        "log": content.decode(errors="replace"),
    }
