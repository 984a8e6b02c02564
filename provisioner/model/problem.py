"""Where a text is wrong, and what to write instead.

Problems are collected, not thrown one at a time, so that one run shows all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.errors import UserError


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One place and one fact.  Lines and columns count from 1; 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0
    code: str
    message: str
    hint: str = field(default="", compare=False)
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = ":".join([self.path, *(str(n) for n in (self.line, self.column) if n)])
        text = f"{place}: {self.message} [{self.code}]"
        return f"{text}\n  Hint: {self.hint}" if self.hint else text


class InvalidInput(UserError):
    """The text can't be used; `problems` says where and why, in reading order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
