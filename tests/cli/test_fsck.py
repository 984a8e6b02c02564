"""What `tink fsck` and `status-branch stats` look at, and what they say was lost."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.state import State
from provisioner.store.journal.journal import Journal
from provisioner.store.status import layout
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests.cli.repository import git
from tests.store import sites
from tests.store.sites import create, report, result


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A repository whose status branch has two workflows, and one report of each."""
    path = tmp_path / "site.git"
    with closing(sites.bare(path)) as repo, closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(1), sites.record(2))))
        for told in (State.RUNNING, State.SUCCESS):
            for number in (1, 2):
                result(writer.propose(report(number, 0, told)))
    return path


def test_a_branch_that_is_where_it_was_left_has_lost_nothing(tink, served):
    done = tink("--repo", str(served), "fsck")
    assert done.code == 0
    assert "all is true" in done.out


@pytest.mark.waits
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_branch_that_was_moved_back_is_told_with_what_is_missing(tink, served, form):
    tip = git(served, "rev-parse", "status").strip()
    git(served, "update-ref", "refs/heads/status", "status~2")
    done = tink("--repo", str(served), "fsck", "-o", form)
    assert done.code == 1
    problems = json.loads(done.out)["problems"] if form == "json" else [done.out]
    assert f"a server left it at {tip[:12]}" in problems[0]
    assert "STATE_SUCCESS" in problems[0] and "and 1 more would be lost" in problems[0]
    assert "tink status-branch recover" in problems[0]


@pytest.mark.waits
def test_a_branch_that_is_gone_is_told_with_what_is_missing(tink, served):
    git(served, "update-ref", "-d", "refs/heads/status")
    done = tink("--repo", str(served), "fsck")
    assert done.code == 1
    assert "is gone, and a server left it at" in done.out


@pytest.mark.waits
def test_what_only_the_journal_knows_is_told(tink, served):
    """As after a power cut: the ref is behind, and the pack never reached the disk."""
    with closing(GitRepo(served)) as repo:
        sites.forget(repo)
        journal = Journal(repo.own_dir, "refs/heads/status")
        journal.append(repo.branch("status"), CommitId("5" * 40))
        journal.abandon()
    done = tink("--repo", str(served), "fsck")
    assert done.code == 1
    assert "the journal left it at 555555555555" in done.out


@pytest.mark.waits
def test_an_archive_that_lost_something_is_told(tink, served):
    with closing(GitRepo(served)) as repo, closing(StatusWriter(repo)) as writer:
        assert retention.run(writer, ended_before="2100", at_seconds=0).workflows == 2
    git(served, "update-ref", "-d", "refs/heads/status-archive")
    done = tink("--repo", str(served), "fsck")
    assert done.code == 1
    assert "status-archive: is gone, and a server left it at" in done.out


def test_a_clone_proves_what_was_fetched_last(tink, served, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(served), str(clone))
    assert not git(clone, "branch", "--list", "status")
    done = tink("--repo", str(clone), "fsck")
    assert done.code == 0
    assert "2 workflows, 4 events" in done.out
    stats = tink("--repo", str(clone), "status-branch", "stats", "-o", "json")
    assert json.loads(stats.out)["events"] == 4
    with closing(GitRepo(served)) as repo:
        known = git(clone, "rev-parse", "origin/status").strip()
        path = layout.status(sites.workflow_id(1))
        sites.tamper(repo, FileChange(path=path, content=b"?"))
    git(clone, "fetch", "-q")
    for words in ((), ("--since", known)):
        assert tink("--repo", str(clone), "fsck", *words).code == 1


def test_a_branch_that_was_only_begun_does_not_hide_the_one_of_the_forge(tink, served, tmp_path):
    desk = tmp_path / "desk"
    sites.bare(desk).close()  # as `tink init` makes it, before there was a forge
    words = ("commit-tree", "-m", "Begin branch status, there", "status^{tree}")
    git(desk, "update-ref", "refs/heads/status", git(desk, *words).strip())
    git(desk, "fetch", "-q", str(served), "status:refs/remotes/origin/status")
    done = tink("--repo", str(desk), "fsck")
    assert (done.code, "2 workflows, 4 events" in done.out) == (0, True)


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_to_prove_is_no_proof(tink, tmp_path, form):
    repo = sites.empty(tmp_path / "plain.git")
    repo.close()
    done = tink("--repo", str(tmp_path / "plain.git"), "fsck", "-o", form)
    assert done.code == 1
    assert "nothing to prove" in done.out and "status-branch begin" in done.out
