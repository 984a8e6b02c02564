"""docs/compat.md tells the truth: every line of it names a test, and the test exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compat.md").read_text(encoding="utf-8")
FOLDERS = ("cli", "documents", "planning", "gotemplate")


def test_every_line_names_a_test_that_exists():
    defined = {
        name
        for folder in FOLDERS
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "| test |" not in line]
    named = [re.findall(r"`(test_\w+)` \|$", row) for row in rows]
    assert [row for row, names in zip(rows, named, strict=True) if len(names) != 1] == []
    assert {name for names in named for name in names} - defined == set()
    assert len(rows) > 40
