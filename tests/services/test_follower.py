"""A process that only reads keeps up with the writer, whatever it missed between two looks."""

from __future__ import annotations

import subprocess
import threading

import pytest

from provisioner import wiring
from provisioner.config import ServerSettings
from provisioner.errors import Refused
from provisioner.git.repo import GitRepo
from provisioner.model.views import Reconciled, ReconcileReport
from provisioner.services.follower import Follower, NoWriter
from provisioner.services.queries import Queries
from provisioner.services.snapshots import Snapshots
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.guard import begin
from provisioner.store.status import checkpoint
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.builders import MACS, ONE
from tests.services.parts import SITE, request_file

pytestmark = pytest.mark.waits
OURS = ("tink", "refs/tink")  # what a server keeps for itself
TEMPLATE = "templates/hello.yaml"


class QuietFace:
    def __init__(self, provisioner, settings):
        pass

    def close(self):
        pass


class Writing:
    """A server on the site; `commit` waits until it has taken the commit in."""

    def __init__(self, git):
        self.git = git
        settings = ServerSettings(repo=str(git.path), poll_seconds=0.1, fetch_seconds=0)
        self.server = wiring.Server(settings, QuietFace)

    def commit(self, files):
        for path, text in files.items():
            target = self.git.path / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "change")
        tip = self.git("rev-parse", "main").strip()
        for _ in range(200):
            if self.view.reconcile.desired_commit == tip:
                return
            threading.Event().wait(0.1)
        raise AssertionError("the server did not follow in twenty seconds")

    @property
    def view(self):
        return self.server.provisioner.snapshots.current.status


@pytest.fixture
def writing(site):
    opened = Writing(site)
    yield opened
    opened.server.close()


class Reading:
    """A follower that looks only when it is told to."""

    def __init__(self, path):
        self.repo = GitRepo(path)
        self.snapshots = Snapshots()
        self.loads = 0
        self.follower = Follower(
            status=StatusStore(self.repo),
            desired=DesiredStore(self.repo),
            snapshots=self.snapshots,
            load=self._load,
        )

    def _load(self, store):
        self.loads += 1
        return checkpoint.load(store)

    @property
    def queries(self):
        return Queries(self.snapshots.current)

    def is_ready(self):
        return self.follower.is_ready.is_set()


@pytest.fixture
def reading(site):
    opened = Reading(site.path)
    yield opened
    opened.repo.close()


def test_it_is_ready_when_it_has_read_what_the_writer_took_in(reading, writing):
    writing.commit(SITE)
    assert not reading.is_ready()
    assert reading.follower.follow()
    assert reading.is_ready()
    assert not reading.follower.follow()


def test_a_repository_without_a_status_branch_is_waited_for(reading, site):
    site("update-ref", "-d", "refs/heads/status")
    assert not reading.follower.follow()
    assert not reading.is_ready()


def test_the_whole_branch_is_read_once_and_then_what_changed(reading, writing):
    writing.commit(SITE)
    reading.follower.follow()
    for number in range(3):
        writing.commit({f"workflows/{number}.yaml": request_file()})
        assert reading.follower.follow()
        assert len(list(reading.queries.all_workflows())) == number + 1
    assert reading.loads == 1
    assert reading.snapshots.current.status.commit == writing.view.commit


def test_hardware_and_templates_are_of_the_commit_that_the_writer_has_taken_in(
    reading, writing, site
):
    writing.commit(SITE)
    writing.server.close()
    site("commit", "-q", "--allow-empty", "-m", "nobody has seen this yet")
    reading.follower.follow()
    assert reading.snapshots.current.desired.commit == writing.view.reconcile.desired_commit
    assert reading.queries.hardware_by_mac(MACS[ONE]).id == ONE


def test_a_good_version_that_it_never_saw_is_in_force_when_the_newest_is_bad(reading, writing):
    writing.commit(SITE)
    reading.follower.follow()
    better = SITE[TEMPLATE] + "# better\n"
    writing.commit({TEMPLATE: better})
    writing.commit({TEMPLATE: "version: ["})
    reading.follower.follow()
    assert [each.text for each in reading.queries.all_templates()] == [better]


def test_a_branch_that_was_made_anew_is_read_anew(reading, writing, site):
    writing.commit({**SITE, "workflows/a.yaml": request_file()})
    reading.follower.follow()
    writing.server.close()
    site("update-ref", "-d", "refs/heads/status")
    subprocess.run(["rm", "-r", *(site.path / ".git" / each for each in OURS)], check=True)
    site("reflog", "expire", "--expire=now", "--all")
    site("gc", "-q", "--prune=now")
    repo = GitRepo(site.path)
    begin.begin(repo)
    writer = StatusWriter(repo)
    report = ReconcileReport(at="now", desired_commit=site("rev-parse", "main").strip())
    writer.propose(lambda view: (Reconciled(report=report),)).result(20)
    writer.close()
    repo.close()
    reading.repo.close()  # the git process that reads has the old objects open still
    assert reading.follower.follow()
    assert not list(reading.queries.all_workflows())


def test_it_follows_by_itself_until_it_is_closed(reading, writing):
    thread = threading.Thread(target=reading.follower.run)
    thread.start()
    try:
        writing.commit({**SITE, "workflows/a.yaml": request_file()})
        for _ in range(200):
            if list(reading.queries.all_workflows()):
                break
            threading.Event().wait(0.1)
    finally:
        reading.follower.close()
        thread.join(20)
    assert len(list(reading.queries.all_workflows())) == 1
    assert not thread.is_alive()


def test_where_only_reading_happens_nothing_is_written():
    with pytest.raises(Refused):
        NoWriter().propose(lambda view: ())
    with pytest.raises(Refused):
        NoWriter().write_data_files((), known=None)
