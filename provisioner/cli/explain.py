"""`tink explain`: what a field means, in the schema's own words."""

from __future__ import annotations

import click


@click.command
@click.argument("topic", default="")
def explain(*, topic: str) -> None:
    """Print what a document or a field means: `tink explain workflow.hardware`."""
    from provisioner.documents import explain as explaining

    click.echo(explaining.explain(topic), nl=False)
