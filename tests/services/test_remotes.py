"""Two repositories that keep in step: fetch, push, and races."""

from __future__ import annotations

import subprocess

import pytest
from builders import record

from provisioner.errors import Conflict
from provisioner.model.views import WorkflowCreated
from provisioner.services.remotes import DesiredTip, RemoteSync
from provisioner.store.repo import GitRepo
from provisioner.store.status_writer import StatusWriter
from services.parts import FIRST, SECOND


class Site:
    """A forge and a clone of it."""

    def __init__(self, folder, forge):
        self.forge = forge
        subprocess.run(["git", "clone", "-q", forge.path, folder / "clone"], check=True)
        self.repo = GitRepo(folder / "clone")
        self.sync = RemoteSync(self.repo, "origin", "status")
        self.sync.adopt_status()
        self.folder = folder

    def write(self, repo, workflow):
        """One more commit on a repository's status branch."""
        writer = StatusWriter(repo)
        made = (WorkflowCreated(record=record(workflow=workflow), rendered=""),)
        try:
            return writer.propose(lambda view: made).result().commit
        finally:
            writer.close()

    def at_forge(self, branch="status"):
        return self.forge("rev-parse", branch).strip()


@pytest.fixture
def pair(tmp_path, site):
    opened = Site(tmp_path, site)
    yield opened
    opened.repo.close()


def tip(pair):
    return DesiredTip(pair.repo, "main", "origin")()


def test_the_desired_branch_is_followed_wherever_it_is_ahead(pair):
    assert tip(pair) == pair.at_forge("main")
    pair.forge("commit", "-q", "--allow-empty", "-m", "pushed by a person")
    assert tip(pair) != pair.at_forge("main")
    pair.sync.fetch()
    assert tip(pair) == pair.at_forge("main")
    clone = pair.folder / "clone"
    subprocess.run(["git", "-C", clone, "merge", "-q", "--ff-only", "origin/main"], check=True)
    subprocess.run(["git", "-C", clone, "commit", "-q", "--allow-empty", "-m", "local"], check=True)
    assert tip(pair) == pair.repo.branch("main") != pair.at_forge("main")


def test_of_parted_desired_branches_the_remotes_is_followed(pair, caplog):
    clone = pair.folder / "clone"
    subprocess.run(["git", "-C", clone, "commit", "-q", "--allow-empty", "-m", "local"], check=True)
    pair.forge("commit", "-q", "--allow-empty", "-m", "other")
    pair.sync.fetch()
    assert tip(pair) == pair.at_forge("main")
    assert "has parted from its remote" in caplog.text


def test_the_status_branch_arrives_at_the_remote(pair):
    first = pair.write(pair.repo, FIRST)
    pair.sync.push()
    assert pair.at_forge() == first
    second = pair.write(pair.repo, SECOND)
    pair.sync.push()
    assert pair.at_forge() == second


def test_the_archive_arrives_at_the_remote_and_a_new_clone_goes_on_with_it(pair, tmp_path):
    pair.write(pair.repo, FIRST)
    first = pair.repo.branch("status")
    pair.repo.move_ref("refs/heads/status-archive", expected=None, new=first)
    pair.sync.push()
    assert pair.at_forge("status-archive") == first
    subprocess.run(["git", "clone", "-q", pair.forge.path, tmp_path / "new"], check=True)
    new = GitRepo(tmp_path / "new")
    RemoteSync(new, "origin", "status").adopt_status()
    assert new.branch("status-archive") == first
    new.close()


def test_a_new_clone_begins_where_the_remote_is(pair):
    forge = GitRepo(pair.forge.path)
    there = pair.write(forge, FIRST)
    forge.close()
    pair.sync.fetch()
    pair.sync.adopt_status()
    assert pair.repo.branch("status") == there


def test_somebody_who_wrote_on_top_of_ours_is_caught_up_with(pair):
    pair.write(pair.repo, FIRST)
    pair.sync.push()
    forge = GitRepo(pair.forge.path)
    theirs = pair.write(forge, SECOND)
    forge.close()
    pair.sync.fetch()
    pair.sync.push()
    assert pair.repo.branch("status") == theirs == pair.at_forge()


def test_two_histories_that_parted_are_told_and_none_is_forced(pair):
    forge = GitRepo(pair.forge.path)
    theirs = pair.write(forge, SECOND)
    forge.close()
    ours = pair.write(pair.repo, FIRST)
    with pytest.raises(Conflict, match="have parted"):
        pair.sync.push()
    with pytest.raises(Conflict, match="have parted"):
        pair.sync.adopt_status()
    assert (pair.repo.branch("status"), pair.at_forge()) == (ours, theirs)


def test_the_last_push_is_made_when_the_server_ends(pair):
    here = pair.write(pair.repo, FIRST)
    pair.sync.close()
    pair.sync.run_push()
    assert pair.at_forge() == here
