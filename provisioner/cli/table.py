"""How a table is drawn: as classic tink draws it, rule for rule, so that scripts go on working.

Headers are upper-cased; columns of numbers stand to the right, headers with them.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    is_number: bool = False


def columns(*titles: str, numbers: Sequence[str] = ()) -> tuple[Column, ...]:
    return tuple(Column(title=title, is_number=title in numbers) for title in titles)


def draw(
    heads: Sequence[Column], rows: Iterable[Sequence[object]], *, with_headers: bool = True
) -> str:
    """Draw the table; without rows, the header stands between its rules and a closing one."""
    titles = [head.title.upper() for head in heads]
    body = [[plain(cell) for cell in row] for row in rows]
    shown = [titles, *body] if with_headers else body
    widths = [max((_width(row[at]) for row in shown), default=0) for at in range(len(heads))]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(cells: Sequence[str]) -> str:
        padded = (
            _pad(cell, width, to_the_right=head.is_number)
            for cell, width, head in zip(cells, widths, heads, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    top = [rule, line(titles), rule] if with_headers else [rule]
    return "\n".join([*top, *map(line, body), rule]) + "\n"


def comma_separated(
    heads: Sequence[Column], rows: Iterable[Sequence[object]], *, with_headers: bool = True
) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if with_headers:
        writer.writerow([head.title for head in heads])
    writer.writerows([[plain(cell) for cell in row] for row in rows])
    return buffer.getvalue()


def plain(cell: object) -> str:
    """One line with nothing that a terminal would obey: a worker's message is not ours."""
    text = "" if cell is None else str(cell)
    if text.isprintable():
        return text
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else "�" for char in words)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _pad(text: str, width: int, *, to_the_right: bool) -> str:
    room = " " * (width - _width(text))
    return room + text if to_the_right else text + room
