"""Does every import keep to the layers?  Plain `ast`; a breach is told as file:line.

The rules are docs/architecture.md's, as tables.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("provisioner", "gotemplate", "worker")

# From the top down: a module imports its own layer and lower ones.
LAYERS = (
    ("cli", "demo"),
    ("faces",),
    ("wiring",),
    ("services",),
    ("store",),
    ("git",),
    ("planning",),
    ("documents",),
    ("model", "os_image"),
    ("config", "resources", "errors"),
)
RANK = {name: -rank for rank, names in enumerate(LAYERS) for name in names}

# The faces reach git only through services, and are wired from above.
FORBIDDEN = {
    "faces": ("store", "git", "wiring"),
    "git": ("planning", "documents", "config", "resources"),
    "model": ("config", "resources"),
}

# The rooms of the store, from the bottom up: none imports one that stands after it.
ROOMS = ("status", "journal", "fsck", "guard", "writer", "upkeep", "desired")

# Each third party has one home; `None` means everywhere in that folder.
HOMES = {
    "git": ("provisioner/git/",),
    "gitdb": ("provisioner/git/",),
    "flask": ("provisioner/faces/",),
    "werkzeug": ("provisioner/faces/",),
    "uvloop": ("provisioner/faces/", "provisioner/wiring.py"),
    "httptools": ("provisioner/faces/",),
    "yaml": ("provisioner/documents/",),
    "jsonschema": ("provisioner/documents/",),
    "watchdog": ("provisioner/services/watcher.py",),
    "prometheus_client": ("provisioner/services/metrics.py", "provisioner/faces/"),
    "click": ("provisioner/cli/",),
    "rich": ("provisioner/cli/", "provisioner/demo/"),
    "docker": ("worker/runtime",),
    "requests": ("worker/transport",),
}

PURE = (
    "provisioner/model/",
    "gotemplate/",
    "provisioner/planning/",
    "worker/tar.py",
    "worker/wire.py",
)
# What reads a clock, the environment, files, processes, sockets or writes a log.
# fmt: off
IMPURE_MODULES = frozenset({
    "asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
    "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
})
# fmt: on
IMPURE_CALLS = frozenset({"open", "print", "input", "breakpoint"})
IMPURE_METHODS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "uuid7"})

BANNED_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "base"})
LINE_LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    path: str
    line: int
    target: str  # dotted

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}:{node.lineno}: imports are absolute"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(path=relative(path), line=node.lineno, target=target)


def all_imports(*folders: str) -> list[Import]:
    return [each for path in sources(*folders) for each in imports(path)]


def layer(dotted: str) -> str | None:
    package, _, rest = dotted.partition(".")
    return rest.split(".")[0] if package == "provisioner" and rest else None


def layer_of_file(path: str) -> str | None:
    return layer(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def breaches_of_layers(found: list[Import]) -> list[str]:
    breaches = []
    for each in found:
        mine, theirs = layer_of_file(each.path), layer(each.target)
        if mine is None or theirs is None or mine == theirs:
            continue
        if theirs not in RANK:
            continue  # a name of the package itself: `from provisioner import __version__`
        if RANK[theirs] > RANK[mine] or theirs in FORBIDDEN.get(mine, ()):
            breaches.append(f"{each.place}: {mine} imports {theirs}")
    return breaches


def room(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[2] if parts[:2] == ["provisioner", "store"] and len(parts) > 2 else None


def breaches_of_rooms(found: list[Import]) -> list[str]:
    breaches = []
    for each in found:
        mine = room(each.path.removesuffix(".py").replace("/", "."))
        theirs = room(each.target)
        if mine in ROOMS and theirs in ROOMS and ROOMS.index(theirs) > ROOMS.index(mine):
            breaches.append(f"{each.place}: {mine} imports {theirs}")
    return breaches


def breaches_of_homes(found: list[Import]) -> list[str]:
    return [
        f"{each.place}: {package} is imported only in {', '.join(HOMES[package])}"
        for each in found
        if (package := each.target.split(".")[0]) in HOMES
        and not each.path.startswith(HOMES[package])
    ]


def breaches_of_purity(path: Path) -> list[str]:
    place = relative(path)
    breaches = [
        f"{each.place}: {each.target} has no place in pure code"
        for each in imports(path)
        if each.target.split(".")[0] in IMPURE_MODULES
    ]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in IMPURE_CALLS:
                breaches.append(f"{place}:{node.lineno}: {name}() has no place in pure code")
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if (
                name in IMPURE_METHODS and owner in {"datetime", "date", "uuid"}
            ):
                breaches.append(f"{place}:{node.lineno}: {name}() has no place in pure code")
    return breaches


def is_pure(path: Path) -> bool:
    return relative(path).startswith(PURE)


def test_every_module_belongs_to_a_layer():
    known = {*RANK, "_version", "__init__", "__main__"}
    strangers = {
        relative(path)
        for path in sources("provisioner")
        if path.parent != ROOT / "provisioner" or path.stem != "__init__"
        if layer_of_file(relative(path)) not in known
    }
    assert not strangers


def test_a_module_imports_its_own_layer_and_lower_ones():
    assert not breaches_of_layers(all_imports("provisioner"))


def test_every_file_of_the_store_is_in_a_room_and_no_room_imports_a_higher_one():
    store = ROOT / "provisioner/store"
    assert {path.relative_to(store).parts[0] for path in sources("provisioner/store")} == {
        *ROOMS,
        "__init__.py",
    }
    assert not breaches_of_rooms(all_imports("provisioner/store"))


def test_git_knows_of_the_model_nothing_but_ids():
    assert {
        each.target.rpartition(".")[0]
        for each in all_imports("provisioner/git")
        if layer(each.target) == "model"
    } == {"provisioner.model.ids"}


def test_the_template_engine_imports_nothing_of_ours():
    assert not [
        f"{each.place}: {each.target}"
        for each in all_imports("gotemplate")
        if each.target.split(".")[0] in {"provisioner", "worker"}
    ]


def test_the_worker_imports_nothing_of_the_provisioner():
    assert not [
        f"{each.place}: {each.target}"
        for each in all_imports("worker")
        if each.target.split(".")[0] in {"provisioner", "gotemplate"}
    ]


def test_the_provisioner_imports_only_the_wire_of_the_worker_and_only_in_faces():
    assert not [
        f"{each.place}: {each.target}"
        for each in all_imports("provisioner")
        if each.target.split(".")[0] == "worker"
        if not (
            each.path.startswith("provisioner/faces/")
            and (each.target == "worker.wire" or each.target.startswith("worker.wire."))
        )
    ]


def test_each_third_party_has_one_home():
    assert not breaches_of_homes(all_imports(*PACKAGES))


def test_pure_code_has_no_clock_environment_files_or_logging():
    assert not [
        breach
        for path in sources(*PACKAGES)
        if is_pure(path)
        for breach in breaches_of_purity(path)
    ]


def test_only_main_exits():
    exits = []
    for path in sources(*PACKAGES):
        if path.name == "main.py" or path.name == "__main__.py":
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case (
                    ast.Call(func=ast.Attribute(value=ast.Name(id="sys" | "os"), attr=name))
                    | ast.Call(func=ast.Name(id=name))
                ) if name in {"exit", "_exit", "quit"}:
                    exits.append(f"{relative(path)}:{node.lineno}")
                case ast.Raise(
                    exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))
                ):
                    exits.append(f"{relative(path)}:{node.lineno}")
    assert not exits


def test_a_file_is_one_noun_or_one_verb():
    assert not [
        relative(path)
        for path in sources(*PACKAGES)
        if BANNED_NAMES & set(path.stem.split("_")) or path.parent.name in BANNED_NAMES
    ]


def test_no_file_is_longer_than_a_reader_bears():
    assert not {
        relative(path): lines
        for path in sources(*PACKAGES, "tests")
        if (lines := len(path.read_bytes().splitlines())) > LINE_LIMIT
    }


def test_every_module_opens_with_the_question_that_it_answers():
    assert not [
        relative(path)
        for path in sources(*PACKAGES, "tests", "benchmarks")
        if path.read_bytes().strip()
        if ast.get_docstring(ast.parse(path.read_bytes())) is None
    ]


def test_values_of_pure_code_do_not_change():
    soft = []
    for path in filter(is_pure, sources(*PACKAGES)):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            for decorator in node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                if _name(call.func if call else decorator) != "dataclass":
                    continue
                said = {word.arg for word in call.keywords} if call else set()
                if not {"frozen", "slots"} <= said:
                    soft.append(f"{relative(path)}:{node.lineno}: {node.name}")
    assert not soft


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


# The rules themselves are tested: a test that can't fail is none.


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("provisioner/model/x.py", "from provisioner.store import repo"),
        ("provisioner/faces/http/x.py", "from provisioner.store import repo"),
        ("provisioner/faces/http/x.py", "import provisioner.wiring"),
        ("provisioner/documents/x.py", "from provisioner.planning import planner"),
    ],
)
def test_an_upward_import_is_found(checkout, path, text):
    checkout(path, f"\n{text}\n")
    assert breaches_of_layers(all_imports("provisioner"))[0].startswith(f"{path}:2: ")


def test_an_import_of_a_higher_room_is_found(checkout):
    checkout("provisioner/store/status/x.py", "\nfrom provisioner.store.writer import lock\n")
    assert breaches_of_rooms(all_imports("provisioner"))[0].startswith(
        "provisioner/store/status/x.py:2: "
    )


def test_a_third_party_out_of_its_home_is_found(checkout):
    checkout("provisioner/services/x.py", "import os\nfrom git import Repo\n")
    assert breaches_of_homes(all_imports("provisioner"))[0].startswith(
        "provisioner/services/x.py:2"
    )


@pytest.mark.parametrize(
    "text",
    ["import time", "from os import environ", "open('x')", "print()", "datetime.now()"],
)
def test_an_impure_line_is_found(checkout, text):
    path = checkout("provisioner/model/x.py", f"from datetime import datetime\n{text}\n")
    assert breaches_of_purity(path)[0].startswith("provisioner/model/x.py:2: ")
