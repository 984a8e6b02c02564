"""Ours against what real Go made of the same templates; see tests/gotemplate/oracle."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import pytest

from gotemplate.functions.default import DEFAULT_FUNCTIONS
from tests.gotemplate.oracle import go
from tests.gotemplate.oracle.compare import difference
from tests.gotemplate.oracle.data import DATA
from tests.gotemplate.oracle.generate import GOLDENS

GOLDEN_CASES = [json.loads(line) for line in GOLDENS.read_text().splitlines()]
SAMPLE_STEP = 7


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
    newer_than_the_oracle = {"sha512sum"}
    assert set(DEFAULT_FUNCTIONS) - words == newer_than_the_oracle
    assert len(GOLDEN_CASES) >= 600


def test_the_goldens_are_what_the_real_go_here_says(tmp_path):
    lacks = go.missing()
    if lacks:
        pytest.skip(f"not checked against real Go: {lacks}")
    program = go.build(tmp_path)
    sample = GOLDEN_CASES[::SAMPLE_STEP]
    if not go.speaks_newest(tmp_path):
        sample = [case for case in sample if case["family"] not in ("control", "found")]
    keys = ("template", "data", "missing_key")
    asked = [{"data": DATA, **{key: case[key] for key in keys if key in case}} for case in sample]
    for case, answer in zip(sample, go.ask(program, asked), strict=True):
        expected = {key: case[key] for key in ("output", "stage") if key in case}
        assert {key: answer[key] for key in expected} == expected, case["template"]
