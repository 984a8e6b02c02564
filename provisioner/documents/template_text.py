"""What can be told of a template before it is rendered: its name, and mistakes that stay?

A template is text until it is rendered.  But when it has no control structures, its
rendered form has the same lines: with a mark in place of each expression it is read as
YAML, quoted or not, and judged by the rules; what holds a mark is left open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from provisioner.documents import workflow_text, yaml_reader
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.hardware import Source
from provisioner.model.ids import template_id
from provisioner.model.problem import Problem, Severity
from provisioner.model.template import Template

OPEN = workflow_text.OPEN

_EXPRESSION = re.compile(r"\{\{(?:`[^`]*`|\"(?:[^\"\\\n]|\\.)*\"|[^`\"])*?\}\}", re.DOTALL)
# Whatever makes the rendered lines differ from those written, or stands for whole lines.
_SHAPES_LINES = re.compile(
    r"\{\{-|-\}\}|\{\{\s*(?:if|else|end|range|with|define|block|template|break|continue)\b"
    r"|^[ \t]*\{\{(?:(?!\}\}).)*\}\}[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_NAME_LINE = re.compile(
    r"""^(?P<indent>[ ]*)["']?name["']?[ ]*:[ ]*(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'"""
    r"""|(?P<plain>[^\s#][^\n]*?))[ \t]*(?:[ \t]#[^\n]*)?\r?$""",
    re.MULTILINE,
)
_JSON_NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_FIRST_KEY = re.compile(r"^(?P<indent>[ ]*)[A-Za-z_\"'][^\n:]*:", re.MULTILINE)


def decode(text: str, *, source: Source) -> tuple[Template | None, tuple[Problem, ...]]:
    """Read a classic template: its text stays as it is."""
    name = static_name(text)
    template = Template(id=template_id(name), name=name, text=text, source=source)
    problems = check_early(template)
    if not problems and not name:
        problems = (_no_name(template),)
    return None if _has_errors(problems) else template, problems


def static_name(text: str) -> str:
    """Find the template's own name without reading the rest; empty when there is none."""
    if text.lstrip().startswith("{") and not text.lstrip().startswith("{{"):
        found = _JSON_NAME.search(text)
        return found[1] if found and "{{" not in found[1] else ""
    first = _FIRST_KEY.search(text)
    for found in _NAME_LINE.finditer(text):
        if first is None or found["indent"] == first["indent"]:
            name = found["double"] or found["single"] or found["plain"] or ""
            return "" if "{{" in name else name.strip()
    return ""


def check_early(template: Template) -> tuple[Problem, ...]:
    """Return the mistakes that no rendering can put right."""
    if _SHAPES_LINES.search(template.text):
        return ()
    marked = _EXPRESSION.sub(_mark, template.text)
    if "{{" in marked:  # not closed: the renderer says it better
        return ()
    reading = yaml_reader.read(marked, path=template.source.path)
    problems: Iterable[Problem] = reading.problems
    if not problems:
        document = next(iter(reading.documents), Document(data=None, entry=None))
        problems = workflow_text.check_unrendered(document, path=template.source.path)
        if template.strict and len(reading.documents) > 1:
            problems = (*problems, _more_documents(template))
    return tuple(_in_file(each, template) for each in problems)


def block_place(document: Document, where: Path, text: str) -> tuple[int, int]:
    """Return the first line, and the indentation, of a text that a block scalar holds."""
    line, _ = document.place(where)
    style = document.style(where)
    if style not in {"|", ">"}:
        return max(line, 1), 0
    lines = text.splitlines()
    for written in lines[line:]:
        if written.strip():
            return line + 1, len(written) - len(written.lstrip(" "))
    return line + 1, 0


def _mark(expression: re.Match[str]) -> str:
    """Keep the length and the lines, so that places stay true."""
    return re.sub(r"[^\n]", OPEN, expression[0])


def _in_file(problem: Problem, template: Template) -> Problem:
    line = problem.line + template.first_line - 1 if problem.line else template.first_line
    column = problem.column + template.indent if problem.column else 0
    return replace(problem, line=line, column=column)


def _no_name(template: Template) -> Problem:
    return Problem(
        path=template.source.path,
        code="template.name",
        message="the template has no name, or one that is not static",
        hint="write it at the top, without {{ }}: name: ubuntu",
    )


def _more_documents(template: Template) -> Problem:
    return Problem(
        path=template.source.path,
        code="template.documents",
        message="the file holds more than one document; only the first is used",
        severity=Severity.WARNING,
    )


def _has_errors(problems: Iterable[Problem]) -> bool:
    return any(each.severity is Severity.ERROR for each in problems)
