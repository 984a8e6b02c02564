"""`tink import`: dumps of Tinkerbell objects become repository files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from provisioner.cli import commit, options, printing, proposal, reading
from provisioner.cli.site import Site
from provisioner.documents.convert import Imported, import_documents
from provisioner.errors import Conflict
from provisioner.model.problem import InvalidInput

FOLDER_ENDINGS = (".yaml", ".yml", ".json", ".tmpl")


@click.command("import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Only tell what would be written.")
@click.option("--force", is_flag=True, help="Overwrite files of the same name.")
@options.site()
@click.pass_context
def import_files(
    ctx: click.Context, /, *, paths: tuple[Path, ...], dry_run: bool, force: bool
) -> None:
    """Turn dumps into tidy files, one object each, and commit them.

    Takes what classic tink prints (`-o json`, `--format json`), what kubectl prints (YAML, JSON,
    lists, several documents), plain files, folders of them, or a pipe.
    """
    sources = list(_sources(paths))
    files: dict[str, bytes] = {}
    broken = False
    with click.progressbar(
        sources, label="reading", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as progress:
        for name, content in progress:
            imported = import_documents(name, content)
            broken |= bool(imported.problems)
            _tell(name, imported)
            for file in imported.files:
                files[_free(files, file.path)] = file.text.encode()
    with Site.opened(options.where()) as site:
        desired = site.desired()
        taken = [path for path in files if path in desired.paths]
        if taken and not force:
            raise Conflict(
                f"{', '.join(taken[:5])}{' …' * (len(taken) > 5)} exists already",
                hint="--force overwrites; git shows the difference",
            )
        proposal.check(desired, files)
        if not dry_run and files:
            _commit(site, files, [name for name, _ in sources])
    printing.note(f"{len(files)} files from {len(sources)} sources{' (dry run)' * dry_run}")
    if broken:
        ctx.exit(1)


def _sources(paths: Sequence[Path]) -> Iterable[tuple[str, bytes]]:
    if not paths or paths == (Path("-"),):
        content, name = reading.piped_or_file(None, nothing_given="name files, or pipe a dump")
        yield name, content
        return
    for path in paths:
        below = sorted(file for file in path.rglob("*") if file.suffix in FOLDER_ENDINGS)
        for file in below if path.is_dir() else (path,):
            yield str(file), file.read_bytes()


def _tell(name: str, imported: Imported) -> None:
    for path in imported.written:
        click.echo(f"{name}: {path}")
    for line in imported.changed:
        click.echo(f"{name}: changed: {line}")
    for line in imported.unsupported:
        click.echo(f"{name}: not supported: {line}")
    if imported.problems:
        click.echo(str(InvalidInput(imported.problems)), err=True)


def _free(files: dict[str, bytes], path: str) -> str:
    """Two sources may hold objects of one name."""
    stem, _, ending = path.rpartition(".")
    number, free = 2, path
    while free in files:
        number, free = number + 1, f"{stem}-{number}.{ending}"
    return free


def _commit(site: Site, files: dict[str, bytes], sources: Sequence[str]) -> None:
    where = sources[0] if len(sources) == 1 else f"{len(sources)} sources"
    commit.write(site, dict(files), f"Import {len(files)} files from {where}")
