"""One server writes the status branch of a remote; what it acknowledged is kept."""

from __future__ import annotations

import shutil
from contextlib import closing

import pytest

from provisioner.cli import main
from provisioner.errors import Conflict, Unavailable
from provisioner.git.command import GitFailed
from provisioner.git.repo import GitRepo
from provisioner.model.ids import WorkflowId
from provisioner.model.views import WorkflowCreated
from provisioner.store.guard import begin
from provisioner.store.writer.status_writer import StatusWriter
from tests.builders import record
from tests.services.parts import FIRST, SECOND
from tests.services.remote_side import RemoteSide, at_forge, git, subjects

THIRD = WorkflowId("0190a5c0-0000-7000-8000-0000000000cc")
FOURTH = WorkflowId("0190a5c0-0000-7000-8000-0000000000dd")


def write_at_forge(site, workflow) -> str:
    """As somebody would who serves the remote's own repository."""
    with closing(GitRepo(site.path)) as repo, closing(StatusWriter(repo)) as writer:
        made = (WorkflowCreated(record=record(workflow=workflow), rendered=""),)
        return writer.propose(lambda view: made).result(60).commit


# To begin.


def test_nothing_is_acknowledged_before_the_remote_has_a_start_commit(opening, site):
    side = opening()
    assert side.names() == ["remote-not-reached"]
    with pytest.raises(Unavailable, match="start commit"):
        side.write(FIRST)
    side.fetch()
    with pytest.raises(Unavailable, match="start commit"):
        side.write(FIRST)
    side.status.push()
    assert side.names() == []
    assert subjects(site)[0].startswith("Serve: tinkgit on ")
    assert side.tip() == at_forge(site)
    side.write(FIRST)


def test_a_start_commit_changes_no_file(here, site):
    assert git(site.path, "diff", "--stat", "status~1", "status") == ""


def test_the_status_branch_and_its_archive_arrive_at_the_remote(here, site):
    tip = here.write(FIRST)
    here.repo.move_ref("refs/heads/status-archive", expected=None, new=tip)
    assert here.status.push() == 2
    assert at_forge(site) == at_forge(site, "status-archive") == tip
    assert here.status.push() == 0


def test_a_new_clone_begins_where_the_remote_is(here, opening):
    tip = here.write(FIRST)
    here.repo.move_ref("refs/heads/status-archive", expected=None, new=tip)
    here.status.push()
    other = opening("b.git")
    other.join()
    assert other.tip("status-archive") == tip
    assert other.repo.commit(other.tip()).parents == (tip,)
    assert FIRST in other.writer.view.workflows


def test_a_remote_without_a_status_branch_is_waited_for(opening, site):
    site("update-ref", "-d", "refs/heads/status")
    side = opening()
    side.fetch()
    with pytest.raises(Unavailable) as told:
        side.status.push()
    assert told.value.hint.endswith(f"tink --repo file://{site.path} status-branch begin")
    assert "no-status-branch" in side.names()
    with closing(GitRepo(site.path)) as repo:
        begin.begin(repo)
    side.join()
    assert side.names() == []
    side.write(FIRST)


def test_a_race_for_the_start_is_run_again(here, opening, site):
    other = opening("b.git")
    other.fetch()
    tip = here.write(FIRST)
    here.status.push()
    other.status.push()
    assert other.repo.commit(at_forge(site)).parents == (tip,)
    other.write(SECOND)


def test_a_remote_that_takes_no_push_gets_no_acknowledgement(opening, site):
    (site.path / ".git" / "refs" / "heads" / "status.lock").touch()
    side = opening()
    side.fetch()
    with pytest.raises(GitFailed) as failed:
        side.status.push()
    side.status.failed(failed.value)
    with pytest.raises(Unavailable, match="start commit"):
        side.write(FIRST)


# With and without the remote.


def test_a_server_whose_branch_it_was_goes_on_without_the_remote(here, opening, site):
    here.write(FIRST)
    here.status.push()
    here.write(SECOND)  # the remote does not hold this yet
    here.close()
    site.path.rename(site.path.with_name("away"))
    again = opening()
    with pytest.raises(GitFailed):
        again.fetch()
    assert again.status.go_on_by_memory()
    assert again.names() == []
    assert {FIRST, SECOND} <= set(again.writer.view.workflows)


def test_a_clone_that_never_reached_its_remote_waits(opening, site):
    side = opening()
    assert not side.status.go_on_by_memory()
    assert side.names() == ["remote-not-reached"]


def test_a_copy_of_a_clone_does_not_go_on_without_the_remote(here, opening, tmp_path):
    here.close()
    shutil.copytree(tmp_path / "a.git", tmp_path / "copy.git", symlinks=True)
    assert not opening("copy.git").status.go_on_by_memory()
    assert opening().status.go_on_by_memory()


def test_a_clone_with_a_new_url_does_not_go_on_by_what_the_old_one_said(here, opening, tmp_path):
    here.close()
    assert not opening(url=f"file://{tmp_path}/elsewhere").status.go_on_by_memory()


def test_whoever_knows_of_another_start_does_not_go_on_by_memory(here, opening):
    other = opening("b.git")
    other.join()
    here.remote.fetch()  # and is killed before it looks
    here.close()
    assert not opening().status.go_on_by_memory()


def test_a_start_that_was_killed_after_its_push_is_repeated(opening, site):
    side = opening()
    side.fetch()
    before = side.tip()
    side.status.push()
    side.close()
    with closing(GitRepo(side.repo.git_dir)) as repo:  # as if only the remote had it
        repo.run("update-ref", "refs/heads/status", at_forge(site) + "~1")
        (repo.own_dir / "memory.json").unlink()
        (repo.own_dir / "remote.json").unlink()
    assert before is None
    again = opening()
    again.join()
    again.write(FIRST)
    again.status.push()
    assert at_forge(site) == again.tip()


# What happens at the remote.


def test_a_branch_that_was_deleted_there_comes_back(here, site):
    tip = here.write(FIRST)
    here.status.push()
    site("update-ref", "-d", "refs/heads/status")
    here.fetch()
    assert here.status.push() == 1
    assert at_forge(site) == tip


def test_a_branch_that_was_deleted_since_we_looked_comes_back(here, site):
    here.write(FIRST)
    here.status.push()
    site("update-ref", "-d", "refs/heads/status")
    tip = here.write(SECOND)  # the push expects the branch where it no longer is
    assert here.status.push() == 1
    assert at_forge(site) == tip


def test_a_branch_that_was_moved_back_there_is_put_back(here, site):
    first = here.write(FIRST)
    tip = here.write(SECOND)
    here.status.push()
    site("update-ref", "refs/heads/status", first)
    here.fetch()
    assert here.names() == []
    assert here.status.push() == 1
    assert at_forge(site) == tip


def test_somebodys_commit_on_top_of_ours_is_taken_up(here, site):
    here.write(FIRST)
    here.status.push()
    theirs = write_at_forge(site, SECOND)
    here.fetch()
    here.status.push()
    assert here.tip() == theirs == at_forge(site)
    here.writer.refresh().result(60)
    assert SECOND in here.writer.view.workflows


def test_of_histories_that_diverged_none_is_forced_and_nothing_more_is_acknowledged(here, site):
    here.write(FIRST)
    here.status.push()
    theirs = write_at_forge(site, SECOND)
    ours = here.write(THIRD)
    with pytest.raises(Conflict, match="does not go on"):
        here.status.push()
    assert here.names() == ["remote-diverged"]
    assert here.set_aside() == [ours]
    with pytest.raises(Unavailable, match="does not go on"):
        here.write(FOURTH)
    assert (here.tip(), at_forge(site)) == (ours, theirs)
    assert here.status.push() == 0


@pytest.fixture
def diverged(here, site) -> RemoteSide:
    """A server that found another history at the remote."""
    here.write(FIRST)
    here.status.push()
    write_at_forge(site, SECOND)
    here.write(THIRD)
    with pytest.raises(Conflict):
        here.status.push()
    return here


def recover(side: RemoteSide, *words: str) -> None:
    where = str(side.repo.git_dir)
    assert main.run(["--repo", where, "status-branch", "recover", *words]) == 0


def test_a_person_puts_back_what_this_server_had(diverged, site):
    recover(diverged)
    diverged.fetch()
    diverged.status.push()
    assert diverged.names() == []
    tip = diverged.write(FOURTH)
    diverged.status.push()
    assert at_forge(site) == tip
    assert set(diverged.writer.view.workflows) == {FIRST, THIRD, FOURTH}


def test_a_person_gives_up_what_this_server_had(diverged, site):
    ours, theirs = diverged.tip(), at_forge(site)
    recover(diverged, "--accept", theirs)
    diverged.fetch()
    diverged.status.push()
    assert diverged.names() == []
    diverged.write(FOURTH)
    diverged.status.push()
    assert set(diverged.writer.view.workflows) == {FIRST, SECOND, FOURTH}
    assert ours in diverged.set_aside()


def test_a_decision_about_what_was_there_before_does_not_count(diverged, site):
    recover(diverged, "--accept", at_forge(site))
    write_at_forge(site, FOURTH)
    diverged.fetch()
    assert diverged.status.push() == 0
    assert diverged.names() == ["remote-diverged"]


def test_it_goes_on_when_a_person_pushed_what_this_server_had(diverged, site):
    (kept,) = diverged.repo.refs("refs/tink/set-aside/")
    git(diverged.repo.git_dir, "push", "-q", "--force", "origin", f"{kept}:refs/heads/status")
    diverged.fetch()
    diverged.status.push()
    assert diverged.names() == []
    tip = diverged.write(FOURTH)
    diverged.status.push()
    assert at_forge(site) == tip


def test_a_decision_is_taken_also_after_a_restart(diverged, opening):
    recover(diverged)
    diverged.close()
    again = opening()
    again.fetch()
    with pytest.raises(Conflict):
        again.status.push()
    assert again.status.push()
    again.write(FOURTH)


def test_somebodys_commit_that_breaks_the_rules_is_not_taken_up(here, site):
    tip = here.write(FIRST)
    here.status.push()
    site("checkout", "-q", "status")
    (path,) = site("ls-files", "status").split()
    text = (site.path / path).read_text()
    (site.path / path).write_text(text.replace("STATE_PENDING", "STATE_SUCCESS"))
    site("commit", "-q", "-am", "edited by hand")
    with pytest.raises(Conflict, match="does not go on by the rules"):
        here.fetch()
    assert here.tip() == tip
    assert here.names() == ["remote-diverged"]
