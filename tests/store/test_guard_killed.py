"""Killed between any two steps, whoever looks after a moved branch loses nothing.

Each round ends the process at the next of its steps: before a file is written, synced or
renamed, and before a git process moves a ref.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import Conflict
from provisioner.git import disk
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.guard import begin, memory, recovery
from provisioner.store.upkeep import retention
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import foreign_hands as hands
from tests.store import sites
from tests.store.foreign_hands import STATUS
from tests.store.guarded import LATER, Site
from tests.store.sites import report, result, workflow_id

pytestmark = pytest.mark.kill
STEPS_LIMIT = 60
STEPS = (
    (GitRepo, "run"),
    (disk, "write_file"),
    (disk, "sync"),
    (Path, "replace"),
    (Path, "unlink"),
)

Work = Callable[[GitRepo], object]


def _die_at(step: int) -> None:
    """Have this process killed instead of doing its n-th step from now on."""
    left = [step]

    def counting(plain: Callable[..., object]) -> Callable[..., object]:
        def counted(*words: object, **options: object) -> object:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return plain(*words, **options)

        return counted

    for home, name in STEPS:
        setattr(home, name, counting(getattr(home, name)))


def _child(path: Path, step: int, work: Work) -> None:
    with closing(GitRepo(path)) as repo:
        _die_at(step)
        work(repo)


def killed_at_each_step(path: Path, work: Work) -> Iterator[None]:
    """Do the work, killed at its first step, at its second, and so on until it gets through.

    The repository is as it was before each; yields after each kill.
    """
    before = path.with_name("before")
    shutil.copytree(path, before)
    for step in range(STEPS_LIMIT):
        shutil.rmtree(path)
        shutil.copytree(before, path)
        child = multiprocessing.get_context("fork").Process(target=_child, args=(path, step, work))
        child.start()
        child.join(sites.PATIENCE_SECONDS)
        yield
        if child.exitcode == 0:
            assert step > 0, "the work has steps"
            return
        assert child.exitcode == -signal.SIGKILL
    raise AssertionError(f"the work has more than {STEPS_LIMIT} steps")


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Site]:
    """A site whose server has ended."""
    site = Site(tmp_path)
    site.close()
    site.repo = GitRepo(site.repo.git_dir)
    yield site
    site.repo.close()


def serve(repo: GitRepo) -> None:
    """A server that starts, looks after its branches, and ends."""
    with closing(StatusWriter(repo)) as writer:
        writer.look()
        result(writer.refresh())


def archive(repo: GitRepo) -> None:
    with closing(StatusWriter(repo)) as writer:
        retention.run(writer, ended_before=LATER, at_seconds=1_795_000_000)


def check_all_is_there(path: Path) -> None:
    with closing(GitRepo(path)) as repo, closing(StatusWriter(repo)) as writer:
        states = [writer.view.workflows[workflow_id(n)].context.state for n in (1, 2, 3)]
        assert states == [State.SUCCESS, State.RUNNING, State.PENDING]
        assert result(writer.propose(report(2, 0, State.SUCCESS))).changes


def test_a_branch_that_is_being_put_back(left):
    hands.put(left.repo, STATUS, None)
    for _ in killed_at_each_step(left.repo.git_dir, serve):
        check_all_is_there(left.repo.git_dir)


def test_a_branch_that_was_deleted_after_a_kill_is_put_back_by_the_journal_and_reported(left):
    def die_after_a_report(path: Path) -> None:
        with closing(GitRepo(path)) as repo:
            result(StatusWriter(repo).propose(report(3, 0, State.RUNNING)))
            os.kill(os.getpid(), signal.SIGKILL)

    words: dict[str, Any] = {"target": die_after_a_report, "args": (left.repo.git_dir,)}
    child = multiprocessing.get_context("fork").Process(**words)
    child.start()
    child.join(sites.PATIENCE_SECONDS)
    newest = left.tip
    assert newest != memory.Memory(left.repo).tip(STATUS), "only the journal knows it"
    hands.put(left.repo, STATUS, None)
    left.moves.clear()
    left.start()
    assert left.tip == newest and left.kinds == ["put-back"]
    assert left.state(3) is State.RUNNING
    left.writer.close()


def test_a_history_that_is_being_accepted(left, tmp_path):
    begun = sites.git(left.repo.git_dir, "rev-list", "--max-parents=0", "status").strip()
    theirs = hands.commit(left.repo, tmp_path, begun, {"note.txt": lambda _: b"x"})
    hands.put(left.repo, STATUS, theirs)
    [choice] = recovery.choices(left.repo, "status")
    recovery.request(left.repo, choice)
    for _ in killed_at_each_step(left.repo.git_dir, serve):
        with closing(GitRepo(left.repo.git_dir)) as repo, closing(StatusWriter(repo)) as writer:
            assert result(writer.refresh()).commit == theirs
            assert not writer.view.workflows


def test_a_person_who_puts_ours_back(left, tmp_path):
    begun = sites.git(left.repo.git_dir, "rev-list", "--max-parents=0", "status").strip()
    hands.put(left.repo, STATUS, hands.commit(left.repo, tmp_path, begun, {}))

    def recover(repo: GitRepo) -> None:
        for choice in recovery.choices(repo, "status"):
            recovery.put_back(repo, choice)

    for _ in killed_at_each_step(left.repo.git_dir, recover):
        with closing(GitRepo(left.repo.git_dir)) as repo:
            recover(repo)
        check_all_is_there(left.repo.git_dir)


def test_workflows_that_are_being_archived(left):
    for _ in killed_at_each_step(left.repo.git_dir, archive):
        check_all_is_there(left.repo.git_dir)


def test_a_repository_that_is_being_adopted(left):
    for ours in ("tink", "refs/tink"):
        shutil.rmtree(left.repo.common_dir / ours)
    for _ in killed_at_each_step(left.repo.git_dir, serve):
        check_all_is_there(left.repo.git_dir)


def test_a_branch_that_is_being_begun(tmp_path):
    sites.empty(tmp_path / "repo").close()
    for _ in killed_at_each_step(tmp_path / "repo", begin.begin):
        with closing(GitRepo(tmp_path / "repo")) as repo:
            with suppress(Conflict):
                begin.begin(repo)
            serve(repo)
            assert memory.Memory(repo).tip(STATUS) == repo.branch("status")
