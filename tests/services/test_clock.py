"""Times and ids."""

from __future__ import annotations

from provisioner.services.clock import SystemClock, WorkflowIds, seconds_of, timestamp
from services.parts import HandClock


def test_a_time_is_written_in_utc_with_microseconds_and_read_back():
    assert timestamp(1_795_435_200.25) == "2026-11-23T12:00:00.250000Z"
    assert timestamp(1_795_435_200.0) == "2026-11-23T12:00:00.000000Z"
    assert seconds_of("2026-11-23T12:00:00.250000Z") == 1_795_435_200.25


def test_the_system_clock_goes_on():
    clock = SystemClock()
    assert clock.now() <= clock.now()
    assert clock.monotonic() <= clock.monotonic()


def test_ids_sort_in_the_order_of_minting_within_one_millisecond_and_when_the_clock_goes_back():
    clock = HandClock()
    mint = WorkflowIds(clock)
    minted = [mint() for _ in range(5_000)]
    clock.set_wall(-3_600)
    minted += [mint() for _ in range(10)]
    assert minted == sorted(minted)
    assert len(set(minted)) == len(minted)
