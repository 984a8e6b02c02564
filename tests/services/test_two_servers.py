"""Of two servers on one remote one writes, and the other keeps what it had acknowledged."""

from __future__ import annotations

import shutil

import pytest

from provisioner.errors import Conflict, Unavailable
from provisioner.model.ids import WorkflowId
from provisioner.store.fsck import fsck
from tests.services.parts import FIRST, SECOND
from tests.services.remote_side import at_forge

THIRD = WorkflowId("0190a5c0-0000-7000-8000-0000000000cc")


def test_the_one_that_started_last_writes_and_the_other_one_stops(here, opening, site):
    here.write(FIRST)
    here.status.push()
    other = opening("b.git")
    other.join()
    other.write(SECOND)
    other.status.push()
    with pytest.raises(Conflict, match="another server"):
        here.fetch()
    assert here.names() == ["another-server"]
    with pytest.raises(Unavailable, match="another server"):
        here.write(THIRD)
    assert here.set_aside() == []  # all that it acknowledged is at the remote
    assert here.status.push() == 0
    assert at_forge(site) == other.tip()


def test_what_the_other_one_had_acknowledged_is_kept(here, opening, site):
    here.write(FIRST)
    here.status.push()
    other = opening("b.git")
    other.join()
    lost = here.write(SECOND)
    with pytest.raises(Conflict, match="another server"):
        here.status.push()
    assert here.names() == ["another-server"]
    assert here.set_aside() == [lost]
    assert at_forge(site) == other.tip()


def test_the_other_one_stops_also_when_two_copies_of_one_clone_start(here, opening, tmp_path):
    here.write(FIRST)
    here.status.push()
    shutil.copytree(tmp_path / "a.git", tmp_path / "copy.git", symlinks=True)
    other = opening("copy.git")
    other.join()
    other.write(SECOND)
    with pytest.raises(Conflict, match="another server"):
        here.fetch()


def test_a_server_that_starts_again_takes_the_branch_back(here, opening, site):
    other = opening("b.git")
    other.join()
    other.write(FIRST)
    other.status.push()
    with pytest.raises(Conflict):
        here.fetch()
    here.close()
    again = opening()
    again.join()
    again.write(SECOND)
    again.status.push()
    assert {FIRST, SECOND} <= set(again.writer.view.workflows)
    with pytest.raises(Conflict, match="another server"):
        other.fetch()


def test_a_server_with_something_set_aside_waits_for_a_person_also_after_a_restart(here, opening):
    here.write(FIRST)
    here.status.push()
    other = opening("b.git")
    other.join()
    here.write(SECOND)
    here.close()
    again = opening()
    again.fetch()
    with pytest.raises(Conflict, match="another server"):
        again.status.push()
    assert "another-server" in again.names()


def test_the_takeover_is_seen_also_when_the_other_one_pushed_much_since(here, opening):
    other = opening("b.git")
    other.join()
    for number in range(5):
        other.write(f"0190a5c0-0000-7000-8000-0000000000{number:02x}")
        other.status.push()
    with pytest.raises(Conflict, match="another server"):
        here.fetch()


def test_fsck_finds_nothing_wrong_with_start_commits(here, opening):
    here.write(FIRST)
    here.status.push()
    other = opening("b.git")
    other.join()
    other.write(SECOND)
    assert fsck.check(other.repo).problems == ()
