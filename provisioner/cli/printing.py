"""How results leave: lists in every form that is asked for, and notes for the person on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from provisioner.cli import table
from provisioner.cli.options import Shape
from provisioner.cli.table import Column
from provisioner.model.problem import Problem

Item = TypeVar("Item")
Row = Sequence[object]

_CONTROLS = re.compile(r"[\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[Item]):
    """What the list of one kind of thing shows; an item may take several rows."""

    columns: tuple[Column, ...]
    rows: Callable[[Item], Iterable[Row]]
    wide_columns: tuple[Column, ...]
    wide_rows: Callable[[Item], Iterable[Row]]
    ids: Callable[[Item], Iterable[str]]
    data: Callable[[Item], dict[str, object]]
    classic_data: Callable[[Item], dict[str, object]]


def print_list(listed: Listed[Item], items: Iterable[Item], shape: Shape) -> None:
    if shape.ids_only:
        for item in items:
            for id_text in listed.ids(item):
                click.echo(table.plain(id_text))
    elif shape.classic_form == "json":
        # One line without its end, as classic tink leaves it.
        shown = {"data": [listed.classic_data(item) for item in items]}
        click.echo(_json(shown, separators=(",", ":")), nl=False)
    elif shape.classic_form == "csv":
        rows = [row for item in items for row in listed.rows(item)]
        text = table.comma_separated(listed.columns, rows, with_headers=shape.with_headers)
        click.echo(text, nl=False)
    elif shape.form in ("json", "yaml"):
        print_data([listed.data(item) for item in items], shape.form)
    else:
        is_wide = shape.form == "wide" and shape.classic_form is None
        columns = listed.wide_columns if is_wide else listed.columns
        rows_of = listed.wide_rows if is_wide else listed.rows
        rows = [row for item in items for row in rows_of(item)]
        click.echo(table.draw(columns, rows, with_headers=shape.with_headers), nl=False)


def print_data(data: object, form: str) -> None:
    if form == "yaml":
        from provisioner.documents.encode import encode_yaml

        click.echo(encode_yaml(data), nl=False)
    else:
        click.echo(_json(data, indent=2))


def _json(data: object, **layout: Any) -> str:
    """JSON escapes the control characters of ASCII; a terminal obeys those above, too."""
    text = json.dumps(data, ensure_ascii=False, **layout)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def problem_data(problem: Problem) -> dict[str, object]:
    """A problem as `-o json` and `-o yaml` have it."""
    return {
        "path": problem.path,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity.value,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    }


def one_or_all(shown: Sequence[object]) -> object:
    """A verb given one id prints an object, given several a list."""
    return shown[0] if len(shown) == 1 else list(shown)


def print_text(text: str) -> None:
    """Print a document as it is, with one end of line."""
    content = text if text.endswith("\n") else f"{text}\n"
    print_bytes(content.encode("utf-8", "surrogateescape"))


def print_bytes(content: bytes) -> None:
    """Print output that is not ours; a terminal gets nothing that it would obey."""
    if sys.stdout.isatty():
        text = content.decode(errors="replace")
        shown = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
        click.echo(shown, nl=False)
    else:
        click.echo(content, nl=False)


def note(text: str) -> None:
    """Tell the person something that no script reads."""
    click.echo(text, err=True)
