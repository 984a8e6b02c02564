"""`tink export`: the way back to Tinkerbell on Kubernetes, so that nobody is locked in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.cli import options, printing, table
from provisioner.cli.site import Site
from provisioner.documents.export import Export, Exportable
from provisioner.errors import Conflict, NotFound
from provisioner.model.views import DesiredState
from provisioner.model.workflow import WorkflowRequest

KINDS = ("hardware", "template", "workflow")


@click.command
@click.argument("names", nargs=-1, metavar="[ID|NAME]...")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only this kind.")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="A file each, there."
)
@options.site()
def export(*, names: tuple[str, ...], kinds: tuple[str, ...], folder: Path | None) -> None:
    """Write the desired branch as Kubernetes documents: `tink export | kubectl apply -f -`."""
    with Site.opened(options.where()) as site:
        desired = site.desired()
    exported = Export(document for kind in KINDS for document in _objects(desired, kind))
    for own, given in exported.renamed:
        printing.note(f"{table.plain(own)} is exported as {given}: its name would not be its alone")
    found = [document for kind in kinds or KINDS for document in _objects(desired, kind)]
    if names:
        known = {name: document for document in found for name in _names(document)}
        for name in names:
            if name not in known:
                raise NotFound("object", name)
        found = list({id(known[name]): known[name] for name in names}.values())
    texts = [(document, exported.text(document)) for document in found]
    for path in exported.left_out:
        printing.note(f"{table.plain(path)}: left out, today's Tinkerbell has no place for it")
    if folder is None:
        for _, text in texts:
            click.echo(f"---\n{text}", nl=False)
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty", hint="name a folder that does not exist yet")
    for document, text in texts:
        target = folder / document.source.path.replace("#", "-")
        target = target.with_suffix(".yaml")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8") as file:  # a file may hold several documents
            file.write(f"---\n{text}")
    printing.note(f"wrote {len(found)} documents to {folder}")


def _objects(desired: DesiredState, kind: str) -> Iterator[Exportable]:
    values: dict[str, list[Exportable]] = {
        "hardware": list(desired.hardware.values()),
        "template": list(desired.templates.values()),
        "workflow": list(desired.requests.values()),
    }
    yield from sorted(values[kind], key=lambda document: document.source.path)


def _names(document: Exportable) -> Iterator[str]:
    yield document.source.path
    if document.id is not None:
        yield document.id
    if not isinstance(document, WorkflowRequest):
        yield document.name
