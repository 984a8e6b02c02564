"""A thread that has others to answer may take the writer's steps; nothing changes for anybody."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.model.views import Change, StatusView
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result


class Driver:
    """A thread that does nothing but take steps when it is asked to."""

    def __init__(self, writer: StatusWriter) -> None:
        self._writer = writer
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.id = self._thread.ident
        writer.hand_over(lambda: self._asked.put(True))

    def hand_back(self) -> None:
        self._writer.hand_over(None)
        self._asked.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._asked.get():
            while self._writer.step():
                pass


@pytest.fixture
def driver(writer: StatusWriter) -> Iterator[Driver]:
    opened = Driver(writer)
    yield opened
    opened.hand_back()


def ran_in(threads: list[int]) -> object:
    def proposal(_: StatusView) -> tuple[Change, ...]:
        threads.append(threading.get_ident())
        return ()

    return proposal


def test_who_finds_the_step_taken_by_a_look_at_the_branch_gets_it_afterwards(writer, monkeypatch):
    asked: list[bool] = []
    futures = []
    writer.hand_over(lambda: asked.append(True))
    look = writer.guards.look

    def busy_look():
        futures.append(writer.propose(lambda _: ()))
        asked.clear()
        assert not writer.step()  # as the driver would: it is taken
        return look()

    monkeypatch.setattr(writer.guards, "look", busy_look)
    writer.look()
    assert asked
    while writer.step():
        pass
    assert futures[0].result(10)
    writer.hand_over(None)


def test_the_driver_takes_the_steps_until_they_are_taken_back(writer):
    threads: list[int] = []
    driver = Driver(writer)
    result(writer.propose(ran_in(threads)))
    driver.hand_back()
    result(writer.propose(ran_in(threads)))
    assert threads[0] == driver.id != threads[1]


def test_what_takes_long_is_done_by_the_thread_that_proposes_it(writer, driver):
    threads: list[int] = []
    result(writer.propose(ran_in(threads), is_bulk=True))
    assert threads == [threading.get_ident()]


def test_everything_is_written_as_without_a_driver(writer, driver, repo):
    result(writer.propose(create(*map(sites.record, range(30))), is_bulk=True))
    for step in (State.RUNNING, State.SUCCESS):
        told = [writer.propose(report(number, 0, step)) for number in range(30)]
        assert all(result(each).changes for each in told)
    sites.same_content(StatusStore(repo).load(), writer.view)
    sites.fsck(repo.git_dir)


def test_a_busy_driver_gathers_while_a_batch_is_synced(repo, make_sink):
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

    with closing(StatusWriter(repo, make_sink=cast(Any, Slow))) as writer:
        may_go_on.set()
        result(writer.propose(create(*map(sites.record, range(4)))))
        may_go_on.clear()
        is_syncing.clear()
        woken = threading.Semaphore(0)
        writer.hand_over(woken.release)
        first = [writer.propose(report(number, 0, State.RUNNING)) for number in (0, 1)]
        writer.step(is_busy=True)
        assert is_syncing.wait(sites.PATIENCE_SECONDS)
        rest = [writer.propose(report(number, 0, State.RUNNING)) for number in (2, 3)]
        assert writer.step(is_busy=True), "there is something left to be built"
        may_go_on.set()
        writer.hand_over(None)
        assert len({result(each).commit for each in first}) == 1
        assert len({result(each).commit for each in rest}) == 1


def test_a_driver_that_is_gone_keeps_nobody_waiting(writer):
    writer.hand_over(lambda: None)  # it never takes a step
    waiting = writer.propose(create(sites.record(1)))
    writer.hand_over(None)
    assert result(waiting).changes


def test_a_branch_that_was_moved_back_is_put_back_also_for_a_driver(writer, driver, repo):
    result(writer.propose(create(*map(sites.record, (1, 2)))))
    old = repo.branch("status")
    result(writer.propose(report(1, 0, State.RUNNING)))
    new = repo.branch("status")
    assert old and new
    repo.move_ref("refs/heads/status", expected=new, new=old)
    receipt = result(writer.propose(report(2, 0, State.RUNNING)))
    assert repo.commit(receipt.commit).parents == (new,)
    sites.same_content(StatusStore(repo).load(), writer.view)
