"""Only the time in which a server listened counts."""

from __future__ import annotations

from provisioner.services.heard_time import LONGEST_GAP_SECONDS, TICK_SECONDS, HeardTime
from tests.services.parts import HandClock


def ticked(heard, clock, seconds):
    for _ in range(int(seconds / TICK_SECONDS)):
        clock.pass_seconds(TICK_SECONDS)
        heard.tick()


def test_time_that_is_listened_to_counts_as_it_passes():
    clock = HandClock()
    heard = HeardTime(clock)
    ticked(heard, clock, 100)
    clock.pass_seconds(0.5)
    assert heard.now() == 100.5


def test_a_wall_clock_that_is_set_changes_nothing():
    clock = HandClock()
    heard = HeardTime(clock)
    for days in (900, -1_800, 0.1, -0.1):
        clock.set_wall(days * 86_400)
        ticked(heard, clock, 10)
    assert heard.now() == 40


def test_a_process_that_was_stopped_has_not_listened_whoever_asks_first_afterwards():
    clock = HandClock()
    heard = HeardTime(clock)
    ticked(heard, clock, 10)
    clock.pass_seconds(86_400)
    assert heard.now() == 10 + LONGEST_GAP_SECONDS
    heard.tick()
    ticked(heard, clock, 10)
    assert heard.now() == 20 + LONGEST_GAP_SECONDS


def test_while_writing_is_halted_no_time_passes():
    clock, listens = HandClock(), [True]
    heard = HeardTime(clock, lambda: listens[0])
    ticked(heard, clock, 10)
    listens[0] = False
    ticked(heard, clock, 3_600)
    assert heard.now() <= 10 + LONGEST_GAP_SECONDS
    before = heard.now()
    listens[0] = True
    heard.tick()
    ticked(heard, clock, 5)
    assert heard.now() == before + 5


def test_it_never_goes_back():
    clock = HandClock()
    heard = HeardTime(clock)
    seen = [heard.now()]
    for step in (0.1, 5.0, 0.0, 1.0, 100.0):
        clock.pass_seconds(step)
        seen.append(heard.now())
        heard.tick()
        seen.append(heard.now())
    assert seen == sorted(seen)
