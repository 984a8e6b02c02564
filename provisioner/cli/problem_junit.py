"""Problems as JUnit XML: a test case is a file, and it fails when the file has an error.

GitLab reads one failure of each case, so all errors of a file are in that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from provisioner.model.problem import Problem, Severity

_SUITE = "tink validate"
# XML 1.0 has no way to write these, and no parser reads a document that holds one.
_NO_XML = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(problems: Sequence[Problem], checked: Iterable[str]) -> str:
    """`checked` are the files that were looked at; one without problems is a case that passes."""
    found: dict[str, list[Problem]] = {path: [] for path in checked}
    for problem in problems:
        found.setdefault(problem.path, []).append(problem)
    cases = [_case(path, of_file) for path, of_file in sorted(found.items())]
    failures = sum(case.find("failure") is not None for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _SUITE, **counts, "skipped": "0"})
    suite.extend(cases)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _case(path: str, problems: Sequence[Problem]) -> ElementTree.Element:
    name = _text(path)
    case = ElementTree.Element("testcase", {"classname": _SUITE, "name": name, "file": name})
    errors = [each for each in problems if each.severity is Severity.ERROR]
    warnings = [each for each in problems if each.severity is Severity.WARNING]
    if errors:
        first = _text(errors[0].message)
        about = {"type": errors[0].code, "message": first}
        failure = ElementTree.SubElement(case, "failure", about)
        failure.text = _text("\n".join(str(each) for each in errors))
    if warnings:
        shown = ElementTree.SubElement(case, "system-out")
        shown.text = _text("\n".join(f"warning: {each}" for each in warnings))
    return case


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
