"""Renew the goldens: `python -m tests.gotemplate.oracle.generate`, at the root of the checkout.

cases.jsonl holds what people thought of, found.jsonl what the fuzz found; goldens.jsonl holds each
of them, a grid of printf's verbs and flags and one of all functions (grid.py), with what real Go
made of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.gotemplate.oracle import differences, go, grid
from tests.gotemplate.oracle.data import DATA

HERE = Path(__file__).parent
CASES = HERE / "cases.jsonl"
FOUND = HERE / "found.jsonl"
GOLDENS = HERE / "goldens.jsonl"

_FLAGS = ("", "5", "-5", "05", "+", "#", " ", ".2", "8.3", "-8.3", "+08.1")
_FRACTIONS = ("3.5", "-0.25", "1e21", "1234567.0")
_OTHERS = ("42", "-7", "0", "233", '"hé\\n"', '""', "true", "nil", ".list", ".nums", ".map")


def cases() -> Iterator[dict[str, object]]:
    """A case without data takes those that all share."""
    for path in (CASES, FOUND):
        for line in path.read_text().splitlines():
            yield json.loads(line)
    for template in printf_grid():
        yield {"family": "printf", "template": template}
    yield from grid.cases()


def printf_grid() -> Iterator[str]:
    """Each verb with each flag on each kind of value."""
    for value in (*_FRACTIONS, *_OTHERS):
        is_whole = value.lstrip("-").isdigit() or value in (".nums", ".map")
        for verb in "vdsqxXobOcUeEfgGtT":
            if verb in "eEfgG" and is_whole:
                continue  # ours are kinder here, on purpose
            if verb in "xXb" and value in _FRACTIONS:
                continue  # fractions in hexadecimal and binary are not supported
            words = [f"%{flag}{verb}" for flag in _FLAGS]
            yield f'{{{{printf "{"|".join(words)}" {" ".join([value] * len(words))}}}}}'


def main() -> int:
    lacks = go.missing()
    if lacks:
        print(f"cannot make goldens: {lacks}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        program = go.build(Path(folder))
        every = list(cases())
        answers = go.ask(program, [{"data": DATA, **case} for case in every])
        listed = differences.listed()
        asked = ({"data": differences.DATA, "template": each.template} for each in listed)
        for each, answer in zip(listed, go.ask(program, asked), strict=True):
            if differences.untrue(each, answer):
                print(f"docs/compat.md, {each.what}: Go gives {answer}", file=sys.stderr)
                return 1
    with GOLDENS.open("w") as file:
        for case, answer in zip(every, answers, strict=True):
            file.write(json.dumps({**case, **answer}, ensure_ascii=False) + "\n")
    print(f"{len(every)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
