"""How long a container ran is counted by no clock that can be set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.worker.fake_server import an_action
from worker import action
from worker.action import Run
from worker.run_clock import RunClock
from worker.runtime_engine import ContainerState

BOOT = "boot 1"
MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


def clock(now, boot_id=BOOT):
    return RunClock(boot_id, lambda: now)


def container(began=100.0, **changes):
    labels = {action.LABEL_BOOT: BOOT, **clock(began).labels()}
    plain = ContainerState(
        id="c", name="tink.x", labels=labels, has_started=True, has_ended=False, started_at=MOMENT
    )
    return replace(plain, **changes)


def a_run(tmp_path, seconds=60):
    offer = an_action("hello", timeout_seconds=seconds)
    return Run(offer=offer, asked_as="w", attempt=1, folder=tmp_path)


def test_a_worker_that_starts_later_goes_on_counting():
    assert clock(160.0).began(container(began=100.0)) == 100.0


@pytest.mark.parametrize("boot_id", ["boot 2", ""])
def test_what_an_earlier_boot_counted_means_nothing(boot_id):
    found = clock(50.0, boot_id or None).began(container(began=40.0))
    assert found == 50.0


@pytest.mark.parametrize("labels", [{}, {action.LABEL_BOOT: BOOT, action.LABEL_BEGAN: "soon"}])
def test_a_container_that_does_not_say_when_it_began_began_now(labels):
    assert clock(50.0).began(container(labels=labels)) == 50.0


def test_a_container_began_at_the_latest_now():
    assert clock(50.0).began(container(began=80.0)) == 50.0


@pytest.mark.parametrize("days", [900, -900])
def test_an_engine_whose_clock_was_set_makes_no_time_out(tmp_path, days):
    ended = container(has_ended=True, exit_code=137, ended_at=MOMENT + timedelta(days=days))
    assert not clock(110.0).is_timed_out(a_run(tmp_path), ended)


def test_a_container_that_was_killed_for_its_time_says_so_by_its_name(tmp_path):
    name = f"tink.x{action.TIMED_OUT_SUFFIX}"
    ended = container(name=name, has_ended=True, exit_code=137, ended_at=MOMENT)
    assert clock(110.0).is_timed_out(a_run(tmp_path), ended)


@pytest.mark.parametrize(("seconds", "is_timed_out"), [(59, False), (61, True)])
def test_of_a_container_of_an_older_worker_the_engines_times_count(tmp_path, seconds, is_timed_out):
    labels = {action.LABEL_BOOT: BOOT}
    ended_at = MOMENT + timedelta(seconds=seconds)
    ended = container(labels=labels, has_ended=True, exit_code=137, ended_at=ended_at)
    assert clock(110.0).is_timed_out(a_run(tmp_path), ended) is is_timed_out
