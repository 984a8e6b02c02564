"""A server over a status branch on which something is damaged serves all the rest."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model.ids import WorkflowId
from provisioner.store.status import layout
from tests.e2e.server import Server, tink
from tests.store import sites
from tests.upgrade.make_fixture import TEMPLATE, hardware, mac, request

pytestmark = pytest.mark.network


def commit(repo: Path, files: dict[str, str]) -> None:
    text = "commit refs/heads/main\ncommitter t <t@localhost> 0 +0000\ndata 1\nx\n"
    text += "from refs/heads/main^0\n"
    for path, content in files.items():
        text += f"M 100644 inline {path}\ndata {len(content.encode())}\n{content}\n"
    words = ["git", "-C", str(repo), "fast-import", "--quiet"]
    subprocess.run(words, input=text.encode(), check=True)


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, WorkflowId]:
    """Two machines with two requests each, one of which runs; and its workflow."""
    repo = tmp_path / "site.git"
    assert tink(tmp_path, "init", "--bare", str(repo)).returncode == 0
    files = {"templates/two.yaml": TEMPLATE}
    files |= {f"hardware/m{each}.json": hardware(each) for each in (1, 2)}
    files |= {f"workflows/{n}-m{each}.yaml": request(each) for n in (1, 2) for each in (1, 2)}
    commit(repo, files)
    with Server(repo) as server:
        offer = server.await_that(lambda: server.offer(mac(1)).body or None)
        assert server.report(mac(1), offer, "RUNNING").status == 200
    return repo, WorkflowId(offer["workflow_id"])


def harm(repo: Path, make: Callable[[GitRepo, str], FileChange]) -> None:
    """Damage the branch of a repository of which no server remembers anything."""
    with closing(GitRepo(repo)) as opened:
        sites.tamper(opened, make(opened, opened.branch("status") or ""))
        sites.forget(opened)


def metric(server: Server, name: str) -> float:
    text = server.call("GET", "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name)))


def test_a_damaged_workflow_is_set_aside_and_all_others_are_served(site):
    repo, bad = site
    harm(repo, lambda opened, tip: FileChange(path=layout.status(bad), content=b"\xff"))
    with Server(repo) as server:
        first = server.await_that(lambda: server.offer(mac(2)).body or None)
        assert server.report(mac(2), first, "RUNNING").status == 200
        # Nothing of it, and nothing of what waits behind it on the same machine.
        assert server.offer(mac(1)).status == 204
        refused = server.report(mac(1), {**first, "workflow_id": bad}, "SUCCESS")
        assert refused.status == 503 and "is set aside" in refused.body["error"]["message"]
        # A server that serves all the rest is ready, and says what it does not serve.
        server.await_that(lambda: server.call("GET", "/readyz").status == 200)
        (condition,) = server.call("GET", "/readyz").body["conditions"]
        assert condition["name"] == "status-damaged"
        assert layout.status(bad) in condition["message"] and "mend" in condition["hint"]
        assert metric(server, "tink_set_aside_workflows") == 1
        assert metric(server, 'tink_condition{name="status-damaged"}') == 1
        assert len(server.workflows()) == 4  # as it was known last
        assert server.call("GET", f"/v1/workflows/{bad}/state").status == 503
        said = server.said()
        assert said.count("status-damaged") == 1 and "Traceback" not in said
    listed = tink(repo, "workflow", "list")
    assert listed.returncode == 0 and listed.stdout.count("\n") > 3
    assert layout.status(bad) in listed.stderr
    assert tink(repo, "workflow", "state", bad).returncode == 1
    put_back = tink(repo, "status-branch", "mend")
    assert put_back.returncode == 0 and f"put back {layout.status(bad)}" in put_back.stdout
    with Server(repo) as server:
        offer = server.await_that(lambda: server.offer(mac(1)).body or None)
        assert offer["workflow_id"] == bad
        assert server.report(mac(1), offer, "SUCCESS").status == 200
        assert server.call("GET", "/readyz").body["conditions"] == []
        assert len(server.workflows()) == 4  # nothing was created again
    assert tink(repo, "status-branch", "mend").stdout == ""


def test_an_edited_record_is_not_offered(site):
    repo, bad = site
    path = layout.record(bad)

    def edited(opened: GitRepo, tip: str) -> FileChange:
        record = opened.blob_at(tip, path) or b""
        assert b"disk:v1" in record
        return FileChange(path=path, content=record.replace(b"disk:v1", b"evil:v1"))

    harm(repo, edited)
    with Server(repo) as server:
        server.await_that(lambda: server.offer(mac(2)).body or None)
        assert server.offer(mac(1)).status == 204
        assert bad in server.call("GET", "/readyz").body["conditions"][0]["message"]
    assert tink(repo, "status-branch", "mend").returncode == 0
    with Server(repo) as server:
        offer = server.await_that(lambda: server.offer(mac(1)).body or None)
        assert (offer["workflow_id"], offer["image"]) == (bad, "disk:v1")


@pytest.mark.parametrize("path", [layout.RECONCILE, layout.FORMAT])
def test_a_damaged_file_of_no_workflow_is_written_again(site, path):
    repo, _ = site
    harm(repo, lambda opened, tip: FileChange(path=path, content=b"{"))
    with Server(repo) as server:
        offer = server.await_that(lambda: server.offer(mac(1)).body or None)
        assert server.report(mac(1), offer, "SUCCESS").status == 200
        server.await_that(lambda: not server.call("GET", "/readyz").body["conditions"])
        assert len(server.workflows()) == 4
        assert "Traceback" not in server.said()
    with closing(GitRepo(repo)) as opened:
        assert b'"' in (opened.blob_at(opened.branch("status") or "", path) or b"")
