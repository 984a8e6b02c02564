"""While the writer is halted nothing is written, and whoever proposes is told why."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any, cast

import pytest

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result
from tests.store.test_steps import Driver

WHY = Unavailable("the remote was never fetched", hint="wait for it")


def refused(future) -> None:
    with pytest.raises(Unavailable, match="was never fetched") as told:
        result(future)
    assert told.value.hint == "wait for it"


@pytest.mark.parametrize("is_bulk", [False, True])
def test_every_proposal_fails_until_it_goes_on(writer, repo, is_bulk):
    before = repo.branch("status")
    writer.halt(WHY)
    for _ in range(2):
        refused(writer.propose(create(sites.record(1)), is_bulk=is_bulk))
    refused(writer.refresh())
    assert repo.branch("status") == before
    writer.resume()
    assert result(writer.propose(create(sites.record(1)), is_bulk=is_bulk)).changes


def test_a_driven_writer_halts_too(writer):
    driver = Driver(writer)
    writer.halt(WHY)
    refused(writer.propose(create(sites.record(1))))
    writer.resume()
    assert result(writer.propose(create(sites.record(1)))).changes
    driver.hand_back()


def test_what_waits_is_refused_and_what_is_being_written_is_answered(repo, make_sink):
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
        result(writer.propose(create(*map(sites.record, range(2)))))
        may_go_on.clear()
        is_syncing.clear()
        under_way = writer.propose(report(0, 0, State.RUNNING))
        assert is_syncing.wait(sites.PATIENCE_SECONDS)
        waiting = writer.propose(report(1, 0, State.RUNNING))
        writer.halt(WHY)
        may_go_on.set()
        assert result(under_way).changes
        try:
            result(waiting)
        except Unavailable as error:
            assert error.message == WHY.message
        refused(writer.propose(report(1, 0, State.RUNNING)))
        writer.resume()
        result(writer.propose(report(1, 0, State.RUNNING)))


def test_a_halted_writer_can_be_closed(repo, make_sink):
    writer = StatusWriter(repo, make_sink=make_sink)
    writer.halt(WHY)
    waiting = writer.propose(create(sites.record(1)))
    writer.close()
    refused(waiting)
