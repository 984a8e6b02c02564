"""`tink validate`: the server's checks with no server, for people and for pull requests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from provisioner.cli import options, printing, problem_output, work_tree
from provisioner.cli.options import Where
from provisioner.cli.site import Site
from provisioner.documents import layout
from provisioner.errors import UserError
from provisioner.model.ids import CommitId
from provisioner.model.problem import Severity
from provisioner.model.views import StatusView
from provisioner.services import before_merge, location, misplaced, validation
from provisioner.services.before_merge import Place
from provisioner.store.desired.reading import DesiredStore


@click.command
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--commit", "revision", metavar="REV", help="Check a commit, not the files here.")
@options.site()
@options.output(*problem_output.FORMS, default="text")
@click.pass_context
def validate(ctx: click.Context, /, *, path: Path | None, revision: str | None, form: str) -> None:
    """Check hardware, templates and workflow requests; exit code 1 tells of problems.

    Checks the files as they lie in the repository that you stand in, committed or not; of a
    bare repository the desired branch. PATH is another folder, or one file to be checked.
    """
    with _checked(path, revision) as (store, commit, status, only, place):
        if place is not None and status.commit is None:
            printing.note(
                "there is no status branch here: which requests became workflows is not known"
            )
        verdict = validation.judge(store, commit, status)
        problems = verdict.problems
        if place is not None:
            problems = before_merge.problems(verdict, place)
        files = store.files(commit)
        problems = tuple(sorted((*problems, *misplaced.problems(store, commit, files))))
        checked = [only] if only else [path for path in files if layout.kind_of(path)]
    shown = [problem for problem in problems if only in ("", problem.path)]
    problem_output.print_problems(shown, form, checked=checked)
    errors = sum(problem.severity is Severity.ERROR for problem in shown)
    printing.note(_summary(errors, len(shown) - errors, files=len(checked)))
    ctx.exit(1 if errors else 0)


Checked = tuple[DesiredStore, CommitId, StatusView, str, Place | None]


@contextlib.contextmanager
def _checked(path: Path | None, revision: str | None) -> Iterator[Checked]:
    """Find what is to be checked, the one file that counts (or none), and where it stands."""
    folder, only = _folder(path)
    with contextlib.ExitStack() as exits:
        site = None
        # A folder of documents need not be a repository; but then it must be named.
        with contextlib.nullcontext() if folder is None else contextlib.suppress(UserError):
            where = options.where()
            if folder is not None and where.repo == Where().repo:
                where = replace(where, repo=str(folder))
            site = exits.enter_context(Site.opened(where))
            if site.is_followed_guessed:
                printing.note(f"{location.UNKNOWN}; branch {site.followed} is taken for it")
        if folder is None and site is not None:
            folder = site.repo.work_tree
        status = _status(site) if site and folder in (None, site.repo.work_tree) else StatusView()
        if site is not None and (revision is not None or folder is None):
            commit = site.find_commit(revision) if revision else site.followed_commit
            is_of_branch = commit == site.followed_commit
            place = _place(site, commit, is_of_branch=is_of_branch)
            yield DesiredStore(site.repo, site.followed), commit, status, only, place
        elif folder is None or revision is not None:
            raise UserError(f"{folder or '.'} is not a git repository")
        else:
            is_own = site is not None and folder == site.repo.work_tree
            own = site.repo if site is not None and is_own else None
            store, commit = exits.enter_context(work_tree.as_commit(folder, own))
            place = None
            if site is not None and folder == site.repo.work_tree:
                head = site.repo.resolve("HEAD")
                is_of_branch = site.repo.checked_out_branch() == site.followed
                place = _place(site, head, is_of_branch=is_of_branch)
            yield store, commit, status, only, place


def _place(site: Site, head: CommitId | None, *, is_of_branch: bool) -> Place | None:
    if head is None:
        return None
    return Place(repo=site.repo, head=head, branch=site.followed, is_of_branch=is_of_branch)


def _folder(path: Path | None) -> tuple[Path | None, str]:
    """Return the folder that holds hardware/, templates/, workflows/, and the file in it."""
    if path is None:
        return None, ""
    path = path.resolve()
    if path.is_dir():
        return path, ""
    for folder in path.parents:
        relative = path.relative_to(folder).as_posix()
        if layout.kind_of(relative) is not None:
            return folder, relative
    raise UserError(
        f"{path} is in none of the folders {', '.join(sorted(layout.FOLDER_OF.values()))}",
        hint="tink hardware push and tink template create check files that are elsewhere",
    )


def _status(site: Site) -> StatusView:
    commit = site.status_commit
    return site.status.load(commit) if commit else StatusView()


def _summary(errors: int, warnings: int, *, files: int) -> str:
    counted = [f"{errors} problem{'s' * (errors != 1)}"] if errors else ["no problems"]
    counted += [f"{warnings} warning{'s' * (warnings != 1)}"] * bool(warnings)
    return f"{', '.join(counted)} in {files} file{'s' * (files != 1)}"
