"""Somebody moves the status branch of a real server: nothing runs twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.ids import WorkflowId
from provisioner.store.status import layout
from tests.e2e.server import Server, tink
from tests.e2e.test_damage import commit, metric
from tests.store import foreign_hands as hands
from tests.store import sites
from tests.store.foreign_hands import STATUS
from tests.upgrade.make_fixture import TEMPLATE, hardware, mac, request

pytestmark = pytest.mark.network
ONE, TWO = mac(1), mac(2)


class Site:
    """Machine 1 has done its work and machine 2 half of it; one more request waits for each."""

    def __init__(self, folder: Path) -> None:
        self.repo = folder / "site.git"
        assert tink(folder, "init", "--bare", str(self.repo)).returncode == 0
        files = {"templates/two.yaml": TEMPLATE}
        files |= {f"hardware/m{each}.json": hardware(each) for each in (1, 2)}
        files |= {f"workflows/m{each}.yaml": request(each) for each in (1, 2)}
        commit(self.repo, files)
        self.start()
        self.begun = self.tip
        for worker, reports in ((ONE, 4), (TWO, 1)):
            for each in range(reports):
                offer = self.server.await_that(lambda worker=worker: self.server.offer(worker).body)
                self.done = offer["workflow_id"] if worker == ONE else self.done
                self.running = offer
                state = ("RUNNING", "SUCCESS")[each % 2]
                assert self.server.report(worker, offer, state).status == 200

    def start(self) -> None:
        self.server = Server(self.repo, "--poll", "0.2")

    @property
    def tip(self) -> str:
        return sites.git(self.repo, "rev-parse", "status").strip()

    @property
    def states(self) -> list[str]:
        return sorted(each["state"] for each in self.server.workflows().values())

    def ready(self) -> int:
        return self.server.call("GET", "/readyz").status

    def conditions(self) -> list[str]:
        body = self.server.call("GET", "/readyz").body
        return [each["name"] for each in body["conditions"]]

    def moves(self) -> list[tuple[str, str, str]]:
        """What was done about moves by others, but where the branch was adopted at the start."""
        found = self.server.call("GET", "/readyz").body["branch_moves"]
        listed = [(each["branch"], each["kind"], each["found"]) for each in found]
        return [each for each in listed if each[1] != "adopted"]

    def write_another_history(self) -> str:
        """Put a commit on the branch that goes on from its beginning."""
        words = ("commit-tree", "-p", self.begun, "-m", "by hand", f"{self.begun}^{{tree}}")
        theirs = sites.git(self.repo, *words).strip()
        sites.git(self.repo, "update-ref", STATUS, theirs)
        return theirs

    def edit(self, tmp_path: Path) -> str:
        """Make the finished workflow pending again, by a commit on top."""
        path = layout.status(WorkflowId(self.done))
        with closing(GitRepo(self.repo)) as repo:
            made = hands.commit(repo, tmp_path, self.tip, {path: hands.pending_again})
        sites.git(self.repo, "update-ref", STATUS, made)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.server.stop()


DONE = ["STATE_RUNNING", "STATE_SUCCESS"]


@pytest.mark.parametrize(
    ("where", "is_running"), [("deleted", True), ("deleted", False), ("rewound", True)]
)
def test_a_branch_that_lost_something_is_put_back_and_nobody_notices(site, where, is_running):
    ours = site.tip
    if not is_running:
        site.server.stop()
    words = ("-d", STATUS) if where == "deleted" else (STATUS, site.begun)
    sites.git(site.repo, "update-ref", *words)
    if not is_running:
        site.start()
    name = 'tink_status_branch_moves_total{branch="status",kind="put-back"}'
    site.server.await_that(lambda: name in site.server.call("GET", "/metrics").body.decode())
    assert metric(site.server, name) == 1
    assert "is put back to" in site.server.said()
    assert site.tip == ours and site.states == DONE
    assert site.server.offer(ONE).status == 204
    site.server.await_that(lambda: site.ready() == 200)
    assert site.server.report(TWO, site.running, "SUCCESS").status == 200
    assert tink(site.repo, "fsck").returncode == 0


@pytest.mark.parametrize("is_running", [True, False])
def test_an_edited_final_state_is_set_aside_and_the_fleet_goes_on(site, is_running, tmp_path):
    ours = site.tip
    if not is_running:
        site.server.stop()
    theirs = site.edit(tmp_path)
    if not is_running:
        site.start()
    site.server.await_that(lambda: site.moves() == [("status", "set-aside", theirs)])
    assert "breaks its rules" in site.server.said()
    assert site.tip == ours and site.states == DONE
    assert site.server.offer(ONE).status == 204
    site.server.await_that(lambda: site.ready() == 200)
    assert site.server.report(TWO, site.running, "SUCCESS").status == 200
    assert sites.git(site.repo, "for-each-ref", f"--points-at={theirs}", "refs/tink/set-aside/")
    assert tink(site.repo, "fsck").returncode == 0


@pytest.mark.parametrize("is_running", [True, False])
def test_another_history_stops_offers_and_reports_until_a_person_decides(site, is_running):
    ours = site.tip
    if not is_running:
        site.server.stop()
    theirs = site.write_another_history()
    if not is_running:
        site.start()
    site.server.await_that(lambda: site.conditions() == ["status-diverged"])
    assert site.ready() == 503
    assert [site.server.offer(each).status for each in (ONE, TWO)] == [503, 503]
    assert site.server.report(TWO, site.running, "SUCCESS").status == 503
    assert site.states == DONE, "what the server wrote is what it shows"
    answer = tink(site.repo, "status-branch", "recover")
    assert answer.returncode == 0 and f"put branch status back to {ours}" in answer.stdout
    site.server.await_that(lambda: not site.conditions())
    assert site.server.offer(ONE).status == 204
    assert site.server.report(TWO, site.running, "SUCCESS").status == 200
    assert sites.git(site.repo, "for-each-ref", f"--points-at={theirs}", "refs/tink/set-aside/")
    site.server.await_that(lambda: site.ready() == 200)


def test_another_history_is_gone_on_with_when_a_person_accepts_it(site):
    theirs = site.write_another_history()
    site.server.await_that(lambda: site.conditions() == ["status-diverged"])
    told = tink(site.repo, "status-branch", "recover", "--dry-run")
    assert f"--accept {theirs}" in told.stderr and site.tip == theirs
    assert tink(site.repo, "status-branch", "recover", "--accept", theirs).returncode == 0
    site.server.await_that(lambda: not site.conditions())
    offer = site.server.await_that(lambda: site.server.offer(ONE).body)
    assert offer["action_index"] == 0, "its reports were given up"
    assert site.server.report(ONE, offer, "RUNNING").status == 200
    site.server.stop()
    site.start()
    assert site.conditions() == [] and "STATE_RUNNING" in site.states
