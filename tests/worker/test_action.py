"""Are names, labels and messages such that Docker and events take them?"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.fake_server import an_action
from worker import action, log_pump
from worker.action import HeldRun, Run
from worker.engine_errors import is_final_pull_error, missing_capabilities, privileged_unavailable
from worker.log_pump import CutOff, LogPump
from worker.log_tail import LogTail

ID = "0190a5c0-0000-7000-8000-0000000000aa"


def a_run(name: str = "hello", attempt: int = 1, timeout_seconds: int = 60) -> Run:
    offer = an_action(name, workflow_id=ID, timeout_seconds=timeout_seconds)
    return Run(offer=offer, asked_as="w", attempt=attempt, folder=Path("/workflow") / ID)


@pytest.mark.parametrize("name", ["Say Hello!", "-x", "日本語", "", "a" * 500, "a/b:c", ".."])
def test_any_action_name_gives_a_name_that_docker_takes(name):
    made = action.container_name(a_run(name), action.ROLE_ACTION)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", made)
    assert len(made) < 128


def test_runs_and_roles_have_names_of_their_own_and_keep_them():
    roles = (action.ROLE_ACTION, action.ROLE_ON_FAILURE, action.ROLE_ON_TIMEOUT)
    names = [action.container_name(a_run(attempt=one), role) for one in (1, 2) for role in roles]
    assert len(set(names)) == 6
    assert names == [
        action.container_name(a_run(attempt=one), role) for one in (1, 2) for role in roles
    ]


def test_labels_are_read_back():
    labels = action.labels(a_run(attempt=2), action.ROLE_ACTION, "boot")
    assert action.held_run(labels) == HeldRun(
        workflow_id=ID, action_index=0, attempt=2, asked_as="w"
    )
    assert action.held_run({}) is None
    assert action.held_run(labels | {action.LABEL_ATTEMPT: "x"}) is None


def test_an_action_without_a_timeout_has_an_hour():
    assert a_run(timeout_seconds=0).timeout_seconds == 3600


def test_a_message_is_one_line_of_two_hundred_characters():
    assert action.shortened("a\n b") == "a b"
    assert action.shortened("x" * 200) == "x" * 200
    assert action.shortened("x" * 201) == "x" * 199 + "…"


def test_lines_are_put_together_from_pieces():
    tail = LogTail()
    assert list(tail.feed("ä".encode()[:1])) == []
    assert list(tail.feed("ä".encode()[1:] + b"b\r")) == []
    assert list(tail.feed(b"\nc")) == ["äb"]
    assert list(tail.feed(b"", last=True)) == ["c"]
    assert tail.text == "äb\nc"


def test_a_line_without_end_is_passed_on_in_pieces():
    tail = LogTail()
    pieces = list(tail.feed(b"x" * 100_000))
    assert pieces
    assert max(len(one) for one in pieces) == 16_384


def test_the_tail_has_an_end_in_bytes():
    tail = LogTail()
    for _ in range(10):
        list(tail.feed(b"\xff" * 20_000))  # each becomes three bytes
    assert 65_000 < len(tail.text.encode()) <= 65_536


def test_what_a_follower_missed_is_read_at_the_end(caplog):
    def read(follow: bool) -> Iterator[bytes]:
        yield b"one\ntw"
        if not follow:
            yield b"o\nthree"

    caplog.set_level("INFO", logger="worker.output")
    tail = LogTail()
    LogPump(read, tail).finish()
    assert tail.text == "one\ntwo\nthree"
    assert caplog.messages == ["one", "two", "three"]


def test_a_follower_that_was_cut_off_reads_on_where_it_was():
    pieces = [[b"one\n"], [b"one\nt", b"wo\n"], [b"one\ntwo\n"]]
    tail = LogTail()
    LogPump(lambda follow: iter(pieces.pop(0)), tail).resumed().finish()
    assert tail.text == "one\ntwo\n"


LINE = b"0123456789" * 7 + b"\r\n"
WHY = b"FATAL: the reason\r\n"


@pytest.mark.parametrize("heard_lines", [0, 1, 100, 5_000])
@pytest.mark.parametrize("left_lines", [10, 2_000])
def test_the_last_lines_are_there_when_the_engine_rotated_the_rest_away(
    heard_lines, left_lines, caplog
):
    """Whatever the follower heard, and however much the engine has still."""

    def read(follow: bool) -> Iterator[bytes]:
        if follow:
            yield from [LINE] * heard_lines
        else:
            yield LINE[7:]
            yield from [LINE] * left_lines
            yield WHY

    caplog.set_level("INFO", logger="worker.output")
    tail = LogTail()
    list(tail.feed(b"an earlier container\n"))
    LogPump(read, tail).finish()
    assert tail.text.endswith(WHY.decode().replace("\r", ""))
    assert len(tail.text) == min(65_536, 21 + 64 + 71 * left_lines + 18), "all that there is, once"
    assert caplog.messages[-1] == "FATAL: the reason"
    assert caplog.messages.count("FATAL: the reason") == 1


def test_a_follower_that_is_far_behind_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(log_pump, "END_SECONDS", 0.01)
    may_end = threading.Event()

    def read(follow: bool) -> Iterator[bytes]:
        yield b"one\n"
        if follow:
            may_end.wait(60)
        yield b"two\n"

    tail = LogTail()
    LogPump(read, tail).finish()
    assert tail.text == "one\ntwo\n"
    may_end.set()


@pytest.mark.waits
def test_a_follower_that_gets_on_is_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(log_pump, "STALLED_SECONDS", 2)
    caplog.set_level("INFO", logger="worker.output")

    def read(follow: bool) -> Iterator[bytes]:
        for number in range(10):
            if follow:
                time.sleep(0.3)
            yield b"%d\n" % number

    LogPump(read, LogTail()).finish()
    assert caplog.messages == [str(number) for number in range(10)]


def test_an_engine_that_goes_away_at_the_end_takes_nothing_back():
    def read(follow: bool) -> Iterator[bytes]:
        yield b"one\ntwo\n" if follow else b"one\n"
        if not follow:
            raise CutOff

    tail = LogTail()
    LogPump(read, tail).finish()
    assert tail.text == "one\ntwo\n"


def test_a_note_is_a_line_of_its_own():
    tail = LogTail()
    list(tail.feed(b"no end"))
    tail.note("--- on-failure")
    assert tail.text == "no end\n--- on-failure\n"


def test_missing_capabilities_are_named(tmp_path):
    (tmp_path / "status").write_text("CapBnd:\t000001fffeffffff\n")
    assert missing_capabilities(tmp_path / "status") == ("SYS_RESOURCE",)
    assert "CAP_SYS_RESOURCE" in privileged_unavailable(("SYS_RESOURCE",))
    (tmp_path / "status").write_text("CapBnd:\t000001ffffffffff\n")
    assert missing_capabilities(tmp_path / "status") == ()


@pytest.mark.parametrize(
    ("text", "is_final"),
    [
        ("manifest for x not found: manifest unknown", True),
        ("Head: no basic auth credentials", True),
        ("pull access denied for x", True),
        ("dial tcp 127.0.0.1:1: connect: connection refused", False),
        ("net/http: TLS handshake timeout", False),
    ],
)
def test_only_pulls_that_may_work_later_are_tried_again(text, is_final):
    assert is_final_pull_error(text) is is_final
