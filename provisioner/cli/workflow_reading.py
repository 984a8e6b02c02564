"""`tink workflow get`, `list`, `state` and `events`: how workflows stand."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from provisioner.cli import options, printing, table, watching, workflow_views
from provisioner.cli.options import Shape
from provisioner.cli.site import Site
from provisioner.errors import NotFound
from provisioner.model.problem import Problem
from provisioner.model.state import State
from provisioner.model.summary import WorkflowSummary, summary_of
from provisioner.model.views import DesiredState, LiveWorkflow, Snapshot
from provisioner.services import event_view
from provisioner.services.queries import Queries


@click.command
@click.argument("ids", nargs=-1, metavar="[ID]...")
@options.site()
@options.listing
def get(*, ids: tuple[str, ...], shape: Shape) -> None:
    """Print the rendered workflow of each ID; without an ID, the list with states."""
    with Site.opened(options.where()) as site:
        if not ids and _is_short(shape):
            printing.print_list(_listed(site), _summaries(site, with_deleted=False), shape)
        elif not ids:
            printing.print_list(_listed(site), _not_deleted(site), shape)
        elif shape.classic_form or shape.ids_only or shape.form == "wide":
            # As classic tink, pass over unknown ids.
            known = [entry for id_text in ids if (entry := site.find_workflow(id_text))]
            printing.print_list(_listed(site, with_text=True), known, shape)
        elif shape.form == "table":
            for id_text in ids:
                printing.print_text(site.rendered(site.workflow_id(id_text)))
        else:
            entries = [site.workflow(id_text) for id_text in ids]
            shown = [
                workflow_views.workflow_data(entry, site.rendered(entry.id)) for entry in entries
            ]
            printing.print_data(printing.one_or_all(shown), shape.form)


@click.command("list")
@click.option("-a", "--all", "with_deleted", is_flag=True, help="Deleted workflows as well.")
@options.site()
@options.listing
def list_workflows(*, with_deleted: bool, shape: Shape) -> None:
    """List the workflows, newest last."""
    with Site.opened(options.where()) as site:
        queries: Queries | None = None
        listed: printing.Listed[Any] = printing.Listed(
            columns=workflow_views.LIST_COLUMNS,
            rows=lambda entry: [workflow_views.list_row(_summary(entry))],
            wide_columns=(*workflow_views.LIST_COLUMNS_WIDE, *table.columns("Waiting Reason")),
            wide_rows=lambda entry: [
                [
                    *workflow_views.list_row_wide(entry),
                    queries.waiting_reason(entry.id) if queries else "",
                ]
            ],
            ids=lambda entry: [entry.id],
            data=workflow_views.workflow_data,
            classic_data=lambda entry: workflow_views.classic_data(entry, None),
        )
        if _is_short(shape):
            printing.print_list(listed, _summaries(site, with_deleted=with_deleted), shape)
            return
        found = _all(site) if with_deleted else _not_deleted(site)
        queries = _queries_of_waiting(site, found) if shape.form == "wide" else None
        printing.print_list(listed, found, shape)


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
@options.output("table", "wide")
def state(*, ids: tuple[str, ...], form: str) -> None:
    """Print how far each workflow has come."""
    with Site.opened(options.where()) as site:
        entries = [site.workflow(id_text) for id_text in ids]
        queries = _queries_of_waiting(site, entries)
        reasons = {
            entry.id: queries.waiting_reason(entry.id) if queries else "" for entry in entries
        }
        blockers = {
            entry.id: queries.blocker_of(entry.id) if queries else None for entry in entries
        }
        if form in ("json", "yaml"):
            shown = [
                workflow_views.state_data(entry)
                | {
                    "waits_for": blockers[entry.id] or "",
                    "waiting_reason": reasons[entry.id],
                }
                for entry in entries
            ]
            printing.print_data(printing.one_or_all(shown), form)
            return
        for entry in entries:
            rows = workflow_views.state_rows(entry, is_wide=form == "wide")
            if blockers[entry.id]:
                rows.append(("Waits For Workflow", blockers[entry.id]))
            is_held = blockers[entry.id] or (queries and queries.refusal_of(entry.id))
            if reasons[entry.id] and (is_held or form == "wide"):
                rows.append(("Waiting Reason", reasons[entry.id]))
            click.echo(table.draw(workflow_views.STATE_COLUMNS, rows), nl=False)


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
@click.option("-w", "--watch", "is_watched", is_flag=True, help="Go on until all have ended.")
@options.output("table", "wide")
def events(*, ids: tuple[str, ...], is_watched: bool, form: str) -> None:
    """Print what has happened, oldest first; with --watch a line for each event as it comes."""
    with Site.opened(options.where()) as site:
        if is_watched:
            _watch(site, ids, form)
            return
        entries = [site.workflow(id_text) for id_text in ids]
        if form in ("json", "yaml"):
            shown = [event for entry in entries for event in event_view.events_of(entry)]
            printing.print_data(shown, form)
            return
        is_wide = form == "wide"
        columns = workflow_views.EVENT_COLUMNS_WIDE if is_wide else workflow_views.EVENT_COLUMNS
        rows = [
            row for entry in entries for row in workflow_views.event_rows(entry, is_wide=is_wide)
        ]
        click.echo(table.draw(columns, rows), nl=False)


def _listed(site: Site, *, with_text: bool = False) -> printing.Listed[Any]:
    """The list that `get` prints: classic tink v0.5's."""

    def classic(entry: LiveWorkflow) -> dict[str, object]:
        return workflow_views.classic_data(entry, site.rendered(entry.id) if with_text else None)

    return printing.Listed(
        columns=workflow_views.GET_COLUMNS,
        rows=lambda entry: [workflow_views.get_row(_summary(entry))],
        wide_columns=(*workflow_views.GET_COLUMNS, *workflow_views.MORE_COLUMNS),
        wide_rows=lambda entry: [
            [*workflow_views.get_row(_summary(entry)), *workflow_views.more_cells(entry)]
        ],
        ids=lambda entry: [entry.id],
        data=workflow_views.workflow_data,
        classic_data=classic,
    )


def _watch(site: Site, ids: tuple[str, ...], form: str) -> None:
    """Print the events that there are, then each one that comes, until all workflows are final."""
    shown: dict[str, int] = {}
    is_wide = form == "wide"
    for _ in watching.commits(site, lambda: site.status_tip):
        entries = [site.workflow(id_text) for id_text in ids]
        for entry in entries:
            if form in ("json", "yaml"):
                lines = [json.dumps(dict(event)) for event in event_view.events_of(entry)]
            else:
                rows = workflow_views.event_rows(entry, is_wide=is_wide)
                lines = ["\t".join(table.plain(cell) for cell in row) for row in rows]
            for line in lines[shown.get(entry.id, 0) :]:
                click.echo(line)
            shown[entry.id] = len(lines)
        sys.stdout.flush()
        if all(entry.context.is_final for entry in entries):
            return


def _queries_of_waiting(site: Site, entries: list[LiveWorkflow]) -> Queries | None:
    """Questions to the whole branch, and so only where a workflow stands between two actions."""
    waits = (
        entry.context.due_index is not None
        and entry.context.current_action_state is not State.RUNNING
        for entry in entries
    )
    return _queries(site) if any(waits) else None


def _queries(site: Site) -> Queries:
    view = site.status.load(site.status_tip)
    try:
        desired = site.desired()
    except NotFound:  # only the status branch was fetched
        desired = DesiredState()
    return Queries(Snapshot(desired=desired, status=view))


def _is_short(shape: Shape) -> bool:
    """Whether the list shows no more than a summary holds."""
    return (
        shape.ids_only
        or shape.classic_form in ("table", "csv")
        or shape == Shape(with_headers=shape.with_headers)
    )


def _summaries(site: Site, *, with_deleted: bool) -> list[WorkflowSummary]:
    found = site.status.iterate_summaries(site.status_tip, on_damage=_warn)
    known = (each for each in found if with_deleted or not each.is_deleted)
    return sorted(known, key=lambda each: (each.created_at, each.id))


def _summary(item: WorkflowSummary | LiveWorkflow) -> WorkflowSummary:
    return item if isinstance(item, WorkflowSummary) else summary_of(item)


def _all(site: Site) -> list[LiveWorkflow]:
    found = site.status.iterate_workflows(site.status_tip, on_damage=_warn)
    return sorted(found, key=lambda entry: (entry.record.created_at, entry.id))


def _not_deleted(site: Site) -> list[LiveWorkflow]:
    return [entry for entry in _all(site) if not entry.context.is_deleted]


def _warn(problem: Problem) -> None:
    printing.note(f"Warning: {problem}")
