"""What one file of the desired branch holds, with its problems.

Depends on nothing but its arguments, so that the result can be cached by path and blob id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from provisioner.documents import (
    classic,
    kubernetes,
    layout,
    stand_ins,
    template_text,
    yaml_reader,
    yaml_syntax,
)
from provisioner.documents.layout import Kind
from provisioner.documents.problems import Problems
from provisioner.documents.yaml_composer import MAX_PROBLEMS
from provisioner.documents.yaml_reader import FILE_LIMITS, Document, Reading
from provisioner.model.hardware import Hardware, Source
from provisioner.model.problem import Problem, Severity
from provisioner.model.template import Template
from provisioner.model.workflow import WorkflowRequest

_KUBERNETES_TEXT = re.compile(
    r"""^(?:apiVersion:[ \t]|[ \t]*["']apiVersion["'][ \t]*:)|\A\s*\{\s*"apiVersion"\s*:""",
    re.MULTILINE,
)
_HELM_HINT = "this is a part of a Helm chart; commit what helm template prints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The values of one file, and its problems in reading order.

    A document that has an error gives no value; the file's other documents do.
    """

    hardware: tuple[Hardware, ...] = ()
    templates: tuple[Template, ...] = ()
    requests: tuple[WorkflowRequest, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def has_errors(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def decode_file(*, path: str, blob_id: str, content: bytes) -> Decoded:
    """Decode a file by its path in the repository.  Never raises for what it holds."""
    kind = layout.kind_of(path)
    if kind is None:
        return Decoded()
    source = Source(path=path, blob_id=blob_id)
    stand_in = stand_ins.problem_of(content, path=path)
    if stand_in is not None:
        return Decoded(problems=(stand_in,))
    text, reported = _text(content, path=path)
    if text is None:
        return Decoded(problems=reported)
    if kind is Kind.TEMPLATE and not holds_kubernetes(text):
        template, problems = template_text.decode(text, source=source)
        return Decoded(templates=(template,) if template else (), problems=(*reported, *problems))
    decoded = _decode_documents(kind, text, source=source)
    return replace(
        decoded,
        requests=_numbered(decoded.requests),
        problems=(*reported, *decoded.problems),
    )


def holds_kubernetes(text: str) -> bool:
    """Tell a Kubernetes-era document from the text of a classic template."""
    return _KUBERNETES_TEXT.search(text) is not None


def _text(content: bytes, *, path: str) -> tuple[str | None, tuple[Problem, ...]]:
    if len(content) > FILE_LIMITS.size_bytes:
        return None, yaml_reader.read(content, path=path).problems
    return yaml_syntax.decode(content, path=path)


def _decode_documents(kind: Kind, text: str, *, source: Source) -> Decoded:
    is_json = source.path.lower().endswith(".json")
    reading = yaml_reader.read(text, path=source.path, as_json=is_json)
    documents = [document for document in reading.documents if document.data is not None]
    if reading.problems and ".Values" in text:
        first = replace(reading.problems[0], hint=_HELM_HINT)
        reading = replace(reading, problems=(first, *reading.problems[1:]))
    if not documents:
        return Decoded(problems=reading.problems or (_empty(source),))
    found: list[Decoded] = []
    classic_before = False
    for document in documents:
        if kubernetes.is_kubernetes(document.data):
            found.append(_decode_kubernetes(document, source=source, text=text))
        elif classic_before:
            found.append(Decoded(problems=(_second(document, source),)))
        else:
            found.append(_decode_classic(kind, document, source=source))
            classic_before = True
    return _joined(found, reading)


def _decode_kubernetes(document: Document, *, source: Source, text: str) -> Decoded:
    problems = Problems(document, path=source.path)
    found = kubernetes.decode(problems, document, source=source, text=text)
    return Decoded(
        hardware=found.hardware,
        templates=found.templates,
        requests=found.requests,
        problems=problems.in_reading_order(),
    )


def _decode_classic(kind: Kind, document: Document, *, source: Source) -> Decoded:
    match kind:
        case Kind.HARDWARE:
            hardware, problems = classic.decode_hardware(document, source=source)
            return Decoded(hardware=(hardware,) if hardware else (), problems=problems)
        case Kind.WORKFLOW:
            request, problems = classic.decode_request(document, source=source)
            return Decoded(requests=(request,) if request else (), problems=problems)
        case Kind.TEMPLATE:
            line, column = document.place(())
            reported = Problem(
                path=source.path,
                line=line,
                column=column,
                code="template.documents",
                message="a classic template needs a file of its own",
            )
            return Decoded(problems=(reported,))


def _joined(found: Iterable[Decoded], reading: Reading) -> Decoded:
    found = list(found)
    if len(found) == 1 and not reading.problems and not found[0].problems:
        return found[0]
    # What follows from a mistake in the YAML is not reported a second time.
    broken = {problem.line for problem in reading.problems}
    problems = [problem for one in found for problem in one.problems if problem.line not in broken]
    in_order = _first_ones([*reading.problems, *problems])
    has_broken_yaml = any(problem.severity is Severity.ERROR for problem in reading.problems)
    if has_broken_yaml:  # a key that stands twice, say: which one was meant?
        return Decoded(problems=tuple(in_order))
    return Decoded(
        hardware=tuple(value for part in found for value in part.hardware),
        templates=tuple(value for part in found for value in part.templates),
        requests=tuple(value for part in found for value in part.requests),
        problems=tuple(in_order),
    )


def _numbered(requests: tuple[WorkflowRequest, ...]) -> tuple[WorkflowRequest, ...]:
    """Give each of several requests in a file a path of its own: `file#1`, `file#2`, …

    A workflow whose number changes is found by its digest (planning.request_moves).
    """
    if len(requests) < 2:
        return requests
    return tuple(
        replace(each, source=replace(each.source, path=f"{each.source.path}#{number}"))
        for number, each in enumerate(requests, start=1)
    )


def _first_ones(problems: Iterable[Problem]) -> list[Problem]:
    """Keep as many as help somebody, errors before warnings, in reading order."""
    urgent = sorted(
        problems, key=lambda problem: (problem.severity is not Severity.ERROR, problem.line)
    )
    return sorted(urgent[:MAX_PROBLEMS], key=lambda problem: (problem.line, problem.column))


def _empty(source: Source) -> Problem:
    return Problem(path=source.path, code="file.empty", message="the file holds nothing")


def _second(document: Document, source: Source) -> Problem:
    line, column = document.place(())
    return Problem(
        path=source.path,
        line=line,
        column=column,
        code="file.documents",
        message="the file holds more than one document",
        hint="write one document a file; tink import does it for you",
    )
