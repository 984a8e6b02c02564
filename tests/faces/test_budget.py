"""Nobody makes the server keep more than its budget, whatever they send, stall or don't read."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest

from provisioner.faces.http import connection as connections
from provisioner.faces.http import intake
from provisioner.faces.http import server as servers
from provisioner.faces.http.budget import LITTLE_BYTES, Budget, Share
from provisioner.faces.http.server import HttpServer
from provisioner.model.state import State
from tests.builders import MACS, ONE, TWO
from tests.faces.raw_http import (
    ask,
    chunked,
    connect,
    eventually,
    get,
    post,
    send_what_goes,
    statuses,
    until_closed,
)
from tests.services.parts import FIRST, told
from worker import wire

pytestmark = pytest.mark.network

WAITING = get(f"/v1/workers/{MACS[TWO]}/action?wait=60")
REPORTS = f"/v1/workflows/{FIRST}/reports"
DATA = f"/v1/workflows/{FIRST}/data?worker=x&action_index=0&attempt=1&report_id=x"
READ_AT_ONCE = 262_144  # what the loop may read in one go


@pytest.fixture
def serve(inside):
    opened = []

    def serve(**limits):
        opened.append(
            HttpServer(inside.provisioner, host="127.0.0.1", port=0, budget=Budget(**limits))
        )
        return opened[-1]

    yield serve
    for each in opened:
        each.close()
        assert [share.used_bytes for _, share in each.budget.shares] == [0, 0, 0]
        assert [share.waiting_count for _, share in each.budget.shares] == [0, 0, 0]


@pytest.fixture
def join():
    """Connect, and leave when the test is over."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(connect(server))


def a_report(number=0):
    return post(
        REPORTS,
        wire.encode(told(0, State.RUNNING, report_id=f"r{number}")),
        "Connection: close",
    )


def test_whoever_came_first_gets_room_first():
    share, served = Share(10), []
    first, second, third = (lambda name=name: served.append(name) for name in "123")
    assert share.take(8)
    assert not share.take(3)
    assert not share.take_or_wait(9, first)
    assert not share.take_or_wait(1, second)  # there would be room, but it would never be `first`'s
    assert not share.take_or_wait(1, third)
    share.give(8)
    assert served == ["1", "2"] and share.used_bytes == 10
    share.leave(third)
    share.give(10)
    assert served == ["1", "2"] and share.used_bytes == 0


def test_whoever_leaves_lets_those_behind_pass():
    share, served = Share(10), []
    assert share.take(8)
    first = lambda: served.append(1)  # noqa: E731  # its identity is its name
    assert not share.take_or_wait(9, first)
    assert not share.take_or_wait(2, lambda: served.append(2))
    share.leave(first)
    assert served == [2]


def test_whoever_wants_little_waits_for_nobody_who_wants_much():
    share = Share(1_000_000, spare_bytes=100_000)
    assert share.take_or_wait(900_000, lambda: None)
    assert not share.take_or_wait(50_000, lambda: None)
    assert share.take_or_wait(LITTLE_BYTES, lambda: None)
    assert share.waiting_count == 1


def test_pushes_pipelined_behind_a_poll_take_no_room_for_ever(serve):
    server = serve(bodies_bytes=wire.ARCHIVE_LIMIT_BYTES)
    poll = get(f"/v1/workers/{MACS[TWO]}/action?wait=0.2")
    for kind in (post(DATA, b"", method="PUT"), chunked(DATA, method="PUT") + b"0\r\n\r\n"):
        with connect(server) as opened:
            opened.sendall(poll + kind * 2 + get("/healthz", "Connection: close"))
            assert statuses(until_closed(opened))[0] == 204
    large = post(DATA, bytes(2_000_000), "Connection: close", method="PUT")
    assert statuses(ask(server, large)) == [400]
    assert server.budget.bodies.used_bytes == 0


def test_bodies_pipelined_behind_a_poll_stay_with_their_client(serve, join):
    server = serve()
    opened = [join(server) for _ in range(20)]
    for each in opened:
        send_what_goes(each, WAITING + post(REPORTS, b"x" * 400_000) * 30, seconds=0.2)
    most = connections.BACKLOG_BYTES + READ_AT_ONCE + 2 * intake.STEP_BYTES
    eventually(lambda: server.budget.requests.used_bytes > len(opened) * 4_096)
    assert server.budget.requests.used_bytes < len(opened) * most


def test_many_small_requests_behind_a_poll_are_counted_as_what_they_cost(serve):
    server = serve()
    with connect(server) as opened:
        opened.sendall(WAITING + get("/healthz") * 100)
        eventually(lambda: server.budget.requests.used_bytes > 50_000)


def test_a_client_that_went_while_it_was_not_read_is_forgotten(serve, join, inside):
    serve_one = serve()
    opened = join(serve_one)
    opened.sendall(WAITING + post(REPORTS, b"x" * 100_000))
    eventually(lambda: inside.snapshots.waiting_count() == 1)
    opened.close()
    eventually(lambda: inside.snapshots.waiting_count() == 0)


@pytest.mark.parametrize(
    "half",
    [
        post(REPORTS, b"x" * 60_000)[:-1],
        chunked(REPORTS) + b"8000\r\n" + b"x" * 32_000,
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 30_000,
        b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 95,
        WAITING + b"x" * 60_000,
    ],
    ids=["body", "chunks", "one header", "many headers", "behind a poll"],
)
def test_half_sent_requests_keep_nobody_else_out(serve, join, monkeypatch, half):
    monkeypatch.setattr(intake, "PRESSED_SECONDS", 0.5)
    limit = 1_000_000
    server = serve(requests_bytes=limit)
    opened = []
    for _ in range(120):
        opened.append(join(server))
        send_what_goes(opened[-1], half, seconds=0.05)
        assert server.budget.requests.used_bytes <= limit
    for number in range(3):
        assert statuses(ask(server, a_report(number)))[0] in (200, 409)
    for each in opened:
        each.close()


def test_stalled_pushes_keep_nobody_else_out(serve, join, monkeypatch):
    monkeypatch.setattr(intake, "PRESSED_SECONDS", 0.5)
    server = serve(bodies_bytes=2 * wire.ARCHIVE_LIMIT_BYTES)
    opened = [join(server) for _ in range(6)]
    for each in opened:
        each.sendall(chunked(DATA, method="PUT") + b"FFFFFF\r\n" + b"x" * 100)
    eventually(lambda: server.budget.bodies.waiting_count == 4)
    large = post(DATA, bytes(2_000_000), "Connection: close", method="PUT")
    assert statuses(ask(server, large)) == [400]
    for each in opened:
        each.close()


def test_clients_that_do_not_read_keep_nobody_else_out(serve, join, inside, monkeypatch):
    monkeypatch.setattr(connections, "PRESSED_SECONDS", 0.5)
    archive = wire.pack([wire.ArchivedFile(path="a", content=bytes(10_000_000))])
    server = serve(answers_bytes=10_000_000)
    assert statuses(ask(server, a_report())) == [200]
    query = f"worker={MACS[ONE]}&action_index=0&attempt=1&report_id=p"
    push = post(f"/v1/workflows/{FIRST}/data?{query}", archive, "Connection: close", method="PUT")
    assert statuses(ask(server, push)) == [200]
    fetch = get(f"/v1/workflows/{FIRST}/data?worker={MACS[ONE]}", "Connection: close")
    deaf = [join(server) for _ in range(8)]
    for each in deaf:
        each.sendall(fetch)
    eventually(lambda: server.budget.answers.used_bytes > 0)
    assert ask(server, fetch).endswith(archive)
    assert server.budget.answers.used_bytes <= 2 * len(archive)
    for each in deaf:
        each.close()


def test_more_connections_than_are_kept_end_those_that_say_nothing(serve, join, monkeypatch):
    monkeypatch.setattr(servers, "CONNECTIONS", 20)
    server = serve()
    silent = [join(server) for _ in range(30)]

    def is_answered():
        try:
            return statuses(ask(server, get("/healthz", "Connection: close"))) == [200]
        except OSError:
            return False

    eventually(is_answered)
    for each in silent:
        each.close()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_clients_do_all_is_given_back_when_they_have_gone(serve, inside, seed):
    chance = random.Random(seed)
    server = serve(requests_bytes=3_000_000, bodies_bytes=30_000_000, answers_bytes=1_000_000)
    parts = (
        WAITING,
        get(f"/v1/workers/{MACS[TWO]}/action?wait=0.05"),
        get("/v1/workflows"),
        get("/healthz"),
        get("/metrics"),
        a_report(),
        post(REPORTS, b"x" * 300_000),
        post(DATA, bytes(1_500_000), method="PUT"),
        chunked(DATA, method="PUT") + b"5\r\nhello\r\n0\r\na: b\r\n\r\n",
        chunked(REPORTS) + b"1\r\n{\r\n" * 50,
        post(REPORTS, b"{}", "Expect: 100-continue"),
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000,
    )

    def misbehave(order):
        for _ in range(15):
            with connect(server) as opened:
                data = b"".join(order.choice(parts) for _ in range(order.randrange(1, 6)))
                cut = order.choice([len(data), order.randrange(len(data))])
                send_what_goes(opened, data[:cut], seconds=0.05)
                opened.settimeout(0.02)
                if order.random() < 0.5:
                    with contextlib.suppress(OSError):
                        opened.recv(65_536)

    threads = [
        threading.Thread(target=misbehave, args=(random.Random(chance.random()),)) for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    eventually(lambda: inside.snapshots.waiting_count() == 0)
    eventually(lambda: all(share.used_bytes == 0 for _, share in server.budget.shares))
    assert statuses(ask(server, get("/healthz", "Connection: close"))) == [200]
