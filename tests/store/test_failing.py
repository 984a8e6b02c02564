"""What is heard last of a disk that fails and works again is how it is, whoever says so when."""

from __future__ import annotations

import threading

from provisioner.store.writer.failing import Failing
from tests.store import sites

FULL = OSError(28, "No space left on device")
WHY = "No space left on device"


def test_a_thread_that_says_late_that_it_failed_does_not_undo_that_writing_works_again():
    """Data fail in a thread of theirs while the thread that drives the writer ends it."""
    heard: list[str | None] = []
    is_reporting, may_go_on = threading.Event(), threading.Event()

    def on_change(reason: str | None) -> None:
        if reason is not None:
            is_reporting.set()
            may_go_on.wait(sites.PATIENCE_SECONDS)
        heard.append(reason)

    failing = Failing(on_change, wake=lambda: None)
    data = threading.Thread(target=failing.failed, args=(FULL, 10_000_000))
    data.start()
    assert is_reporting.wait(sites.PATIENCE_SECONDS)
    failing.worked()
    may_go_on.set()
    data.join()
    assert heard == [WHY, None]
    assert failing.again_seconds is None


def test_who_hears_of_it_may_call_back_and_everybody_hears_the_same_order():
    heard: list[str | None] = []

    def on_change(reason: str | None) -> None:
        heard.append(reason)
        if len(heard) == 1:
            failing.worked()
            failing.failed(OSError(5, "Input/output error"))
            assert heard == [WHY], "nothing is heard before what came first was"

    failing = Failing(on_change, wake=lambda: None)
    failing.failed(FULL)
    assert heard == [WHY, None, "Input/output error"]
    assert failing.again_seconds


def test_a_listener_that_breaks_is_called_again_and_breaks_nothing_else(caplog):
    heard: list[str | None] = []

    def on_change(reason: str | None) -> None:
        heard.append(reason)
        raise RuntimeError("a listener's own fault")

    woken: list[bool] = []
    failing = Failing(on_change, wake=lambda: woken.append(True))
    failing.failed(FULL)
    failing.worked()
    assert heard == [WHY, None]
    assert woken
    assert "a listener's own fault" in caplog.text


def test_a_try_writes_as_much_as_the_largest_that_failed_within_bounds():
    sizes: list[int] = []
    failing = Failing(None, wake=lambda: None)
    for size in (0, 200_000, 100_000, 10**9):
        failing.failed(FULL, size)
        failing.try_again(sizes.append)
        failing.failed(FULL, size)  # a new fault: that the try worked has ended the old one
    assert sizes == [65_536, 200_000, 200_000, 16 * 1024 * 1024]


def test_a_try_that_fails_is_reported_and_does_not_end_it():
    heard: list[str | None] = []
    failing = Failing(heard.append, wake=lambda: None)
    failing.failed(FULL, 200_000)

    def refuse(_: int) -> None:
        raise OSError(30, "Read-only file system")

    failing.try_again(refuse)
    assert heard == [WHY, "Read-only file system"]
    assert failing.again_seconds == 1.0
