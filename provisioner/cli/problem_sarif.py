"""Problems as SARIF 2.1.0, which forges and editors show at their lines."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import provisioner
from provisioner.model.problem import Problem

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def log(problems: Sequence[Problem]) -> dict[str, object]:
    """One run; a rule is the code of a problem, a level its severity."""
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "tink",
        "version": provisioner.__version__,
        "rules": [{"id": code} for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes.index(problem.code)) for problem in problems],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(problem: Problem, rule: int) -> dict[str, object]:
    hint = f"\nHint: {problem.hint}" if problem.hint else ""
    uri = quote(problem.path.encode("utf-8", "surrogateescape"))
    place: dict[str, object] = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    if problem.line:  # without one, the whole file is meant
        region = {"startLine": problem.line}
        place["region"] = region | ({"startColumn": problem.column} if problem.column else {})
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity.value,
        "message": {"text": f"{problem.message}{hint}"},
        "locations": [{"physicalLocation": place}],
    }
