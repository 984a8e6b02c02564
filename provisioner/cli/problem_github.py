"""Problems as GitHub's workflow commands: each becomes an annotation at its line.

A runner obeys every line that begins with `::`, so whatever comes from a file is escaped as
GitHub's own toolkit does it: no message and no path can begin a line, or end a property.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provisioner.model.problem import Problem

_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def lines(problems: Iterable[Problem]) -> Iterator[str]:
    """The severities are called as GitHub's commands are; the log shows messages alone, so that
    they hold the place once more."""
    for problem in problems:
        places = {"file": problem.path, "line": problem.line, "col": problem.column}
        named = {**places, "title": problem.code}
        said = [f"{name}={_escaped(value, _PROPERTY)}" for name, value in named.items() if value]
        yield f"::{problem.severity.value} {','.join(said)}::{_escaped(problem, _DATA)}"


def _escaped(value: object, table: dict[int, str]) -> str:
    shown = (char if char.isprintable() or char in "\r\n" else "�" for char in str(value))
    return "".join(shown).translate(table)
