"""Do we and real Go agree on a case?  Both fail at the same line, or both give the same text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gotemplate.errors import InvalidTemplate
from gotemplate.functions.signature import FunctionTable
from gotemplate.template import parse
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS
from tests.gotemplate.oracle.data import DATA

_GO_LINES = re.compile(r"\bgolden:(\d+)")
# We point at the opening of what is never closed, where Go points at the end of the file.
_OPEN_ENDED = ("unexpected EOF", "unclosed", "unterminated")


FUNCTIONS: FunctionTable = TEMPLATE_FUNCTIONS


def difference(case: Mapping[str, object], answer: Mapping[str, object]) -> str:
    """What differs, or nothing."""
    error = str(answer.get("error", ""))
    data = case.get("data", DATA)
    assert isinstance(data, dict)
    rule = str(case.get("missing_key") or "error")
    try:
        template = parse(str(case["template"]), name="golden", functions=FUNCTIONS)
        text = template.render(data, missing_key=rule)
    except InvalidTemplate as failure:
        if answer.get("binary"):
            return ""  # Go writes bytes that are no text; we refuse
        if not error:
            return f"Go writes {answer['output']!r}, ours fails: {failure}"
        return _line_difference(failure, error)
    if error:
        return f"Go fails with {error!r}, ours writes {text!r}"
    return "" if text == answer["output"] else f"Go writes {answer['output']!r}, ours {text!r}"


def _line_difference(failure: InvalidTemplate, error: str) -> str:
    lines = {int(line) for line in _GO_LINES.findall(error)}
    ours = {problem.line for problem in failure.problems}
    if not lines or ours & lines:
        return ""
    opened = any(words in error for words in _OPEN_ENDED) or "is not closed" in str(failure)
    if opened and min(ours) < max(lines):
        return ""
    return f"Go fails at line {sorted(lines)} with {error!r}, ours: {failure}"
