"""A repository that an older version wrote goes on as if nothing had happened.

`version-1.tar.gz` is what `make_fixture.py` made with commit f29fe62, the last one of format
version 1: a server of it was killed, and the journal holds one report more than the ref.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.status import checkpoint, codec, layout
from provisioner.store.status.store import StatusStore
from tests.e2e.server import Server, tink
from tests.store import sites

pytestmark = pytest.mark.network

FIXTURE = Path(__file__).with_name("version-1.tar.gz")
# Of seven that a list shows: two were archived, two were deleted.
STATES = {"STATE_SUCCESS": 2, "STATE_FAILED": 1, "STATE_RUNNING": 3, "STATE_PENDING": 1}
WITH_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The repository, as the older version left it."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "site.git"


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def git(repo: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", repo, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def status_file(repo: Path, workflow: str) -> dict[str, object]:
    paths = git(repo, "ls-tree", "-r", "--name-only", "status", "status/").splitlines()
    (path,) = (each for each in paths if workflow in each)
    found: dict[str, object] = json.loads(git(repo, "show", f"status:{path}"))
    return found


def test_a_server_goes_on_where_the_older_one_was_killed(old):
    was = git(old, "rev-parse", "status")
    with Server(old) as server:
        server.await_that(lambda: server.call("GET", "/readyz").body["status"] == "ready")
        # The report that only the journal had was acknowledged, so it counts.
        offer = server.offer(mac(4))
        assert (offer.body["action_name"], offer.body["attempt"]) == ("partition", 1)
        assert Counter(each["state"] for each in server.workflows().values()) == STATES
        first = server.offer(mac(1)).body
        assert (first["action_name"], first["attempt"]) == ("write", 1)
        assert server.report(mac(1), first, "SUCCESS").status == 200
        # The next one of that machine, which waited behind it.
        assert server.offer(mac(1)).body["workflow_id"] == WITH_ID
        # Finished, archived or not: nothing runs again.
        assert server.offer(mac(2)).status == 204
        assert (
            server.call("GET", f"/v1/workflows/{first['workflow_id']}/data?worker={mac(1)}").status
            == 200
        )
    created = git(old, "log", "--format=%s", f"{was}..status").count("created")
    assert created == 0
    done = tink(old, "fsck")
    assert (done.returncode, done.stdout[:11]) == (0, "all is true"), done.stdout + done.stderr


def test_the_version_rises_once_and_files_are_brought_along_as_they_are_written(old):
    for state in ("SUCCESS", "RUNNING"):
        with Server(old) as server:
            offer = server.await_that(lambda at=server: at.offer(mac(4)).body or None)
            assert server.report(mac(4), offer, state).status == 200
    commits = git(old, "rev-list", "status", "--", layout.FORMAT).splitlines()
    assert len(commits) == 2  # the first of all, and the upgrade
    assert json.loads(git(old, "show", f"status:{layout.FORMAT}"))["version"] == 3
    written = status_file(old, offer["workflow_id"])
    path = next(
        each
        for each in git(old, "ls-tree", "-r", "status", "workflows/").splitlines()
        if offer["workflow_id"] in each and each.endswith("record.json")
    )
    assert written["record"] == path.split()[2]
    assert "record" not in status_file(old, WITH_ID)  # not touched yet
    assert tink(old, "fsck").returncode == 0
    assert tink(old, "fsck", "--since", commits[0]).returncode == 0


def test_a_new_workflow_waits_behind_those_that_were_never_counted(old):
    with Server(old) as server:
        server.await_that(lambda: server.call("GET", "/readyz").body["status"] == "ready")
        waiting = server.offer(mac(3)).body["workflow_id"]
        known = server.workflows()
        device = json.dumps({"device_1": mac(3)})
        said = tink(old, "workflow", "create", "-t", "two_steps", "-r", device).stdout
        new = said.split()[-1]
        server.await_that(lambda: new in server.workflows())
        assert set(server.workflows()) == {*known, new}
        assert server.offer(mac(3)).body["workflow_id"] == waiting
    path = layout.record(new)  # type: ignore[arg-type]  # an id as it was printed
    assert json.loads(git(old, "show", f"status:{path}"))["arrival"] == 1
    assert tink(old, "fsck").returncode == 0


def test_a_newer_version_is_refused_by_name(old):
    repo = GitRepo(old)
    try:
        newer = codec.encode_format(4)
        sites.tamper(repo, FileChange(path=layout.FORMAT, content=newer))
    finally:
        repo.close()
    done = tink(old, "serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "status branch has format 4, this program knows 3" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_an_older_version_looks_at_says_no_to_it():
    """Version 1 was compared for equality: `version != FORMAT_VERSION`."""
    assert json.loads(codec.encode_format())["version"] != 1
    assert codec.encode_format(1) == (b'{\n"format": "tinkgit status branch",\n"version": 1\n}\n')


def test_machines_of_archived_workflows_are_known_although_their_lines_do_not_name_them(old):
    with Server(old) as server:
        server.await_that(lambda: server.call("GET", "/readyz").body["status"] == "ready")
    repo = GitRepo(old)
    try:
        store = StatusStore(repo)
        archived = store.read_archived(store.tip())
        assert archived and all(row.parts for row in archived)
        for view in (store.load(), checkpoint.load(store)):
            for row in archived:
                (part,) = row.parts or ()
                assert (row.id in view.machines[part.worker].ran) is not row.is_deleted
                assert part.is_done is (row.state is State.SUCCESS) and not part.installs
    finally:
        repo.close()
