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
from collections import Counter
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


# What real Go does once it is as kind as we are (kinder.go): asked when it says one of these, or
# compares numbers of two types.
_KINDER = re.compile(
    r"wrong type for value; expected (int|float64); got u?int\d*"
    r"|expected map\[string\]interface {}; got interface {}"
    r"|incompatible types for comparison"
    r"|should be type of slice or array but string"
    r"|cannot slice"
)
_OF_EQUALITY = re.compile(r"\b(has|mustHas|without|mustWithout|deepEqual|eq|ne)\b")

# Ours is stricter, or Go's answer is none: what ours says, and what Go must have said.
_STRICTER = {
    "our limits": (r"\[template\.limit\]", r""),
    "verbs of whole numbers on fractions": (
        r"printf: %[a-zA-Z] of a number with a fraction is not supported",
        r"^Go writes ",
    ),
    "chunk of a negative size": (r"chunk: a list can't be cut into pieces of -", r"^Go writes "),
    "slice beyond the end, into the capacity": (r"slice: the index", r"^Go writes "),
    "verbs of fractions on whole numbers": (r"ours '", r"%![eEfgG]\(int"),
}


_SAME_WHEN_KINDER = "numbers of any type, slice of texts, null for a map"
_DECISIONS = frozenset({_SAME_WHEN_KINDER, *_STRICTER})


def decision(found: str) -> str:
    """The name of the decision by which ours differs from Go's answer here, or nothing."""
    for name, (ours, go_says) in _STRICTER.items():
        said_by_go, _, said_by_us = found.partition("ours")
        if re.search(ours, "ours" + said_by_us) and re.search(go_says, said_by_go):
            return name
    return ""


def settled(case: dict[str, object], answer: dict[str, object], program: Path) -> str:
    """What differs from Go as kind as we are, or the decision by which it does not count."""
    found = _difference(case, answer)
    if not found:
        return ""
    error = str(answer.get("error", ""))
    if _KINDER.search(error) or _OF_EQUALITY.search(str(case["template"])):
        [kinder] = go.ask(program, [{"data": DATA, **case, "kinder": True}])
        found = _difference(case, kinder)
        if not found:
            return _SAME_WHEN_KINDER
    return decision(found) or found


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
    count = rendered = failed = 0
    excused: Counter[str] = Counter()
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
                found = settled(case, answer, program)
                if found in _DECISIONS:
                    excused[found] += 1
                elif found:
                    kind = re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", found)[:120]
                    if kind not in shown or len(json.dumps(case)) < len(shown[kind]):
                        shown[kind] = json.dumps(case) + "\n    " + found[:600]
            number += 1
    print(f"{count} cases from seed {options.seed}: Go rendered {rendered} and refused {failed};")
    for name, times in excused.most_common():
        print(f"{times} differ as decided: {name}")
    print(f"{len(shown)} kinds of other differences")
    for text in sorted(shown.values(), key=len)[: options.show]:
        print(text)
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main())
