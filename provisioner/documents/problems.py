"""Gathers the problems of one document at their places."""

from __future__ import annotations

from provisioner.documents import schema_check
from provisioner.documents.yaml_reader import Document, Path, Place
from provisioner.model.ids import InvalidId
from provisioner.model.problem import Problem, Severity


class Problems:
    """Gathers the problems of one document at their places."""

    def __init__(self, document: Document, *, path: str) -> None:
        self._document = document
        self._path = path
        self.found: list[Problem] = []

    def add(
        self,
        where: Path,
        code: str,
        message: str,
        *,
        hint: str = "",
        severity: Severity = Severity.ERROR,
        at_key: bool = False,
    ) -> None:
        line, column = self._document.key_place(where) if at_key else self.place(where)
        reported = Problem(
            path=self._path,
            line=line,
            column=column,
            code=code,
            message=message,
            hint=hint,
            severity=severity,
        )
        self.found.append(reported)

    def place(self, where: Path) -> Place:
        return self._document.place(where)

    def invalid(self, where: Path, code: str, error: InvalidId, text: str) -> None:
        hint = schema_check.placeholder_hint(text) or error.hint
        self.add(where, code, error.message, hint=hint)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.found)

    def in_reading_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda problem: (problem.line, problem.column)))
