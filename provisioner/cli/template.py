"""`tink template`: the templates of the desired branch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from provisioner.cli import commit, options, printing, proposal, reading, template_views
from provisioner.cli.options import Shape
from provisioner.cli.site import Site
from provisioner.documents import template_text
from provisioner.documents.layout import FOLDER_OF, Kind
from provisioner.errors import Ambiguous, Conflict, NotFound, UserError
from provisioner.model import ids as model_ids
from provisioner.model.ids import TemplateId
from provisioner.model.template import Template
from provisioner.model.views import DesiredState
from provisioner.planning.template_cache import TemplateCache

NOTHING_GIVEN = "either pipe the template or provide the required '--file' flag"

FILE = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


@click.group
@options.site()
def template() -> None:
    """Templates: Go-template text that becomes a workflow when it is rendered."""


@template.command
@click.option("--file", "-p", "--path", "path", type=FILE, help="The template's file.")
@click.option("-n", "--name", help="The template's name, written into its text.")
@options.site()
def create(*, path: Path | None, name: str | None) -> None:
    """Add a template from a pipe or a file, unchanged but for --name; prints its id."""
    text, source = reading.piped_or_file(path, nothing_given=NOTHING_GIVEN)
    with Site.opened(options.where()) as site:
        site.check_writable()
        text, new = _named(text, source, name)
        desired = site.desired()
        _check_free(desired, new, hint=f"tink template update {new.id} --file {source}")
        file_name = commit.file_name(new.name, new.id)
        target = f"{FOLDER_OF[Kind.TEMPLATE]}/{file_name}.yaml"
        target = commit.free_path(desired, target, new.id[:8])
        proposal.check(desired, {target: text})
        commit.write(site, {target: text}, f"Add template {new.name}")
    click.echo(f"Created Template:  {new.id}")


@template.command
@click.argument("ids", nargs=-1, metavar="[ID|NAME]...")
@options.site()
@options.listing
def get(*, ids: tuple[str, ...], shape: Shape) -> None:
    """Print the text of each template; without an ID, the list."""
    with Site.opened(options.where()) as site:
        desired = site.desired()
        if ids and shape == Shape():
            for id_text in ids:
                printing.print_text(_get(desired, id_text).text)
            return
        dated = template_views.dated(site, desired)
        if ids:
            wanted = [_get(desired, id_text).id for id_text in ids]
            dated = [item for item in dated if item.template.id in wanted]
        printing.print_list(template_views.GET, dated, shape)


@template.command("list")
@options.site()
@options.listing
def list_templates(*, shape: Shape) -> None:
    """List the templates by name."""
    with Site.opened(options.where()) as site:
        dated = template_views.dated(site, site.desired())
        printing.print_list(template_views.LIST, dated, shape)


@template.command
@click.argument("ids", nargs=-1, required=True, metavar="ID|NAME")
@click.option("--file", "-p", "--path", "path", type=FILE, help="The new text.")
@click.option("-n", "--name", help="Its new name, from which its id follows.")
@options.site()
def update(*, ids: tuple[str, ...], path: Path | None, name: str | None) -> None:
    """Replace a template's text or name. Workflows that exist keep the old one."""
    if len(ids) > 1:
        raise click.UsageError("one text is for one template")
    with Site.opened(options.where()) as site:
        site.check_writable()
        desired = site.desired()
        old = _get(desired, ids[0])
        if name is not None and path is None:
            text, source = old.text.encode("utf-8", "surrogateescape"), old.source.path
        else:
            text, source = reading.piped_or_file(path, nothing_given=NOTHING_GIVEN)
        text, new = _named(text, source, name)
        if name is not None and name != old.name:
            _check_free(desired, new, hint="choose another name")
        elif new.name != old.name:
            raise UserError(
                f"{source} is the template {new.name!r}, not {old.name!r}",
                hint="a template's id follows from its name; for a new name: tink template create",
            )
        target = old.source.path
        if old.is_kubernetes:
            raise UserError(
                f"{target} is a Kubernetes document",
                hint="change it with an editor, and commit it",
            )
        proposal.check(desired, {target: text})
        commit.write(site, {target: text}, f"Update template {new.name}")
    click.echo(f"Updated Template:  {new.id}")


@template.command
@click.argument("ids", nargs=-1, required=True, metavar="ID|NAME...")
@options.site()
def delete(*, ids: tuple[str, ...]) -> None:
    """Delete templates; workflows that exist are not touched."""
    with Site.opened(options.where()) as site:
        site.check_writable()
        desired = site.desired()
        found = {id_text: find(desired, id_text) for id_text in ids}
        paths = {id_text: one.source.path for id_text, one in found.items() if one}
        names = ", ".join(one.name for one in found.values() if one)
        commit.delete(site, desired, ids, paths=paths, what=f"template {names}")


def find(desired: DesiredState, text: str) -> Template | None:
    """Find a template by name, id, or the beginning of an id that only one has.

    Raises `UserError` where several ids begin like that.
    """
    name = desired.template_names.get(TemplateId(text.lower())) or text
    found = desired.templates.get(name)
    if found is not None or not model_ids.is_beginning(text):
        return found
    several = sorted(known for known in desired.template_names if known.startswith(text.lower()))
    if len(several) > 1:
        raise Ambiguous(f"{len(several)} templates have an id that begins with {text}", several)
    return desired.templates[desired.template_names[several[0]]] if several else None


def _get(desired: DesiredState, text: str) -> Template:
    found = find(desired, text)
    if found is None:
        raise NotFound("template", text, hint="tink template list shows the names and ids")
    return found


def _decoded(text: bytes, source: str) -> Template:
    decoded = reading.decode(Kind.TEMPLATE, text, source)
    if len(decoded.templates) != 1:
        raise UserError(
            f"{source} holds {len(decoded.templates)} templates",
            hint=f"for many: tink import {source}",
        )
    (new,) = decoded.templates
    TemplateCache().check(replace(new, source=replace(new.source, path=source)))
    return new


def _named(text: bytes, source: str, name: str | None) -> tuple[bytes, Template]:
    """The text with the name that was asked for, and what it says."""
    new = _decoded(text, source)
    if name is None or name == new.name:
        return text, new
    if new.is_kubernetes:
        raise UserError(
            f"the template's own name is {new.name!r}, not {name!r}",
            hint=f"write metadata.name: {name}, or leave out --name",
        )
    text = template_text.renamed(new.text, name).encode("utf-8", "surrogateescape")
    printing.note(f"name: {new.name} is now {name} in the template's text")
    return text, _decoded(text, source)


def _check_free(desired: DesiredState, new: Template, *, hint: str) -> None:
    if new.name in desired.templates:
        there = desired.templates[new.name].source.path
        raise Conflict(f"there is a template {new.name!r} already, in {there}", hint=hint)
