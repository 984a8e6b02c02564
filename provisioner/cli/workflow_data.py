"""`tink workflow data`: what the workers of a workflow share, now or in an older version."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import click

from provisioner.cli import options, printing, table
from provisioner.cli.site import Site
from provisioner.errors import Conflict, NotFound, UserError
from provisioner.model.ephemeral import DataVersion
from provisioner.store.status.store import StoredFile

CLASSIC_NAME = "data"  # the one file that classic tink shared
FILE_COLUMNS = table.columns("Path", "Size", "Executable", numbers=("Size",))


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("-v", "--version", type=click.IntRange(0), default=0, help="0 is the newest.")
@click.option("-m", "--metadata", is_flag=True, help="Who wrote it, and when.")
@click.option("-l", "--latest", is_flag=True, help="Print the number of the newest version.")
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write it there."
)
@options.site()
@options.output("text", default="text")
def data(
    *,
    ids: tuple[str, ...],
    version: int,
    metadata: bool,
    latest: bool,
    folder: Path | None,
    form: str,
) -> None:
    """Print the ephemeral data of each workflow.

    One file, or the file named `data`, is printed as it is; else the files are listed.
    A workflow without data prints an empty line.
    """
    if folder is not None and len(ids) > 1:
        raise click.UsageError("--out takes one workflow at a time")
    with Site.opened(options.where()) as site:
        for id_text in ids:
            found = _read(site, id_text, version)
            if metadata:
                _print_metadata(found, form)
            elif latest:
                click.echo(f"Latest workflow data version: {found[0].version if found else 0}")
            elif folder is not None:
                _write(found, folder)
            elif form != "text":
                printing.print_data(_as_data(found), form)
            else:
                _print(found)


Found = tuple[DataVersion, tuple[StoredFile, ...]] | None


def _read(site: Site, workflow: str, version: int) -> Found:
    entry = site.workflow(workflow)
    commit = site.status_tip
    if not site.status.list_data_versions(entry.id, commit):
        if version:
            raise NotFound("data version", str(version))
        return None
    return site.status.read_data(entry.id, version or None, commit)


def _print(found: Found) -> None:
    if found is None or not found[1]:
        click.echo()
        return
    files = found[1]
    named = [file for file in files if file.path == CLASSIC_NAME]
    shown = named or (files if len(files) == 1 else [])
    if not shown:
        rows = [(file.path, len(file.content), file.executable or "") for file in files]
        click.echo(table.draw(FILE_COLUMNS, rows), nl=False)
    elif sys.stdout.isatty() and b"\0" in shown[0].content:
        size = len(shown[0].content)
        raise UserError(
            f"{shown[0].path} holds {size} bytes that are no text", hint="add --out FOLDER"
        )
    else:
        printing.print_bytes(shown[0].content)


def _print_metadata(found: Found, form: str) -> None:
    if found is None:
        click.echo()
    elif form == "text":
        click.echo(json.dumps(_metadata(found[0]), ensure_ascii=False))
    else:
        printing.print_data(_metadata(found[0]), form)


def _metadata(version: DataVersion) -> dict[str, object]:
    """Classic tink's keys in its order, then ours."""
    return {
        "sha256": version.sha256,
        "taskName": version.task_name,
        "workerID": version.worker_id,
        "updatedAt": version.at,
        "actionName": version.action_name,
        "version": version.version,
        "sizeBytes": version.size_bytes,
        "fileCount": version.file_count,
    }


def _as_data(found: Found) -> dict[str, object]:
    if found is None:
        return {"version": 0, "files": []}
    return {"version": found[0].version, "files": [_file_data(file) for file in found[1]]}


def _file_data(file: StoredFile) -> dict[str, object]:
    shown: dict[str, object] = {"path": file.path, "size_bytes": len(file.content)}
    try:
        return {**shown, "text": file.content.decode()}
    except UnicodeDecodeError:
        return {**shown, "base64": base64.b64encode(file.content).decode()}


def _write(found: Found, folder: Path) -> None:
    """Write into a folder that is new or empty, so that nothing is mixed or overwritten."""
    if folder.is_dir() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty", hint="name a folder that does not exist yet")
    folder.mkdir(parents=True, exist_ok=True)
    files = found[1] if found else ()
    for file in files:
        parts = file.path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in file.path:
            raise UserError(f"{file.path!r} leads out of {folder}")
        target = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(file.path)))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        if file.executable:
            target.chmod(target.stat().st_mode | 0o111)
    version = f"version {found[0].version}" if found else "no data yet"
    printing.note(f"wrote {len(files)} files ({version}) to {folder}")
