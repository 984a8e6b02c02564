"""A command line in a repository of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.cli import main
from tests.cli.repository import EXAMPLES
from tests.cli.written import Written, write


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    code: int
    out: str
    err: str


Tink = Callable[..., Result]


@pytest.fixture
def tink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Tink:
    """Run `tink` in the folder `site`; `piped` is what stands before the pipe."""
    monkeypatch.chdir(tmp_path)
    counter = iter(range(10_000))

    def run(*words: str | Path, piped: str | bytes | None = None) -> Result:
        given = os.devnull
        if piped is not None:
            content = piped.encode() if isinstance(piped, str) else piped
            given = str(tmp_path / f"stdin-{next(counter)}")
            Path(given).write_bytes(content)
        with open(given) as stdin:  # noqa: PTH123  # /dev/null is no path of ours
            monkeypatch.setattr(sys, "stdin", stdin)
            capfd.readouterr()
            code = main.run([str(word) for word in words])
            out, err = capfd.readouterr()
        return Result(code=code, out=out, err=err)

    return run


@pytest.fixture
def home(tink: Tink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository made by `tink init`, with two machines and the page's template; stand in it."""
    site = tmp_path / "site"
    assert tink("init", site).code == 0
    monkeypatch.chdir(site)
    for machine in ("n1.yaml", "n2.yaml"):
        assert tink("hardware", "push", "--file", EXAMPLES / "hardware" / machine).code == 0
    path = EXAMPLES / "templates" / "hello-world.yaml"
    assert tink("template", "create", "--file", path).code == 0
    yield site


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What a server left behind; nobody changes it."""
    return write(tmp_path_factory.mktemp("written"))
