"""Work that takes long is bounded, dropped with its client, and in nobody else's way."""

from __future__ import annotations

import select
import socket
import threading
import time
from concurrent.futures import Future

import pytest

from provisioner.faces.http import gate
from provisioner.faces.http.server import HttpServer
from tests.builders import MACS, TWO
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
from tests.services.parts import FIRST

pytestmark = pytest.mark.network

LIST = get("/v1/workflows", "Connection: close")
REPORTS = f"/v1/workflows/{FIRST}/reports"
DATA = f"/v1/workflows/{FIRST}/data?worker=x&action_index=0&attempt=1&report_id=x"
END_SECONDS = 5.0


class SlowLists:
    """Lists of workflows that take until they are released, or nobody wants them any more."""

    def __init__(self, read):
        self._read = read
        self.begun = 0
        self.released = threading.Event()

    def __call__(self, entries):
        self.begun += 1
        known = tuple(entries)
        while not self.released.wait(0.01):
            yield from self._read(known)


@pytest.fixture
def lists(inside, monkeypatch):
    slow = SlowLists(inside.writer.read_summaries)
    monkeypatch.setattr(inside.writer, "read_summaries", slow)
    yield slow
    slow.released.set()


@pytest.fixture
def server(inside, lists):
    opened = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    yield opened
    opened.close()


def ask_for_lists(server, count):
    asked = [connect(server) for _ in range(count)]
    for each in asked:
        each.sendall(LIST)
    return asked


def test_lists_of_clients_that_have_gone_are_not_made(server, lists):
    asked = ask_for_lists(server, 20)
    eventually(lambda: lists.begun == 1)
    for each in asked[1:]:
        each.close()
    time.sleep(0.2)  # until the server has heard of it
    lists.released.set()
    assert statuses(until_closed(asked[0])) == [200]
    asked[0].close()
    assert statuses(ask(server, LIST)) == [200]
    assert lists.begun < 5


def test_a_list_whose_client_goes_is_given_up(server, lists):
    asked = ask_for_lists(server, 1)
    eventually(lambda: lists.begun == 1)
    asked[0].close()
    [again] = ask_for_lists(server, 1)
    eventually(lambda: lists.begun == 2)
    lists.released.set()
    assert statuses(until_closed(again)) == [200]
    again.close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/version"])
def test_a_probe_never_waits_behind_reads(server, lists, path, method):
    asked = ask_for_lists(server, gate.LISTS[1] + 8)
    assert statuses(ask(server, get(path, "Connection: close", method=method))) == [200]
    state = get(f"/v1/workflows/{FIRST}/state", "Connection: close")
    assert statuses(ask(server, state)) == [200]  # nor a read of one behind lists of all
    for each in asked:
        each.close()


def test_more_lists_than_may_wait_are_answered_not_now(server, lists):
    asked = ask_for_lists(server, gate.LISTS[0] + gate.LISTS[1] + 4)
    refused: list[socket.socket] = []  # whichever the server read last
    while len(refused) < 4:
        answered, _, _ = select.select([each for each in asked if each not in refused], [], [], 20)
        assert answered
        refused += answered
    assert len(refused) == 4
    for each in refused:
        answer = until_closed(each)
        assert statuses(answer) == [503] and b"retry-after: " in answer
    lists.released.set()
    for each in (each for each in asked if each not in refused):
        assert statuses(until_closed(each)) == [200]
    for each in asked:
        each.close()


def test_a_push_whose_client_has_gone_keeps_no_body(inside, server, monkeypatch):
    waiting = []

    def hold(workflow, push, unpack):
        waiting.append((Future(), unpack))
        return waiting[-1][0]

    monkeypatch.setattr(inside.provisioner.reports, "push", hold)
    with connect(server) as opened:
        opened.sendall(post(DATA, bytes(100_000), method="PUT"))
        eventually(lambda: waiting)
    [(future, unpack)] = waiting
    eventually(future.cancelled)
    eventually(lambda: server.budget.requests.used_bytes == 0)
    with pytest.raises(IndexError):
        unpack()  # there is nothing left to read


def test_it_ends_soon_whatever_is_queued_connected_or_stalled(server, lists):
    stalled = [
        get(f"/v1/workers/{MACS[TWO]}/action?wait=60"),
        LIST,
        get("/v1/workflows") * 8,
        post(REPORTS, b"x" * 100)[:-1],
        chunked(DATA, method="PUT") + b"FFFFFF\r\n" + b"x" * 200_000,
        get(f"/v1/workers/{MACS[TWO]}/action?wait=60") + post(REPORTS, b"x" * 400_000) * 2,
        b"GET / HTTP/1.1\r\nX: ",
        b"",
    ]
    opened = []
    for request in stalled * 10:
        opened.append(connect(server))
        send_what_goes(opened[-1], request, seconds=0.05)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.connect(("127.0.0.1", server.port))
    send_what_goes(deaf, get("/metrics") * 4_000, seconds=0.2)
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < END_SECONDS
    for each in (*opened, deaf):
        each.close()
