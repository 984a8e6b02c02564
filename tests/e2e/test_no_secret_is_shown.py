"""The password in a remote's URL stands nowhere: not printed, served, stored or seen by `ps`."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.e2e.site import Site
from tests.forge import Forge

pytestmark = [pytest.mark.network]

SECRET = "S3CRET-42"
PATIENCE_SECONDS = 30


@pytest.fixture
def site(tmp_path):
    site = Site(folder=tmp_path)
    site.repository.mkdir()
    site.tink("init", ".")
    site.git("clone", "--quiet", "--mirror", str(site.repository), str(tmp_path / "site.git"))
    yield site
    site.stop_all()


@pytest.fixture
def forge(site):
    forge = Forge(site.folder, password=SECRET)
    yield forge
    forge.close()


def command_lines() -> str:
    """Those of all processes, as everybody can read them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


def shown_by(site: Site) -> str:
    """What the server answers to anybody, and what `ps` does."""
    pages = ("readyz", "metrics", "healthz", "v1/machines", "v1/workflows")
    answers = [requests.get(f"http://{site.address}/{page}", timeout=10).text for page in pages]
    return "\n".join([*answers, command_lines()])


@pytest.mark.parametrize(
    ("password", "by_flag"),
    [(SECRET, False), (SECRET, True), (f"wrong-{SECRET}", False)],
    ids=["right", "flag", "wrong"],
)
def test_the_password_of_a_remote_is_shown_nowhere(site, forge, password, by_flag):
    url = forge.url("site.git", f"ops:{password}@")
    if by_flag:
        site.served = url
    else:
        site.environment["TINK_REPO"] = url
    site.serve("--clone-into", str(site.folder / "clone"), "--fetch", "1", "--log-format", "json")
    shown = ""
    end = time.monotonic() + PATIENCE_SECONDS
    settled = '"status": "ready"' if password == SECRET else "Authentication failed"
    while settled not in shown:
        assert time.monotonic() < end, shown[-2_000:]
        shown += shown_by(site)
    forge.mood = "refusing"  # and git says what it could not reach
    log = site.folder / "server-1.log"
    while "returned error: 500" not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.2)
    shown += shown_by(site)
    site.end(site.server)
    assert SECRET not in shown
    written = [path for path in site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert log in written
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
