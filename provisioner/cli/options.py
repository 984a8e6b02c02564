"""The flags that many verbs share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

DEFAULT_STATUS_BRANCH = "status"
DETAILED_EXIT_CODE = "--detailed-exitcode"  # of tink plan, spelt as terraform does
# Where classic tink asks a server, tink reads a repository; scripts may go on to say where.
_OF_A_SERVER = ("--tinkerbell-cert-url", "--tinkerbell-grpc-authority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which repository is meant; an empty branch means the one that `site` finds."""

    repo: str = "."
    branch: str = ""
    status_branch: str = DEFAULT_STATUS_BRANCH


def where() -> Where:
    found = click.get_current_context().find_object(Where)
    return found or Where()


def site(*, everywhere: bool = False) -> Callable[[Decorated], Decorated]:
    """Add --repo, --branch, --status-branch, and the classic --facility, which means nothing.

    They may stand before the verb as well as after it, as in classic tink.
    """

    def keep(field: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
            if value is not None:
                ctx.obj = replace(ctx.find_object(Where) or Where(), **{field: value})

        return callback

    flags = (
        click.option(
            "--repo",
            metavar="PATH|URL",
            envvar="TINK_REPO" if everywhere else None,
            expose_value=False,
            callback=keep("repo"),
            help="The repository (default: where you stand). A remote URL is read only.",
        ),
        click.option(
            "--branch",
            metavar="NAME",
            envvar="TINK_BRANCH" if everywhere else None,
            expose_value=False,
            hidden=not everywhere,
            callback=keep("branch"),
            help="The desired branch (default: main, else the branch of HEAD).",
        ),
        click.option(
            "--status-branch",
            metavar="NAME",
            envvar="TINK_STATUS_BRANCH" if everywhere else None,
            expose_value=False,
            hidden=not everywhere,
            callback=keep("status_branch"),
            help=f"The status branch (default: {DEFAULT_STATUS_BRANCH}).",
        ),
        click.option(
            "-f",
            "--facility",
            expose_value=False,
            hidden=not everywhere,
            help="Accepted, as by classic tink, and not used.",
        ),
        *(
            click.option(name, expose_value=False, hidden=True, metavar="VALUE")
            for name in _OF_A_SERVER
        ),
    )

    def decorate(command: Decorated) -> Decorated:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a list is to be printed."""

    form: str = "table"
    classic_form: str | None = None
    with_headers: bool = True
    ids_only: bool = False


def output(*forms: str, default: str = "table") -> Callable[[Decorated], Decorated]:
    """Add `-o`; the forms besides json and yaml are arguments."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice([*forms, "json", "yaml"]),
        default=default,
        show_default=True,
        help="How to print it.",
    )


def listing(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every list takes; the command gets it all as one `shape`."""

    @functools.wraps(command)
    def shaped(
        *args: Any,
        form: str,
        classic_form: str | None,
        no_headers: bool,
        quiet: bool,
        **others: Any,
    ) -> None:
        shape = Shape(
            form=form,
            classic_form=classic_form,
            with_headers=not no_headers,
            ids_only=quiet,
        )
        command(*args, shape=shape, **others)

    flags = (
        output("table", "wide"),
        click.option(
            "--format",
            "classic_form",
            type=click.Choice(["table", "json", "csv"]),
            help="As classic tink prints it, field by field.",
        ),
        click.option("--no-headers", is_flag=True, help="Leave out the line of headers."),
        click.option("-q", "--quiet", is_flag=True, help="Print ids only."),
    )
    result: Callable[..., None] = shaped
    for flag in reversed(flags):
        result = flag(result)
    return result
