"""How is a template used?  `parse` it once, `render` it as often as you like, from any thread.

    template = parse(text, name="templates/hello.yaml")
    template.render({"device_1": "52:54:00:12:34:56"})

The language is Go's text/template (as of Go 1.26) with the functions of sprig that need neither a
clock, a network nor chance, and Tinkerbell's own.  Numbers: see `values`.  Bounds: see `limits`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from gotemplate import missing, nodes, parser
from gotemplate.errors import InvalidTemplate, LimitExceeded, Problem
from gotemplate.evaluator import Evaluation
from gotemplate.functions.default import DEFAULT_FUNCTIONS
from gotemplate.functions.refused import REFUSED_FUNCTIONS
from gotemplate.functions.signature import FunctionTable
from gotemplate.lexer import SyntaxFault
from gotemplate.limits import DEFAULT_LIMITS, TEMPLATE_CHARACTERS, Budget, Limits
from gotemplate.outcome import Failure, Piece
from gotemplate.values import copy_data

MISSING_KEY_RULES = ("error", "default", "invalid", "zero")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The output, and for each of its lines the template's line that began it (from 1)."""

    text: str
    source_lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A template that can be rendered.  Never changes."""

    name: str
    text: str
    _root: nodes.Nodes = field(repr=False)
    _templates: Mapping[str, nodes.Nodes] = field(repr=False)
    _functions: FunctionTable = field(repr=False)

    def render(
        self,
        data: Mapping[str, object],
        *,
        missing_key: str = "error",
        limits: Limits = DEFAULT_LIMITS,
        functions: FunctionTable | None = None,
    ) -> str:
        """The text that the template makes of the data, or InvalidTemplate."""
        pieces = self._evaluate(data, missing_key, limits, functions)
        return self._joined(pieces)

    def render_traced(
        self,
        data: Mapping[str, object],
        *,
        missing_key: str = "error",
        limits: Limits = DEFAULT_LIMITS,
        functions: FunctionTable | None = None,
    ) -> Rendered:
        """As `render`, and from which line of the template each line of the output comes."""
        pieces = self._evaluate(data, missing_key, limits, functions)
        return Rendered(self._joined(pieces), self._source_lines(pieces))

    def _evaluate(
        self,
        data: Mapping[str, object],
        missing_key: str,
        limits: Limits,
        functions: FunctionTable | None,
    ) -> list[Piece]:
        if missing_key not in MISSING_KEY_RULES:
            raise ValueError(f"missing_key is one of {MISSING_KEY_RULES}, not {missing_key!r}")
        copied = self._copied(data, limits)
        evaluation = Evaluation(
            self._templates,
            copied,
            functions=functions or self._functions,
            missing_key=missing_key,
            budget=Budget(limits),
        )
        try:
            evaluation.run(self._root)
        except Failure as failure:
            failures = {failure.at: failure}
            if failure.of_root:
                failures |= self._other_missing_keys(copied)
            problems = [self._problem_of(failures[at]) for at in sorted(failures)]
            raise InvalidTemplate(problems) from failure
        return evaluation.pieces

    def _other_missing_keys(self, data: dict[str, object]) -> dict[int, Failure]:
        """One run tells all, as far as it is certain."""
        failures: dict[int, Failure] = {}
        for asked in missing.others(self._root, data):
            at = asked.at + (1 if isinstance(asked, nodes.Variable) else 0)
            fact, hint = missing.explain(asked, 0, holder=data, root=data, dot=data)
            failures[at] = Failure(at, fact, code="missing-key", hint=hint)
        return failures

    def _problem_of(self, failure: Failure) -> Problem:
        return _problem(
            self.text,
            self.name,
            failure.at,
            code=failure.code,
            message=failure.message,
            hint=failure.hint,
        )

    def _copied(self, data: Mapping[str, object], limits: Limits) -> dict[str, object]:
        try:
            return copy_data(data, limits)
        except LimitExceeded as error:
            problem = Problem(path=self.name, code="template.limit", message=error.message)
            raise InvalidTemplate([problem]) from error

    def _joined(self, pieces: list[Piece]) -> str:
        text = "".join([piece.text for piece in pieces])
        if text.isascii():
            return text
        try:
            # Two halves of a character, each in a piece of its own, become whole again here.
            return text.encode("utf-8", "surrogateescape").decode("utf-8")
        except UnicodeDecodeError as error:
            at = next((p.at for p in pieces if not _is_text(p.text)), 0)
            problem = _problem(
                self.text,
                self.name,
                at,
                code="template.execution",
                message="the output has bytes here that are not UTF-8 text",
                hint="leave binary data in base64 and decode it on the machine",
            )
            raise InvalidTemplate([problem]) from error

    def _source_lines(self, pieces: list[Piece]) -> tuple[int, ...]:
        newlines = [match.start() for match in re.finditer("\n", self.text)]
        lines: list[int] = []
        begins = True
        for piece in pieces:
            if not piece.text:
                continue
            count = piece.text.count("\n")
            if not begins and not count:
                continue
            line = bisect_left(newlines, piece.at) + 1
            if begins:
                lines.append(line)
            begins = piece.text.endswith("\n")
            if count:
                steps = range(1, count + 1 - begins)
                lines += [line + step if piece.is_literal else line for step in steps]
        return tuple(lines)


def parse(
    text: str,
    *,
    name: str = "template",
    functions: FunctionTable = DEFAULT_FUNCTIONS,
    root: str = "",
) -> Template:
    """The template that this text is, or InvalidTemplate with all that is wrong with it.

    `name` is how problems call it.  `root` is what its program calls it in Go: a definition of that
    name in the text is refused.
    """
    if len(text) > TEMPLATE_CHARACTERS:
        message = f"the template is longer than {TEMPLATE_CHARACTERS} characters"
        raise InvalidTemplate([Problem(path=name, code="template.limit", message=message)])
    unknown: list[nodes.Identifier] = []
    problems: list[Problem] = []
    try:
        parsed = parser.parse(text, functions=functions, unknown=unknown, root=root)
    except RecursionError as error:
        message = "the template is nested too deep"
        problem = Problem(path=name, code="template.limit", message=message)
        raise InvalidTemplate([problem]) from error
    except SyntaxFault as fault:
        problems.append(
            _problem(
                text,
                name,
                fault.at,
                code=fault.code,
                message=fault.message,
                hint=fault.hint,
            )
        )
    problems += [_unknown_function(text, name, function, functions) for function in unknown]
    if problems:
        raise InvalidTemplate(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    templates = {name: parsed.root, **parsed.templates}
    return Template(
        name=name, text=text, _root=parsed.root, _templates=templates, _functions=functions
    )


def _unknown_function(
    text: str, name: str, function: nodes.Identifier, functions: FunctionTable
) -> Problem:
    message = f'there is no function "{function.name}"'
    hint = REFUSED_FUNCTIONS.get(function.name, "")
    if hint:
        message = f'the function "{function.name}" is not available'
    else:
        close = get_close_matches(function.name, functions, n=1, cutoff=0.7)
        hint = f"did you mean {close[0]}?" if close else "a value is written with a dot: "
        if not close:
            hint += f"{{{{.{function.name}}}}}"
    return _problem(text, name, function.at, code="template.function", message=message, hint=hint)


def _problem(text: str, name: str, at: int, *, code: str, message: str, hint: str) -> Problem:
    return Problem(
        path=name,
        line=text.count("\n", 0, at) + 1,
        column=at - text.rfind("\n", 0, at),
        code=code,
        message=message,
        hint=hint,
    )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
