"""`tink workflow`: ask for workflows and look at them."""

from __future__ import annotations

import click

from provisioner.cli import options
from provisioner.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    package="provisioner.cli",
    verbs={
        "create": ("workflow_request.create", "Ask for a workflow; prints its id."),
        "get": ("workflow_reading.get", "Print rendered workflows, or the list with states."),
        "list": ("workflow_reading.list_workflows", "List the workflows, newest last."),
        "state": ("workflow_reading.state", "Print how far each workflow has come."),
        "events": ("workflow_reading.events", "Print what has happened, oldest first."),
        "data": ("workflow_data.data", "Print what the workers share."),
        "logs": ("workflow_logs.logs", "Print the stored output of the actions."),
        "delete": ("workflow_request.delete", "Delete workflows; what runs is cancelled."),
    },
)
@options.site()
def workflow() -> None:
    """Workflows: the template of one, the machines of many, and how far it has come."""
