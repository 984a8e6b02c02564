"""`tink init`: a repository to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from provisioner import resources
from provisioner.cli import options, printing
from provisioner.errors import Conflict, UserError
from provisioner.git.repo import GitRepo
from provisioner.store.desired import protection
from provisioner.store.desired.editing import DesiredEditor
from provisioner.store.guard import begin

SCHEMAS = ".schema"


@click.command
@click.argument("folder", metavar="DIR", default=".", type=click.Path(path_type=Path))
@click.option("--bare", is_flag=True, help="Without a work tree: a repository to push to.")
@options.site()
def init(*, folder: Path, bare: bool) -> None:
    """Make a repository in DIR: folders, CI snippets, editor settings, both branches."""
    branch = options.where().branch or "main"
    repo = _empty_repository(folder, bare=bare, branch=branch)
    try:
        files = _files()
        DesiredEditor(repo, branch).commit_files(files, "Begin with tink's layout")
        begin.begin(repo, options.where().status_branch)
        if bare:
            protection.protect(repo, desired=branch, status=options.where().status_branch)
    finally:
        repo.close()
    printing.note(f"committed {len(files)} files on branch {branch} in {folder}")
    printing.note(f"began branch {options.where().status_branch}, which the server writes")
    printing.note(
        f"Hint: add machines to it (tink explain hardware), then tink serve --repo {folder}"
    )


def _empty_repository(folder: Path, *, bare: bool, branch: str) -> GitRepo:
    """Make a repository where none is, or take one that has no commit and no file yet."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file")
    inside = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    if not inside:
        return GitRepo.create(folder, bare=bare, branch=branch)
    if inside == {".git"}:
        repo = GitRepo(folder, is_persons=True)
        if not repo.refs("refs/heads/"):
            return repo
        repo.close()
    raise Conflict(f"{folder} is not empty", hint="name a folder that does not exist yet")


def _files() -> dict[str, bytes | None]:
    """The layout, and the schemas that editors check against."""
    layout, schema = resources.repo_layout_folder(), resources.schema_folder()
    sources = {path: path.relative_to(layout) for path in _below(layout)}
    sources |= {path: SCHEMAS / path.relative_to(schema) for path in _below(schema / "v1")}
    return {str(target): path.read_bytes() for path, target in sorted(sources.items())}


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
