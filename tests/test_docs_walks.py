"""The walks in docs/architecture.md name files and functions that are there, in an order of calls.

A function is used by a file that the walk named before; or by its own file, where one of the
two imports the other.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text()
WALK = re.compile(r"^### (.+)\n\n((?:\d+\. .*\n)+)", re.MULTILINE)
STEP = re.compile(r"^(\d+)\. `([\w/]+\.py)` `(\w+)`: ", re.MULTILINE)

Step = tuple[str, str]  # path, function


def walks(text: str = TEXT) -> dict[str, list[Step]]:
    """The steps of each walk; a line that is no step is an error."""
    found = {}
    for title, body in WALK.findall(text):
        steps = STEP.findall(body)
        numbers = [int(number) for number, _, _ in steps]
        assert numbers == list(range(1, len(body.splitlines()) + 1)), f"{title}: a line is no step"
        found[title] = [(path, function) for _, path, function in steps]
    return found


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The functions and methods that a file defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(it.name for it in ast.walk(_tree(path)) if isinstance(it, kinds))


@cache
def names_used_by(path: Path) -> frozenset[str]:
    """The names that a file reads, of its own and of others: `x` and the `x` of `a.x`."""
    used = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            used.add(node.attr)
    return frozenset(used)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules that a file imports, and the names that it imports from them, dotted."""
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update((str(node.module), *(f"{node.module}.{it.name}" for it in node.names)))
    return frozenset(found)


def are_tied(root: Path, one: str, other: str) -> bool:
    """Whether one of two files imports the other."""
    return any(
        b.removesuffix(".py").replace("/", ".") in imports_of(root / a)
        for a, b in ((one, other), (other, one))
    )


def faults(steps: list[Step], root: Path = ROOT) -> list[str]:
    """What is not true of a walk."""
    found = []
    before: list[str] = []
    for number, (path, function) in enumerate(steps, 1):
        if not (root / path).exists():
            found.append(f"{number}: there is no {path}")
            continue
        if function not in functions_of(root / path):
            found.append(f"{number}: {path} has no {function}")
        users = before
        if any(are_tied(root, path, it) for it in before):
            users = [*before, path]  # by a table of routes, or handed to the other as a callback
        if before and not any(function in names_used_by(root / user) for user in users):
            found.append(f"{number}: nothing before it uses {function} of {path}")
        before.append(path)
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def test_there_are_walks_of_a_report_a_commit_a_poll_and_a_command():
    assert [title.partition(":")[0] for title in walks()] == [
        "A report",
        "A commit",
        "A poll",
        "`tink workflow create`",
    ]


@pytest.mark.parametrize("title", walks())
def test_every_step_is_there_and_used_by_a_file_before_it(title):
    assert not faults(walks()[title])


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([("a.py", "first"), ("gone.py", "second")], "2: there is no gone.py"),
        ([("a.py", "second")], "1: a.py has no second"),
        ([("a.py", "first"), ("b.py", "third")], "2: nothing before it uses third of b.py"),
        ([("b.py", "second"), ("a.py", "first")], "2: nothing before it uses first of a.py"),
    ],
)
def test_what_is_not_true_of_a_walk_is_found(tmp_path, steps, fault):
    (tmp_path / "a.py").write_text("import b\n\ndef first():\n    return b.second()\n")
    (tmp_path / "b.py").write_text(
        "def second(): ...\ndef third(): ...\ndef fourth(): ...\nROUTES = [fourth]\n"
    )
    assert faults([("a.py", "first"), ("b.py", "second")], tmp_path) == []
    assert faults([("a.py", "first"), ("b.py", "fourth")], tmp_path) == []
    assert faults(steps, tmp_path) == [fault]


def test_a_line_that_is_no_step_is_found():
    with pytest.raises(AssertionError, match="a line is no step"):
        walks("### A walk\n\n1. `a.py` `f`: one\n2. on foot\n")
