"""How a verb writes: one commit on the desired branch that says what a person did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from provisioner.cli import printing
from provisioner.cli.site import Site
from provisioner.errors import UserError
from provisioner.model.ids import CommitId
from provisioner.model.views import DesiredState

NAME_LIMIT = 60  # characters of a name that become a file's name
SUBJECT_LIMIT = 72


def file_name(name: str, fallback: str) -> str:
    """Turn a name of an object into one for its file."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:NAME_LIMIT]
    return safe or fallback


def free_path(desired: DesiredState, path: str, fallback: str) -> str:
    """The path, unless another object stands there."""
    if path not in desired.paths:
        return path
    folder, _, name = path.rpartition("/")
    stem, _, ending = name.rpartition(".")
    return f"{folder}/{stem}-{fallback}.{ending}"


def check_sole(desired: DesiredState, path: str) -> None:
    """A file with several documents is a person's own: we don't rewrite it."""
    documents = desired.files.get(path)
    if documents is None:
        return
    count = len(documents.hardware) + len(documents.templates) + len(documents.requests)
    if count > 1:
        raise UserError(
            f"{path} holds {count} documents", hint="change it with an editor, and commit it"
        )


def write(site: Site, changes: Mapping[str, bytes | None], subject: str) -> CommitId | None:
    """Commit the files (None deletes one); without a difference nothing is committed."""
    site.check_writable()
    done = site.commit(changes, _short(subject))
    if done is None:
        printing.note("nothing to commit: it is there already")
        return None
    for path in sorted(changes):
        verb = "committed" if changes[path] is not None else "committed the deletion of"
        printing.note(f"{verb} {path} on branch {site.branch}")
    return done


def delete(
    site: Site, desired: DesiredState, names: Sequence[str], *, paths: Mapping[str, str], what: str
) -> None:
    """Delete the files of `names`; as classic tink, tell each one's fate.

    An unknown name does not stop the others; the exit code tells of it.
    """
    for path in paths.values():
        check_sole(desired, path)
    if paths:
        write(site, dict.fromkeys(paths.values()), f"Delete {what}")
    for name in names:
        if name in paths:
            click.echo(f"Deleted\t{name}")
        else:
            click.echo(f"Error\t{name}\tnot found", err=True)
    if len(paths) < len(set(names)):
        click.get_current_context().exit(1)


def _short(subject: str) -> str:
    return subject if len(subject) <= SUBJECT_LIMIT else f"{subject[: SUBJECT_LIMIT - 1]}…"
