"""Differential fuzz: python -m tests.gotemplate.oracle.fuzz --cases 50000 (from the root).

Random templates and data through ours and through real Go.  What differs is printed, at most one
for each kind of difference, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.gotemplate.oracle import go
from tests.gotemplate.oracle.compare import difference
from tests.gotemplate.oracle.data import DATA
from tests.gotemplate.oracle.strategies import cases

_BATCH = 1000


def batch(number: int, size: int) -> list[dict[str, object]]:
    """`size` cases; the same number gives the same ones."""
    made: list[dict[str, object]] = []

    @seed(number)
    @settings(
        max_examples=size,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def collect(case: dict[str, object]) -> None:
        made.append(case)

    collect()
    return made


def expected(case: dict[str, object], answer: dict[str, object], found: str) -> bool:
    """Whether ours may differ here; each reason is a decision of ours."""
    error = str(answer.get("error", ""))
    reasons = (
        "expected int; got int64",
        "expected int; got uint8",
        "expected float64; got int",
        "should be type of slice or array but string",
        "timeout",
    )
    if any(reason in error for reason in reasons):
        return True
    stricter = (
        "[template.limit]",
        "of a number with a fraction is not supported",
        "a list can't be cut into pieces of",
        "slice: the index",  # Go goes on to the capacity, which nobody sees
    )
    if any(words in found for words in stricter):
        return True
    if re.search(
        r"incompatible types for comparison: (u?int\d* and float64|float64 and u?int)", error
    ):
        return True
    text = str(case["template"])
    return "printf" in text and bool(re.search(r"%![eEfgG]\(int", str(answer.get("output"))))


def _difference(case: dict[str, object], answer: dict[str, object]) -> str:
    try:
        return difference(case, answer)
    except Exception as error:  # whatever a template makes us raise is a finding
        return f"ours crashes: {error!r}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=50_000)
    arguments.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments.add_argument("--show", type=int, default=20)
    options = arguments.parse_args()
    lacks = go.missing()
    if lacks:
        print(f"no fuzz: {lacks}", file=sys.stderr)
        return 2
    shown: dict[str, str] = {}
    count = rendered = failed = excused = 0
    with tempfile.TemporaryDirectory() as folder:
        program = go.build(Path(folder))
        number = options.seed
        while count < options.cases:
            made = batch(number, min(_BATCH, options.cases - count))
            answers = go.ask(program, [{"data": DATA, **case} for case in made])
            for case, answer in zip(made, answers, strict=True):
                count += 1
                failed += "error" in answer
                rendered += "error" not in answer
                found = _difference(case, answer)
                if found and expected(case, answer, found):
                    excused += 1
                elif found:
                    kind = re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", found)[:120]
                    if kind not in shown or len(json.dumps(case)) < len(shown[kind]):
                        shown[kind] = json.dumps(case) + "\n    " + found[:600]
            number += 1
    print(f"{count} cases from seed {options.seed}: Go rendered {rendered} and refused {failed};")
    print(f"{excused} differ as decided; {len(shown)} kinds of other differences")
    for text in sorted(shown.values(), key=len)[: options.show]:
        print(text)
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main())
