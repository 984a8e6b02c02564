"""What can be wrong with a template, or with what it renders.

TemplateError
├── InvalidTemplate    the text, or the data for it; carries `Problem`s with places
├── LimitExceeded      more work, output or depth than `Limits` allow
└── UnreadableText     what `fromYaml` was given, by the reader that a caller supplies
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One place and one fact; `line` and `column` count from 1, 0 means the whole template."""

    path: str  # the template's name
    line: int = 0
    column: int = 0
    code: str
    message: str
    hint: str = field(default="", compare=False)

    def __str__(self) -> str:
        place = ":".join([self.path, *(str(n) for n in (self.line, self.column) if n)])
        text = f"{place}: {self.message} [{self.code}]"
        return f"{text}\n  Hint: {self.hint}" if self.hint else text


class TemplateError(Exception):
    """Everything that this package raises on purpose.  `hint` is the next step, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidTemplate(TemplateError):
    """`problems` says what is wrong and where, in reading order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LimitExceeded(TemplateError):
    """The message names size and limit."""


class UnreadableText(TemplateError):
    """A text is not in the format that a function reads."""
