"""How `tink validate` prints problems: for people, for scripts, and for what reads CI's results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import click

from provisioner.cli import printing, problem_github, problem_junit, problem_sarif
from provisioner.model.problem import Problem, Severity

Print = Callable[[Sequence[Problem], Iterable[str]], None]


def _text(problems: Sequence[Problem], _: Iterable[str]) -> None:
    for problem in problems:
        is_warning = problem.severity is Severity.WARNING
        click.echo(f"warning: {problem}" if is_warning else str(problem))


def _sarif(problems: Sequence[Problem], _: Iterable[str]) -> None:
    printing.print_data(problem_sarif.log(problems), "json")


def _junit(problems: Sequence[Problem], checked: Iterable[str]) -> None:
    printing.print_bytes(problem_junit.document(problems, checked).encode())


def _github(problems: Sequence[Problem], _: Iterable[str]) -> None:
    for line in problem_github.lines(problems):
        click.echo(line)


# Besides json and yaml, which every verb has.
FORMS: Mapping[str, Print] = {"text": _text, "sarif": _sarif, "junit": _junit, "github": _github}


def print_problems(problems: Sequence[Problem], form: str, *, checked: Iterable[str]) -> None:
    """`checked` are the files that were looked at."""
    if form in FORMS:
        FORMS[form](problems, checked)
    else:
        printing.print_data([printing.problem_data(problem) for problem in problems], form)
