"""Times and ids."""

from __future__ import annotations

import pytest

from provisioner.model import times
from provisioner.services.clock import (
    CautiousClock,
    SystemClock,
    WorkflowIds,
)
from tests.services.parts import HandClock


def test_a_time_is_written_in_utc_with_microseconds():
    assert times.of_event(1_795_435_200.25) == "2026-11-23T12:00:00.250000Z"
    assert times.of_event(1_795_435_200.0) == "2026-11-23T12:00:00.000000Z"


def test_the_system_clock_goes_on():
    clock = SystemClock()
    assert clock.now() <= clock.now()
    assert clock.monotonic() <= clock.monotonic()


def a_day_of_looks(cautious, clock, seconds=86_400 + 120):
    for _ in range(int(seconds / 60)):
        clock.pass_seconds(60)
        cautious.now()


def test_a_cautious_clock_goes_with_a_steady_one():
    clock = HandClock()
    cautious = CautiousClock(clock)
    a_day_of_looks(cautious, clock, 10 * 86_400)
    assert cautious.now() == pytest.approx(clock.now())


def test_a_cautious_clock_follows_a_step_back_at_once_and_a_step_forward_a_day_later():
    clock = HandClock()
    cautious = CautiousClock(clock)
    clock.set_wall(-3_600)
    assert cautious.now() == clock.now()
    clock.set_wall(3_600 + 900 * 86_400)
    true_time = clock.now() - 900 * 86_400
    assert cautious.now() == pytest.approx(true_time)
    a_day_of_looks(cautious, clock, 86_400 - 120)
    assert cautious.now() == pytest.approx(true_time + 86_400 - 120)
    a_day_of_looks(cautious, clock)
    assert cautious.now() == pytest.approx(clock.now())


def test_a_step_forward_that_is_taken_back_was_never_believed():
    clock = HandClock()
    cautious = CautiousClock(clock)
    for _ in range(5):
        clock.set_wall(900 * 86_400)
        a_day_of_looks(cautious, clock, 3_600)
        assert cautious.now() < clock.now() - 800 * 86_400
        clock.set_wall(-900 * 86_400)
        a_day_of_looks(cautious, clock, 3_600)
        assert cautious.now() == pytest.approx(clock.now())


def test_ids_sort_in_the_order_of_minting_within_one_millisecond_and_when_the_clock_goes_back():
    clock = HandClock()
    mint = WorkflowIds(clock)
    minted = [mint() for _ in range(5_000)]
    clock.set_wall(-3_600)
    minted += [mint() for _ in range(10)]
    assert minted == sorted(minted)
    assert len(set(minted)) == len(minted)
