"""What is known of a template before it is rendered: its name, and mistakes that stay.

A template is text until it is rendered.  But when it has no control structures, its
rendered form has the same lines: with a mark in place of each expression it is read as
YAML, quoted or not, and judged by the rules; what holds a mark is left open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from provisioner.documents import workflow_text, yaml_reader
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.hardware import Source
from provisioner.model.ids import template_id
from provisioner.model.problem import Problem, Severity
from provisioner.model.template import Template

# All of these are searched in one pass from left to right: the text may be hostile.
_INSIDE = re.compile(r"\}\}|[\"`']")
_QUOTED = {
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    "'": re.compile(r"'(?:[^'\\\n]|\\.)*'"),
    "`": re.compile(r"`[^`]*`"),
}
_CONTROL = re.compile(
    r"-|\s*(?:if|else|end|range|with|define|block|template|break|continue)\b", re.ASCII
)
_NAME_LINE = re.compile(
    r"""^(?P<indent>[ ]*)["']?name["']?[ ]*:[ \t]*(?P<rest>[^\n]*)$""", re.MULTILINE
)
_JSON_NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_FIRST_KEY = re.compile(r"^(?P<indent>[ ]*)[A-Za-z_\"'][^\n:]*:", re.MULTILINE)


def decode(text: str, *, source: Source) -> tuple[Template | None, tuple[Problem, ...]]:
    """Read a classic template: its text stays as it is."""
    name = static_name(text)
    template = Template(id=template_id(name), name=name, text=text, source=source)
    problems = check_early(template)
    if not name and not _has_errors(problems):
        problems = (*problems, _no_name(template))
    return None if _has_errors(problems) else template, problems


def static_name(text: str) -> str:
    """Find the template's own name without reading the rest; empty when there is none."""
    if text.lstrip().startswith("{") and not text.lstrip().startswith("{{"):
        found = _JSON_NAME.search(text)
        return found[1] if found and "{{" not in found[1] else ""
    first = _FIRST_KEY.search(text)
    for found in _NAME_LINE.finditer(text):
        if first is None or found["indent"] == first["indent"]:
            return _scalar(found["rest"].strip())
    return ""


def renamed(text: str, name: str) -> str:
    """The same text with another name of its own; raises `ValueError` where it has none."""
    written = json.dumps(name, ensure_ascii=False)
    if text.lstrip().startswith("{") and not text.lstrip().startswith("{{"):
        found = _JSON_NAME.search(text)
        start, end = found.span(1) if found else (0, 0)
        start, end = start - 1, end + 1  # with the quotes
    else:
        first = _FIRST_KEY.search(text)
        lines = (
            each
            for each in _NAME_LINE.finditer(text)
            if first is None or each["indent"] == first["indent"]
        )
        found = next(lines, None)
        start, end = found.span("rest") if found else (0, 0)
        comment = found["rest"].find(" #") if found else -1
        if comment >= 0 and found and found["rest"][:1] not in {'"', "'"}:
            end = start + comment
    if found is None:
        raise ValueError("the text has no name")
    return text[:start] + written + text[end:]


def check_early(template: Template) -> tuple[Problem, ...]:
    """Return the mistakes that no rendering can put right."""
    spans = list(_expressions(template.text))
    if any(_shapes_lines(template.text, start, end) for start, end in spans):
        return ()
    marked = _marked(template.text, spans)
    if "{{" in marked:  # not closed: the renderer says it better
        return ()
    reading = yaml_reader.read(marked, path=template.source.path)
    # What is merged by `<<: {{ … }}` is not known yet.
    problems: Iterable[Problem] = [
        problem for problem in reading.problems if not (spans and problem.code == "yaml.merge")
    ]
    if not problems:
        document = next(iter(reading.documents), Document(data=None, entry=None))
        problems = workflow_text.check_unrendered(
            document, path=template.source.path, is_classic=not template.is_kubernetes
        )
        if len(reading.documents) > 1:
            problems = (*problems, _more_documents(template))
    return tuple(_in_file(problem, template) for problem in problems)


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


def _expressions(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each {{ … }}, up to one that is not closed."""
    at = 0
    while (start := text.find("{{", at)) >= 0:
        at = start + 2
        body = at + text.startswith("- ", at) * 2
        if text.startswith("/*", body):
            at = text.find("*/", body)
            if at < 0:
                return
        while (found := _INSIDE.search(text, at)) and found[0] != "}}":
            quoted = _QUOTED[found[0]].match(text, found.start())
            if quoted is None:
                return
            at = quoted.end()
        if found is None:
            return
        at = found.end()
        yield start, at


def _shapes_lines(text: str, start: int, end: int) -> bool:
    """Say whether an expression may make other lines than those written."""
    body = text[start + 2 : end - 2]
    if "\n" in body or body.endswith("-") or _CONTROL.match(body):
        return True
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    after = text[end:line_end] if line_end >= 0 else text[end:]
    return not text[line_start:start].strip() and not after.strip()


def _marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Put marks in place of expressions; the length stays, so that places stay true.

    Neighbours get different marks, so that two open keys of a map are not the same key.
    """
    first, last = ord(workflow_text.OPEN_FIRST), ord(workflow_text.OPEN_LAST)
    parts: list[str] = []
    at = 0
    for number, (start, end) in enumerate(spans):
        parts += (text[at:start], chr(first + number % (last - first)) * (end - start))
        at = end
    return "".join([*parts, text[at:]])


def _scalar(written: str) -> str:
    """Read what stands behind `name:`; an expression in it makes it no static name."""
    if written[:1] in {'"', "'"}:
        name = written[1:].partition(written[0])[0]
    else:
        name = "" if written.startswith("#") else written.partition(" #")[0]
    return "" if "{{" in name else name.strip()


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
    return any(problem.severity is Severity.ERROR for problem in problems)
