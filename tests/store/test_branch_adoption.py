"""Where a status branch begins for a server that does not remember it, and its archive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.guard import recovery
from provisioner.store.guard.begin import NoStatusBranch
from provisioner.store.guard.branch_guard import Move
from provisioner.store.guard.memory import Memory
from provisioner.store.status import layout
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import foreign_hands as hands
from tests.store import sites
from tests.store.foreign_hands import STATUS
from tests.store.guarded import ARCHIVE, EVERY_WAY, LATER, Site, archived
from tests.store.sites import create, report, result, workflow_id


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as opened:
        yield opened


def test_a_branch_without_memory_is_adopted(site, caplog):
    caplog.set_level("INFO")
    site.stop()
    tip = site.tip
    shutil.rmtree(site.repo.common_dir / "tink")
    shutil.rmtree(site.repo.common_dir / "refs" / "tink")
    site.start()
    assert site.kinds == ["adopted"] and "is adopted as it is" in caplog.text
    assert Memory(site.repo).tip(STATUS) == tip


def test_a_restored_mirror_is_adopted_with_what_came_after_its_pin(site, tmp_path):
    sites.git(tmp_path, "clone", "-q", "--mirror", str(site.repo.git_dir), "mirror")
    with closing(GitRepo(tmp_path / "mirror")) as mirror:
        moves: list[Move] = []
        with closing(StatusWriter(mirror, on_move=moves.append)) as writer:
            assert writer.view.commit == site.tip
        assert [each.kind for each in moves] == ["adopted"]


def test_a_clone_begins_with_what_was_fetched_of_its_origin(site, tmp_path):
    archived(site)
    sites.git(tmp_path, "clone", "-q", str(site.repo.git_dir), "clone")
    with closing(GitRepo(tmp_path / "clone")) as clone, closing(StatusWriter(clone)) as writer:
        assert clone.branch("status") == writer.view.commit == site.tip
        assert clone.branch("status-archive") == site.repo.branch("status-archive")
        assert len(writer.view.workflows) == 3


def test_a_clone_that_knows_an_old_tip_only_begins_with_the_newer_one_of_its_origin(site, tmp_path):
    old = site.tip
    result(site.writer.propose(report(2, 0, State.SUCCESS)))
    sites.git(tmp_path, "clone", "-q", str(site.repo.git_dir), "clone")
    with closing(GitRepo(tmp_path / "clone")) as clone:
        hands.put(clone, STATUS, old)
        with closing(StatusWriter(clone)) as writer:
            assert clone.branch("status") == writer.view.commit == site.tip


def test_a_branch_that_was_only_begun_gives_way_to_the_one_of_its_origin(site, tmp_path):
    """As `tink init` makes it where `main` alone is pushed; else all that ended runs again."""
    with closing(sites.bare(tmp_path / "desk")) as desk:
        words = ("commit-tree", "-m", "Begin branch status, there", "status^{tree}")
        root = sites.git(desk.git_dir, *words).strip()
        sites.git(desk.git_dir, "update-ref", STATUS, root)
        status = f"{STATUS}:refs/remotes/origin/status"
        sites.git(desk.git_dir, "fetch", "-q", str(site.repo.git_dir), status)
        with closing(StatusWriter(desk)) as writer:
            assert desk.branch("status") == writer.view.commit == site.tip


def test_a_clone_whose_origin_has_none_says_that_it_may_have_to_fetch(site, tmp_path):
    sites.git(tmp_path, "clone", "-q", str(site.repo.git_dir), "clone")
    with closing(GitRepo(tmp_path / "clone")) as clone:
        hands.put(clone, "refs/remotes/origin/status", None)
        with pytest.raises(NoStatusBranch) as refused:
            StatusWriter(clone)
    assert refused.value.hint.startswith("if the remote has one: tink serve --remote origin")


def test_a_push_that_moves_the_archive_last_is_waited_for(site, monkeypatch):
    other = site.folder / "other"
    shutil.copytree(site.repo.git_dir, other)
    with closing(GitRepo(other)) as theirs, closing(StatusWriter(theirs)) as writer:
        archive = retention.run(writer, ended_before=LATER, at_seconds=1_795_000_000).commit
    sites.git(site.repo.git_dir, "fetch", "-q", str(other), f"{STATUS}:{STATUS}")
    sites.git(site.repo.git_dir, "fetch", "-q", str(other), f"{ARCHIVE}:refs/other")

    def arrive(_: float) -> None:
        hands.put(site.repo, ARCHIVE, archive)

    monkeypatch.setattr("time.sleep", arrive)
    site.notice("proposal")
    assert site.kinds == ["taken-up"]


def test_an_older_back_up_restored_over_the_repository_is_put_back(site):
    """What the back-up lacks is in the repository still: only the refs and packs came back."""
    site.stop()
    back_up = site.folder / "back-up"
    shutil.copytree(site.repo.git_dir, back_up, ignore=shutil.ignore_patterns("tink"))
    site.start()
    result(site.writer.propose(report(2, 0, State.SUCCESS)))
    ours = site.tip
    site.stop()
    shutil.copytree(back_up, site.repo.git_dir, dirs_exist_ok=True)
    site.start()
    assert site.tip == ours and site.kinds[-1] == "put-back"
    assert site.state(2) is State.SUCCESS


def test_a_back_up_that_took_the_place_of_newer_objects_is_for_a_person(site, tmp_path):
    site.stop()
    back_up, tink = site.folder / "back-up", site.repo.common_dir / "tink"
    shutil.copytree(site.repo.git_dir, back_up, ignore=shutil.ignore_patterns("tink"))
    old = site.tip
    site.start()
    result(site.writer.propose(report(2, 0, State.SUCCESS)))
    site.close()
    shutil.copytree(tink, back_up / "tink", dirs_exist_ok=True)
    shutil.rmtree(site.repo.git_dir)
    shutil.copytree(back_up, site.repo.git_dir)
    site.repo = GitRepo(site.repo.git_dir)
    site.start()
    assert site.kinds == ["stopped"]
    assert "is not in the repository any more" in site.moves[0].error.message
    with pytest.raises(Unavailable):
        result(site.writer.propose(report(2, 0, State.SUCCESS)))
    [choice] = recovery.choices(site.repo, "status")
    recovery.request(site.repo, choice)
    site.notice("look")
    assert site.writer.view.commit == old
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes


@EVERY_WAY
def test_an_archive_that_is_gone_is_put_back(site, how):
    tip = archived(site)
    if how == "start":
        site.stop()
    hands.put(site.repo, ARCHIVE, None)
    if how == "proposal":
        site.writer.look()
    site.notice(how)
    assert site.repo.resolve(ARCHIVE) == tip
    assert [(each.kind, each.branch) for each in site.moves] == [("put-back", "status-archive")]


@pytest.mark.parametrize(
    "edits",
    [
        {hands.status_of(1): hands.pending_again},
        {hands.status_of(1): hands.without_last_event},
        {hands.status_of(1): hands.gone},
        {layout.rendered(workflow_id(1)): lambda was: was + b"\n"},
    ],
    ids=["made pending", "an event less", "removed", "rendered otherwise"],
)
@pytest.mark.parametrize("how", ["look", "start"])
def test_an_archive_that_was_edited_is_put_back_and_the_edit_kept(site, how, edits, tmp_path):
    tip = archived(site)
    if how == "start":
        site.stop()
    theirs = hands.commit(site.repo, tmp_path, tip, edits)
    hands.put(site.repo, ARCHIVE, theirs)
    site.notice(how)
    assert [(each.kind, each.branch) for each in site.moves] == [("set-aside", "status-archive")]
    assert site.repo.branch("status-archive") == tip
    assert theirs in site.repo.refs("refs/tink/set-aside/").values()
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes


@pytest.mark.parametrize("how", ["look", "start"])
def test_an_archive_made_by_the_command_line_elsewhere_is_taken_up(site, how):
    """It removes files from the tip of the status branch: the archive has them."""
    if how == "start":
        site.stop()
    other = site.folder / "other"
    shutil.copytree(site.repo.git_dir, other)
    with closing(GitRepo(other)) as theirs, closing(StatusWriter(theirs)) as writer:
        retention.run(writer, ended_before=LATER, at_seconds=1_795_000_000)
    refs = [f"{each}:{each}" for each in (ARCHIVE, STATUS)]
    sites.git(site.repo.git_dir, "fetch", "-q", str(other), *refs)
    site.notice(how)
    assert set(site.kinds) == {"taken-up", "adopted"}
    assert site.state(1) is State.SUCCESS
    assert result(site.writer.propose(report(2, 0, State.SUCCESS))).changes


def test_a_writer_may_begin_halted_where_there_is_no_branch_yet(tmp_path):
    with closing(sites.empty(tmp_path / "clone")) as clone:
        with closing(sites.bare(tmp_path / "forge")) as forge:
            tip = forge.branch("status")
        why = Unavailable("the remote was never fetched")
        with closing(StatusWriter(clone, halted=why)) as writer:
            with pytest.raises(Unavailable, match="never fetched"):
                result(writer.propose(create(sites.record(1))))
            sites.git(clone.git_dir, "fetch", "-q", str(tmp_path / "forge"), f"{STATUS}:{STATUS}")
            writer.resume()
            assert result(writer.propose(create(sites.record(1)))).changes
            assert clone.commit(clone.branch("status")).parents == (tip,)
