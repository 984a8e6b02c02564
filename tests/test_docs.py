"""Every command in README and docs runs, and what they show is true.

The `sh` blocks of a document are one shell session in a folder of their own, with the
examples beside it.  `make` is asked what it would do.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.cli import main
from provisioner.demo import stage
from provisioner.documents import decode
from provisioner.documents.layout import Kind

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md")
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PATIENCE_SECONDS = 120

TINK = """#!/bin/sh
export PYTHONPATH="{root}"
exec "{python}" -m provisioner.cli "$@"
"""
MAKE = """#!/bin/sh
exec /usr/bin/make -n -C "{root}" "$@"
"""


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text()
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def with_blocks(language: str) -> list[str]:
    return [document for document in DOCUMENTS if blocks(document, language)]


@pytest.fixture
def shell(tmp_path):
    """Run a session's text; returns what it printed.  What it left running is ended."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "tmp").mkdir()
    where = {"root": ROOT, "python": sys.executable}
    for name, text in (("tink", TINK), ("make", MAKE)):
        (programs / name).write_text(text.format(**where))
    for program in programs.iterdir():
        program.chmod(0o755)
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copytree(ROOT / "examples", desk / "examples")
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "tmp"),
        "HOME": str(tmp_path / "tmp"),
    }
    started = []

    def run(script: str, *, folder: Path = desk) -> str:
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(
                ["bash", "-eu", "-o", "pipefail", "-c", script],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(process)
        code = process.wait(PATIENCE_SECONDS)
        told = (tmp_path / "said").read_text(errors="replace")
        assert code == 0, told
        return told

    yield run
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def session(document: str) -> str:
    lines = [f"set -x\n{body}" for body in blocks(document, "sh")]
    text = "\n".join(line for line in lines if "pip install" not in line)
    return re.sub(r"127\.0\.0\.1:421\d\d", f"127.0.0.1:{stage.free_port()}", text)


@pytest.mark.network
@pytest.mark.parametrize("document", with_blocks("sh"))
def test_the_commands_of_a_document_run(document, shell):
    shell(session(document))


@pytest.mark.network
def test_the_readme_installs_it(shell, tmp_path):
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    (block,) = (body for body in blocks("README.md", "sh") if "pip install" in body)
    said = shell(block, folder=checkout)
    assert "tink, version" in said


@pytest.mark.parametrize("document", with_blocks("yaml"))
def test_the_files_that_a_document_shows_are_right(document):
    for text in blocks(document, "yaml"):
        found = re.match(r"# ((?:hardware|templates|workflows)/\S+)\n", text)
        if not found and "\ntasks:" not in text:
            continue  # no document of a repository
        path = found[1] if found else "templates/shown.yaml"
        decoded = decode.decode_file(path=path, blob_id="", content=text.encode())
        assert decoded.problems == ()
        assert decoded.hardware or decoded.templates or decoded.requests


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r"^\[[^]]+\]: (\S+)", text, re.M)
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not ((ROOT / document).parent / link).exists()]
    assert not missing


def test_every_verb_is_documented():
    text = (ROOT / "docs" / "cli.md").read_text()
    for name in main.tink.list_commands(None):
        command = main.tink.get_command(None, name)
        assert f"tink {name}" in text or f"### {name}" in text, name
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0] or text
        for verb in getattr(command, "list_commands", lambda _: [])(None):
            assert verb in section, f"{name} {verb}"


def test_every_kind_of_file_has_a_page_that_begins_with_an_example():
    for kind in Kind:
        text = (ROOT / "docs" / f"{kind}.md").read_text()
        title, _, rest = text.partition("\n\n")
        assert title.startswith("# ")
        assert rest.startswith("```yaml\n")


def test_the_readme_names_every_document():
    text = (ROOT / "README.md").read_text()
    pages = [path for path in DOCUMENTS if re.fullmatch(r"docs/[^/]+\.md", path)]
    assert not [page for page in pages if f"]({page})" not in text]


def test_make_has_every_target_that_is_told_of():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    told = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / document).read_text(), re.M)
    }
    assert told
    assert told <= targets
