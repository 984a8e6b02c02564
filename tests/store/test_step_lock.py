"""Whoever finds a step being taken need not wait for it, and is never forgotten."""

from __future__ import annotations

import threading

from provisioner.store.writer.step_lock import StepLock
from tests.store import sites


def test_who_finds_the_lock_held_has_a_step_taken_by_the_holder():
    lock = StepLock(wake=lambda: None)
    taken: list[str] = []

    def step() -> bool:
        taken.append("mine")
        if len(taken) == 1:
            assert not lock.try_run(lambda: bool(taken.append("never")))
        return len(taken) == 1

    assert not lock.run(step), "the result is that of the last step"
    assert taken == ["mine", "mine"]


def test_who_finds_it_held_by_one_that_takes_no_steps_is_woken_afterwards():
    woken: list[bool] = []
    lock = StepLock(wake=lambda: woken.append(lock.try_run(lambda: True)))
    with lock:
        assert not lock.try_run(lambda: True)
        assert not woken
    assert woken == [True], "the lock is free by then"


def test_nobody_is_woken_when_nobody_was_refused():
    woken: list[bool] = []
    lock = StepLock(wake=lambda: woken.append(True))
    lock.run(lambda: True)
    with lock:
        pass
    assert not woken


def test_a_step_that_raises_gives_the_lock_back():
    lock = StepLock(wake=lambda: None)

    def fail() -> bool:
        raise RuntimeError

    for _ in range(2):
        try:
            lock.try_run(fail)
        except RuntimeError:
            continue
        raise AssertionError("the step was not taken")


def test_run_waits_for_the_lock():
    lock = StepLock(wake=lambda: None)
    results: list[bool] = []
    waiting = threading.Thread(target=lambda: results.append(lock.run(lambda: True)))
    with lock:
        waiting.start()
        assert not results
    waiting.join(sites.PATIENCE_SECONDS)
    assert results == [True]
