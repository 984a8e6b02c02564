"""A thread that has others to answer may take the writer's turns; nothing changes for anybody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.model.views import Change, StatusView
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result


class Borrower:
    """A thread that does nothing but take turns when it is asked to."""

    def __init__(self, writer: StatusWriter) -> None:
        self._writer = writer
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.id = self._thread.ident
        writer.lend(lambda: self._asked.put(True))

    def give_back(self) -> None:
        self._writer.lend(None)
        self._asked.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._asked.get():
            while self._writer.turn():
                pass


@pytest.fixture
def borrower(writer: StatusWriter) -> Iterator[Borrower]:
    opened = Borrower(writer)
    yield opened
    opened.give_back()


def ran_in(threads: list[int]) -> object:
    def proposal(_: StatusView) -> tuple[Change, ...]:
        threads.append(threading.get_ident())
        return ()

    return proposal


def test_who_finds_the_turn_held_by_a_look_at_the_branch_gets_it_afterwards(writer, monkeypatch):
    asked: list[bool] = []
    futures = []
    writer.lend(lambda: asked.append(True))
    look = writer.guards.look

    def busy_look():
        futures.append(writer.propose(lambda _: ()))
        asked.clear()
        assert not writer.turn()  # as the borrower would: it is taken
        return look()

    monkeypatch.setattr(writer.guards, "look", busy_look)
    writer.look()
    assert asked
    while writer.turn():
        pass
    assert futures[0].result(10)
    writer.lend(None)


def test_the_borrower_takes_the_turns_until_they_are_taken_back(writer):
    threads: list[int] = []
    borrower = Borrower(writer)
    result(writer.propose(ran_in(threads)))
    borrower.give_back()
    result(writer.propose(ran_in(threads)))
    assert threads[0] == borrower.id != threads[1]


def test_what_takes_long_is_done_by_the_thread_that_proposes_it(writer, borrower):
    threads: list[int] = []
    result(writer.propose(ran_in(threads), is_bulk=True))
    assert threads == [threading.get_ident()]


def test_everything_is_written_as_without_a_borrower(writer, borrower, repo):
    result(writer.propose(create(*map(sites.record, range(30))), is_bulk=True))
    for step in (State.RUNNING, State.SUCCESS):
        told = [writer.propose(report(number, 0, step)) for number in range(30)]
        assert all(result(each).changes for each in told)
    sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_a_busy_borrower_gathers_while_a_group_is_synced(repo, make_sink):
    is_syncing, may_go_on = threading.Event(), threading.Event()

    class Slow:
        """A disk that waits to be told."""

        def __init__(self, repo: GitRepo, ref: str) -> None:
            self._sink = make_sink(repo, ref)
            for step in ("stage", "begin", "end", "reset", "rehearse", "close"):
                setattr(self, step, getattr(self._sink, step))

        def sync(self, staged: object) -> None:
            is_syncing.set()
            may_go_on.wait(sites.PATIENCE_SECONDS)
            self._sink.sync(staged)

    with closing(StatusWriter(repo, make_sink=Slow)) as writer:
        may_go_on.set()
        result(writer.propose(create(*map(sites.record, range(4)))))
        may_go_on.clear()
        is_syncing.clear()
        woken = threading.Semaphore(0)
        writer.lend(woken.release)
        first = [writer.propose(report(number, 0, State.RUNNING)) for number in (0, 1)]
        writer.turn(is_busy=True)
        assert is_syncing.wait(sites.PATIENCE_SECONDS)
        rest = [writer.propose(report(number, 0, State.RUNNING)) for number in (2, 3)]
        assert writer.turn(is_busy=True), "there is something left to be built"
        may_go_on.set()
        writer.lend(None)
        assert len({result(each).commit for each in first}) == 1
        assert len({result(each).commit for each in rest}) == 1


def test_a_borrower_that_is_gone_keeps_nobody_waiting(writer):
    writer.lend(lambda: None)  # it never takes a turn
    waiting = writer.propose(create(sites.record(1)))
    writer.lend(None)
    assert result(waiting).changes


def test_a_branch_that_was_moved_back_is_put_back_also_for_a_borrower(writer, borrower, repo):
    result(writer.propose(create(*map(sites.record, (1, 2)))))
    old = repo.branch("status")
    result(writer.propose(report(1, 0, State.RUNNING)))
    new = repo.branch("status")
    assert old and new
    repo.move_ref("refs/heads/status", expected=new, new=old)
    receipt = result(writer.propose(report(2, 0, State.RUNNING)))
    assert repo.commit(receipt.commit).parents == (new,)
    sites.same_content(StatusStore(repo).load(), writer.view)
