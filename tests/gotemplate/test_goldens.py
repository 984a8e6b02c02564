"""Ours against what real Go made of the same templates; see tests/gotemplate/oracle."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import pytest

from gotemplate.functions.default import DEFAULT_FUNCTIONS
from tests.gotemplate.oracle.compare import difference
from tests.gotemplate.oracle.generate import GOLDENS

GOLDEN_CASES = [json.loads(line) for line in GOLDENS.read_text().splitlines()]


def by_family():
    families = defaultdict(list)
    for case in GOLDEN_CASES:
        families[case["family"]].append(case)
    return sorted(families.items())


@pytest.mark.parametrize(("family", "cases"), by_family(), ids=[f for f, _ in by_family()])
def test_we_write_what_go_writes_and_fail_where_go_fails(family, cases):
    differences = [
        f"{case['template']!r}: {found}" for case in cases if (found := difference(case, case))
    ]
    assert not differences, "\n".join(differences)


def test_there_are_goldens_for_every_function():
    words = {word for case in GOLDEN_CASES for word in re.findall(r"\w+", case["template"])}
    assert set(DEFAULT_FUNCTIONS) <= words
    assert len(GOLDEN_CASES) >= 3_000
