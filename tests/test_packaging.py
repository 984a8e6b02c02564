"""Does the wheel hold all that the program needs, and run where there is no checkout?"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest

import provisioner

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("provisioner", "gotemplate", "worker")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    with tempfile.TemporaryDirectory() as home:  # pip asks other programs, which may write there
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env={**os.environ, "HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel in it; libraries come from the tests' own."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--no-cache-dir")
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel)
    libraries = sysconfig.get_path("purelib")
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A path named in a .pth file is searched, but its own .pth files, such as that of an
    # editable tinkgit, are not read.
    (Path(own) / "libraries.pth").write_text(libraries)
    return home / "bin"


def files_below(folder: str) -> set[str]:
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder)
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_carries_schemas_layout_and_examples(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("schema", "repo_layout", "examples"):
        wanted = {f"provisioner/_data/{name}" for name in files_below(folder)}
        assert wanted
        assert wanted <= packed


def test_the_wheel_carries_every_module_and_no_test(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    for each in PACKAGES:
        assert files_below(each) <= packed
    assert not [name for name in packed if name.startswith(("tests/", "benchmarks/", "docs/"))]


def test_the_installed_commands_run_outside_the_checkout(installed, tmp_path):
    assert provisioner.__version__ in run(installed / "tink", "--version", cwd=tmp_path)
    assert "Usage: tink" in run(installed / "tink", "--help", cwd=tmp_path)
    assert "--server" in run(installed / "tink-worker", "--help", cwd=tmp_path)


def test_the_installed_program_makes_and_checks_a_repository(installed, tmp_path):
    run(installed / "tink", "init", "site", cwd=tmp_path)
    run(installed / "tink", "validate", cwd=tmp_path / "site")
    assert (tmp_path / "site" / ".schema" / "v1" / "hardware.json").is_file()
    assert (tmp_path / "site" / ".github" / "workflows" / "validate.yml").is_file()


def test_the_installed_program_is_not_the_checkout(installed, tmp_path):
    where = run(
        installed / "python", "-c", "import provisioner; print(provisioner.__file__)", cwd=tmp_path
    )
    assert str(ROOT) not in where


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_hashes_and_names_no_host(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^--(index-url|extra-index-url|find-links|trusted-host)", text, re.M)
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert all("--hash=sha256:" in entry for entry in entries)


def normalised(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", requirement)[0].lower())


def test_every_dependency_is_pinned():
    runtime = pins("requirements.txt")
    assert {normalised(each) for each in PROJECT["dependencies"]} <= set(map(normalised, runtime))
    everything = set(map(normalised, pins("requirements-dev.txt")))
    extras = PROJECT["optional-dependencies"].values()
    assert {normalised(each) for extra in extras for each in extra} <= everything


# Named differently as a distribution and as a package, or loaded by another library.
IMPORTED_AS = {"gitpython": "git", "pyyaml": "yaml", "prometheus-client": "prometheus_client"}
LOADED_BY_NAME: set[str] = set()
PART_OF_ANOTHER = {"gitdb", "urllib3", "werkzeug"}  # of gitpython, requests, flask


def test_what_is_imported_is_what_we_depend_on():
    imported = set()
    for path in chain.from_iterable(ROOT.glob(f"{each}/**/*.py") for each in PACKAGES):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {*PACKAGES}
    named = {normalised(each) for each in PROJECT["dependencies"]} - LOADED_BY_NAME
    assert foreign - PART_OF_ANOTHER == {IMPORTED_AS.get(each, each) for each in named}


def test_both_pin_files_agree():
    runtime, everything = pins("requirements.txt"), pins("requirements-dev.txt")
    assert runtime.items() <= everything.items()


def test_every_dependency_has_a_lower_bound():
    extras = PROJECT["optional-dependencies"].values()
    named = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    assert not [each for each in named if ">=" not in each]


def test_debian_packages_are_named_once_with_a_group_and_a_reason():
    lines = [
        line
        for line in (ROOT / "debian-packages.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    entries = [re.fullmatch(r"(\w+) +([a-z0-9.+-]+) +# (\S.*)", line) for line in lines]
    assert all(entries), lines
    names = [entry[2] for entry in entries if entry]
    assert len(names) == len(set(names))


def test_a_list_of_debian_packages_stands_in_one_file():
    installs = [
        name
        for name in ("Makefile", ".ci/run", "install-packages")
        if re.search(r"apt-get install.*\b(docker\.io|golang|busybox)", (ROOT / name).read_text())
    ]
    assert not installs
