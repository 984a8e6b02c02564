"""The differences from Go that docs/compat.md lists, with an example of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "compat.md"
DATA = {"n": 3, "l": [1, 3], "null": None}
REFUSED = "refused"
# In these the oracle is kinder than Tinkerbell, so that it can be compared with ours.
OF_TINKERBELL_ALONE = ("netmaskToPrefixLength", "fromYaml")

_ROW = re.compile(
    r"\| (?P<what>.+) \| `(?P<template>.+)` \| (?P<go>.+) \| (?P<ours>.+) \| `test_\w+` \|"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`go` and `ours` are what comes out in back quotes, "refused", or words about it."""

    what: str
    template: str
    go: str
    ours: str


def listed() -> list[Difference]:
    page = PAGE.read_text(encoding="utf-8")
    section = page.split("## Templates against Go's")[1].split("\n## ")[0]
    return [Difference(**row.groupdict()) for row in _ROW.finditer(section)]


def untrue(difference: Difference, answer: Mapping[str, object]) -> bool:
    """Whether real Go answers otherwise than the page says; words about an answer say nothing."""
    if any(name in difference.template for name in OF_TINKERBELL_ALONE):
        return False
    if difference.go.startswith(REFUSED):
        return "error" not in answer
    said = difference.go.strip("`")
    return difference.go.startswith("`") and said != answer.get("output")
