"""`tink workflow get`, `list`, `state` and `events`: how workflows stand."""

from __future__ import annotations

import click

from provisioner.cli import options, printing, table, workflow_views
from provisioner.cli.options import Shape
from provisioner.cli.site import Site
from provisioner.errors import NotFound
from provisioner.model.ids import WorkflowId
from provisioner.model.state import State
from provisioner.model.views import LiveWorkflow


@click.command
@click.argument("ids", nargs=-1, metavar="[ID]...")
@options.site()
@options.listing
def get(*, ids: tuple[str, ...], shape: Shape) -> None:
    """Print the rendered workflow of each ID; without an ID, the list with states."""
    with Site.opened(options.where()) as site:
        if not ids:
            printing.print_list(_listed(site), _not_deleted(site), shape)
        elif shape.classic_form or shape.ids_only or shape.form == "wide":
            # As classic tink, pass over unknown ids.
            known = [entry for each in ids if (entry := site.find_workflow(each))]
            printing.print_list(_listed(site, with_text=True), known, shape)
        elif shape.form == "table":
            for each in ids:
                printing.print_text(site.rendered(site.workflow_id(each)))
        else:
            entries = [site.workflow(each) for each in ids]
            told = [workflow_views.workflow_data(each, site.rendered(each.id)) for each in entries]
            printing.print_data(printing.one_or_all(told), shape.form)


@click.command("list")
@click.option("-a", "--all", "with_deleted", is_flag=True, help="Deleted workflows as well.")
@options.site()
@options.listing
def list_workflows(*, with_deleted: bool, shape: Shape) -> None:
    """List the workflows, newest last."""
    with Site.opened(options.where()) as site:
        found = _all(site) if with_deleted else _not_deleted(site)
        listed = printing.Listed(
            columns=workflow_views.LIST_COLUMNS,
            rows=lambda entry: [workflow_views.list_row(entry)],
            wide_columns=workflow_views.LIST_COLUMNS_WIDE,
            wide_rows=lambda entry: [workflow_views.list_row_wide(entry)],
            ids=lambda entry: [entry.id],
            data=workflow_views.workflow_data,
            classic_data=lambda entry: workflow_views.classic_data(entry, None),
        )
        printing.print_list(listed, found, shape)


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
@options.output("table", "wide")
def state(*, ids: tuple[str, ...], form: str) -> None:
    """Print how far each workflow has come."""
    with Site.opened(options.where()) as site:
        entries = [site.workflow(each) for each in ids]
        waits_for = _waits_for(site, entries)
        if form in ("json", "yaml"):
            told = [
                workflow_views.state_data(each) | {"waits_for": waits_for.get(each.id, "")}
                for each in entries
            ]
            printing.print_data(printing.one_or_all(told), form)
            return
        for entry in entries:
            rows = workflow_views.state_rows(entry, is_wide=form == "wide")
            if entry.id in waits_for:
                rows.append(("Waits For Workflow", waits_for[entry.id]))
            click.echo(table.draw(workflow_views.STATE_COLUMNS, rows), nl=False)


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
@options.output("table", "wide")
def events(*, ids: tuple[str, ...], form: str) -> None:
    """Print what has happened, oldest first; an unknown id has no events."""
    with Site.opened(options.where()) as site:
        entries = [entry for each in ids if (entry := _known_or_told(site, each))]
        if form in ("json", "yaml"):
            told = [
                {"workflow_id": entry.id, **workflow_views.event_data(event)}
                for entry in entries
                for event in entry.events
            ]
            printing.print_data(told, form)
            return
        is_wide = form == "wide"
        columns = workflow_views.EVENT_COLUMNS_WIDE if is_wide else workflow_views.EVENT_COLUMNS
        rows = [
            row for entry in entries for row in workflow_views.event_rows(entry, is_wide=is_wide)
        ]
        click.echo(table.draw(columns, rows), nl=False)


def _listed(site: Site, *, with_text: bool = False) -> printing.Listed[LiveWorkflow]:
    """The list that `get` prints: classic tink v0.5's."""

    def classic(entry: LiveWorkflow) -> dict[str, object]:
        return workflow_views.classic_data(entry, site.rendered(entry.id) if with_text else None)

    return printing.Listed(
        columns=workflow_views.GET_COLUMNS,
        rows=lambda entry: [workflow_views.get_row(entry)],
        wide_columns=(*workflow_views.GET_COLUMNS, *workflow_views.MORE_COLUMNS),
        wide_rows=lambda entry: [
            [*workflow_views.get_row(entry), *workflow_views.more_cells(entry)]
        ],
        ids=lambda entry: [entry.id],
        data=workflow_views.workflow_data,
        classic_data=classic,
    )


def _waits_for(site: Site, entries: list[LiveWorkflow]) -> dict[WorkflowId, WorkflowId]:
    """The older workflow that the next worker is busy with, where there is one.

    Reads the whole branch, and so only where a workflow stands between two actions.
    """
    due = {
        entry.id: entry.record.actions[entry.context.due_index].worker_id
        for entry in entries
        if entry.context.due_index is not None
        and entry.context.current_action_state is not State.RUNNING
    }
    if not due:
        return {}
    view = site.status.load(site.status_commit)
    heads = {workflow: view.head_of_queue(worker) for workflow, worker in due.items()}
    return {workflow: head for workflow, head in heads.items() if head and head != workflow}


def _all(site: Site) -> list[LiveWorkflow]:
    commit = site.status_commit
    found = site.status.iterate_workflows(commit) if commit else ()
    return sorted(found, key=lambda entry: (entry.record.created_at, entry.id))


def _not_deleted(site: Site) -> list[LiveWorkflow]:
    return [entry for entry in _all(site) if not entry.context.is_deleted]


def _known_or_told(site: Site, workflow_id: str) -> LiveWorkflow | None:
    """Classic tink prints an empty table for an unknown id; the person is told why."""
    try:
        return site.workflow(workflow_id)
    except NotFound as error:
        printing.note(f"Warning: {error.message}")
        return None
