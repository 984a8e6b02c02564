"""A branch that only the server writes stays where it left it, whoever moves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.store.fsck import fsck
from provisioner.store.guard import recovery
from provisioner.store.status import layout
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import foreign_hands as hands
from tests.store import sites
from tests.store.foreign_hands import STATUS
from tests.store.guarded import EVERY_WAY, Site
from tests.store.sites import report, result, workflow_id


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as opened:
        yield opened


@EVERY_WAY
@pytest.mark.parametrize(
    "where", ["deleted", "one back", "its beginning", "packed and old", "empty"]
)
def test_a_branch_that_lost_something_is_put_back(site, how, where, caplog):
    ours = site.tip
    if how == "start":
        site.stop()
    if where == "deleted":
        hands.put(site.repo, STATUS, None)
    elif where == "empty":  # as a power cut leaves a file whose content was not synced
        (site.repo.common_dir / STATUS).write_bytes(b"")
    else:
        back = sites.git(site.repo.git_dir, "rev-list", ours).split()
        hands.put(site.repo, STATUS, back[-1] if where == "its beginning" else back[1])
        if where == "packed and old":
            sites.git(site.repo.git_dir, "pack-refs", "--all")
    site.notice(how)
    assert site.tip == ours == site.writer.view.commit
    assert "put-back" in site.kinds and "stopped" not in site.kinds
    assert "is put back to" in caplog.text
    assert site.state(1) is State.SUCCESS
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes
    sites.fsck(site.repo.git_dir)


def test_a_branch_in_the_folder_of_ours_is_named_with_the_way_out(site):
    tip = site.tip
    site.stop()
    sites.git(site.repo.git_dir, "update-ref", "-d", "refs/heads/status")
    sites.git(site.repo.git_dir, "update-ref", "refs/heads/status/x", tip)
    with pytest.raises(Unavailable, match="can't be put back where refs/heads/status/x") as caught:
        site.start()
    words = caught.value.hint.split()
    assert words[0] == "git"
    sites.git(site.repo.git_dir, *words[3:])
    site.start()
    assert site.tip == tip
    assert site.state(2) is State.RUNNING


def test_packing_the_refs_is_no_move(site):
    sites.git(site.repo.git_dir, "pack-refs", "--all")
    site.writer.look()
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes
    site.restart()
    assert site.kinds == []


@EVERY_WAY
def test_what_goes_on_from_ours_by_the_rules_is_taken_up(site, how, tmp_path):
    other = site.folder / "other"
    if how == "start":
        site.stop()
    shutil.copytree(site.repo.git_dir, other)
    with closing(GitRepo(other)) as theirs, closing(StatusWriter(theirs)) as writer:
        result(writer.propose(report(2, 0, State.SUCCESS)))
        result(writer.propose(report(3, 0, State.RUNNING)))
        tip = theirs.branch("status")
    sites.git(site.repo.git_dir, "fetch", "-q", str(other), f"+{STATUS}:{STATUS}")
    site.notice(how)
    assert site.tip == tip == site.writer.view.commit
    assert site.kinds == ["taken-up"]
    assert (site.state(2), site.state(3)) == (State.SUCCESS, State.RUNNING)


EDITS = {
    "a final state made pending": {hands.status_of(1): hands.pending_again},
    "an event removed": {hands.status_of(1): hands.without_last_event},
    "a status file removed": {hands.status_of(2): hands.gone},
    "a record changed": {
        layout.record(workflow_id(1)): lambda was: was.replace(b"hello", b"other")
    },
    "a record removed": {layout.record(workflow_id(3)): hands.gone},
    "the format removed": {layout.FORMAT: hands.gone},
    "a bad report of the reconciler": {layout.RECONCILE: lambda _: b"{"},
    "data of nobody": {f"{layout.data(workflow_id(2))}/a": lambda _: b"a"},
    "a garbage status file": {hands.status_of(2): lambda _: b"garbage\n"},
}


@EVERY_WAY
@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_what_breaks_the_rules_is_set_aside_and_the_work_goes_on(
    site, how, edits, tmp_path, caplog
):
    ours = site.tip
    if how == "start":
        site.stop()
    theirs = hands.commit(site.repo, tmp_path, ours, edits)
    hands.put(site.repo, STATUS, theirs)
    site.notice(how)
    assert site.kinds == ["set-aside"] and site.moves[0].found == theirs
    assert "breaks its rules" in caplog.text
    assert site.writer.view.commit == ours == site.tip and site.state(1) is State.SUCCESS
    assert site.repo.resolve(f"{recovery.SET_ASIDE}status/{theirs[:12]}") == theirs
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes
    sites.fsck(site.repo.git_dir)


@EVERY_WAY
def test_what_nobody_has_thought_of_is_not_believed_and_the_work_goes_on(
    site, how, tmp_path, caplog, monkeypatch
):
    ours = site.tip
    if how == "start":
        site.stop()
    theirs = hands.commit(site.repo, tmp_path, ours, {"notes": lambda _: b"x"})
    hands.put(site.repo, STATUS, theirs)

    def check(*_: object, **__: object) -> None:
        raise IndexError("as only a fault of ours raises it")

    monkeypatch.setattr(fsck, "check", check)
    site.notice(how)
    monkeypatch.undo()
    assert site.kinds == ["set-aside"] and site.tip == ours
    assert "can't be checked" in caplog.text
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes
    sites.fsck(site.repo.git_dir)


def test_what_breaks_the_rules_is_accepted_when_a_person_said_so_before(site, tmp_path):
    ours = site.tip
    site.stop()
    theirs = hands.commit(site.repo, tmp_path, ours, {hands.status_of(2): hands.gone})
    hands.put(site.repo, STATUS, theirs)
    (choice,) = recovery.choices(site.repo, "status")
    recovery.request(site.repo, choice)
    site.start()
    assert site.kinds == ["accepted"]
    assert site.tip == theirs


def diverged(site: Site, tmp_path: Path) -> CommitId:
    before = sites.git(site.repo.git_dir, "rev-parse", f"{site.tip}~1").strip()
    return hands.commit(site.repo, tmp_path, before, {"note.txt": lambda _: b"x"})


def unrelated(site: Site, tmp_path: Path) -> CommitId:
    return hands.commit(site.repo, tmp_path, None, {"README": lambda _: b"x"})


@EVERY_WAY
@pytest.mark.parametrize("make", [diverged, unrelated])
def test_a_history_that_diverged_stops_the_writing(site, how, make, tmp_path):
    ours = site.tip
    if how == "start":
        site.stop()
    theirs = make(site, tmp_path)
    hands.put(site.repo, STATUS, theirs)
    for _ in range(3):
        site.notice(how if site.kinds == [] else "look")
    assert site.kinds == ["stopped"], "reported once"
    assert "does not go on from" in site.moves[0].error.message
    assert site.tip == theirs, "a person decides"
    assert site.writer.view.commit == ours and site.state(1) is State.SUCCESS
    site.stop()
    site.start()
    assert site.kinds == ["stopped", "stopped"]
    assert site.writer.view.commit == ours


@EVERY_WAY
def test_ours_is_put_back_by_a_person_and_all_goes_on(site, how, tmp_path):
    ours, theirs = site.tip, diverged(site, tmp_path)
    hands.put(site.repo, STATUS, theirs)
    site.notice("proposal")
    if how == "start":
        site.stop()
    [choice] = recovery.choices(site.repo, "status")
    kept = recovery.put_back(site.repo, choice)
    assert site.repo.resolve(kept) == theirs
    if how == "proposal":
        site.writer.look()
    site.notice(how)
    assert site.tip == ours
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes
    assert site.kinds[-1] == ("stopped" if how == "start" else "recovered")
    assert recovery.choices(site.repo, "status") == []


@pytest.mark.parametrize("how", ["look", "start"])
def test_the_other_history_is_taken_when_a_person_says_so(site, how, tmp_path):
    ours, theirs = site.tip, diverged(site, tmp_path)
    hands.put(site.repo, STATUS, theirs)
    site.notice("proposal")
    if how == "start":
        site.stop()
    [choice] = recovery.choices(site.repo, "status")
    recovery.request(site.repo, choice)
    site.notice(how)
    assert site.tip == theirs == site.writer.view.commit
    assert site.state(2) is State.PENDING
    assert "accepted" in site.kinds
    assert site.repo.resolve(f"{recovery.SET_ASIDE}status/{ours[:12]}") == ours
    assert result(site.writer.propose(report(2, 0, State.RUNNING))).changes
    after = site.tip
    site.stop()
    site.moves.clear()
    site.start()
    assert site.kinds == [] and site.tip == after


def test_a_decision_about_other_commits_than_these_is_not_obeyed(site, tmp_path):
    ours, theirs = site.tip, diverged(site, tmp_path)
    hands.put(site.repo, STATUS, theirs)
    site.notice("proposal")
    [choice] = recovery.choices(site.repo, "status")
    recovery.request(site.repo, choice)
    hands.put(site.repo, STATUS, unrelated(site, tmp_path))
    site.notice("look")
    assert site.writer.view.commit == ours and site.kinds[-1] == "stopped"
