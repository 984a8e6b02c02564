"""HTTP itself, byte for byte, over real connections: order, limits, ends."""

from __future__ import annotations

import json
import re
import select
import socket
from contextlib import suppress

import pytest

from provisioner.faces.http import connection as connections
from provisioner.faces.http import intake
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

OFFER = f"/v1/workers/{MACS[ONE]}/action"
NOTHING = f"/v1/workers/{MACS[TWO]}/action"
REPORTS = f"/v1/workflows/{FIRST}/reports"


@pytest.fixture
def server(inside):
    opened = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    yield opened
    opened.close()


@pytest.fixture
def raw(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as opened:
        yield opened


def test_requests_that_come_at_once_are_answered_in_their_order(raw):
    raw.sendall(
        get(NOTHING + "?wait=0.3")
        + get("/healthz")
        + get(OFFER)
        + get(NOTHING, "Connection: close")
    )
    assert statuses(until_closed(raw)) == [204, 200, 200, 204]


def test_more_requests_than_are_kept_waiting_are_all_answered(raw):
    count = 2_000
    raw.sendall(
        get(NOTHING + "?wait=0.2") + get(OFFER) * count + get("/healthz", "Connection: close")
    )
    assert statuses(until_closed(raw)) == [204, *[200] * (count + 1)]


def test_a_request_in_single_bytes_is_a_request(raw):
    for octet in post(REPORTS, b"nonsense", "Connection: close"):
        raw.sendall(bytes([octet]))
    assert statuses(until_closed(raw)) == [400]


def test_answers_carry_a_date_and_a_length(raw):
    raw.sendall(get("/healthz", "Connection: close"))
    answer = until_closed(raw).decode()
    assert re.search(r"\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer)
    head, _, body = answer.partition("\r\n\r\n")
    assert f"content-length: {len(body)}" in head and "connection: close" in head


def test_what_has_no_content_has_no_length(raw):
    raw.sendall(get(NOTHING, "Connection: close"))
    assert b"content-length" not in until_closed(raw)


def test_the_old_protocol_gets_one_answer(raw):
    raw.sendall(get("/healthz", version="1.0"))
    assert statuses(until_closed(raw)) == [200]


def test_only_the_head_is_answered_where_only_that_is_asked(raw):
    raw.sendall(get("/version", "Connection: close", method="HEAD"))
    head, _, body = until_closed(raw).partition(b"\r\n\r\n")
    assert statuses(head) == [200] and body == b""


def test_who_asks_before_sending_is_told_to_go_on(raw):
    body = wire.encode(told(0, State.RUNNING))
    request = post(REPORTS, body, "Expect: 100-continue", "Connection: close")
    raw.sendall(request[: -len(body)])
    assert raw.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.sendall(body)
    assert statuses(until_closed(raw)) == [200]


def test_who_asks_before_sending_too_much_is_not(raw):
    raw.sendall(get(REPORTS, "Content-Length: 99999999", "Expect: 100-continue", method="POST"))
    assert statuses(until_closed(raw)) == [413]


def test_another_protocol_is_not_spoken_but_the_request_is_answered(raw):
    raw.sendall(get("/healthz", "Connection: Upgrade", "Upgrade: h2c") + b"PRI * HTTP/2.0")
    assert statuses(until_closed(raw)) == [200]


def test_the_full_address_of_a_path_is_understood(raw):
    raw.sendall(get(f"http://x{OFFER}", "Connection: close"))
    assert statuses(until_closed(raw)) == [200]


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("/", f"X: {'x' * 40_000}"),
        f"GET /{'x' * 40_000} HTTP/1.1\r\n".encode(),
        get("/", *(f"X-{number}: x" for number in range(200))),
    ],
    ids=["a header", "a path", "many headers"],
)
def test_a_head_without_end_is_refused(raw, request_bytes):
    raw.sendall(request_bytes)
    assert statuses(until_closed(raw)) == [431]


def test_a_head_that_never_ends_is_refused_while_it_comes(raw):
    raw.sendall(b"GET / HTTP/1.1\r\n")
    for _ in range(8):
        raw.sendall(b"X: " + b"x" * 10_000 + b"\r\n")
    assert statuses(until_closed(raw)) == [431]


def test_two_lengths_are_refused(raw):
    raw.sendall(get(REPORTS, "Content-Length: 5", "Content-Length: 6", method="POST") + b"hello")
    assert statuses(until_closed(raw)) == [400]


def test_a_length_and_chunks_at_once_are_refused(raw):
    headers = ("Content-Length: 5", "Transfer-Encoding: chunked")
    raw.sendall(get(REPORTS, *headers, method="POST") + b"0\r\n\r\n")
    assert statuses(until_closed(raw)) == [400]


WITHOUT_HOST = b"GET /healthz HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (WITHOUT_HOST, 400),
        (get("/healthz", "Host: x"), 400),
        (get("/healthz", "Host: y", version="1.0"), 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
        (b"GET http://x/healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_a_request_has_one_host_and_only_the_old_protocol_may_lack_it(
    server, request_bytes, status
):
    assert statuses(ask(server, request_bytes)) == [status]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get(REPORTS, "Transfer-Encoding: gzip, chunked", method="POST"), 501),
        (get(REPORTS, "Transfer-Encoding: identity", method="POST"), 501),
        (chunked(REPORTS, "Transfer-Encoding: chunked"), 400),
        (get(REPORTS, "Transfer-Encoding: chunked", method="POST", version="1.0"), 400),
        (get(REPORTS, "Content-Length: 2, 2", method="POST") + b"{}", 400),
        (get(REPORTS, "Content-Length: +2", method="POST") + b"{}", 400),
        (get(REPORTS, f"Content-Length: {'9' * 30}", method="POST"), 400),
        (chunked(REPORTS) + b"FFFFFFFFFFFFFFFFF\r\n", 400),
        (chunked(REPORTS) + b"-1\r\n", 400),
        (chunked(REPORTS) + b"7FFFFFFF\r\n" + b"x" * 500_000, 413),
        (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
        (get("/healthz", "X: a\0b"), 400),
        (get("/healthz", "X: a\r\n b"), 400),
        (get("/healthz", version="2.0"), 505),
        (get("/healthz", version="0.9"), 505),
    ],
)
def test_what_two_programs_could_read_in_two_ways_is_refused(server, request_bytes, status):
    assert statuses(ask(server, request_bytes)) == [status]


def test_a_body_in_chunks_of_one_byte_is_a_body(server):
    body = wire.encode(told(0, State.RUNNING, log_tail="x" * 20_000))
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in body) + b"0\r\n\r\n"
    answer = ask(server, chunked(REPORTS, "Connection: close") + chunks)
    assert statuses(answer) == [200]


def test_trailers_are_passed_over(server):
    body = wire.encode(told(0, State.RUNNING))
    request = chunked(REPORTS, "Connection: close") + b"%x;a=b\r\n" % len(body) + body
    answer = ask(server, request + b"\r\n0\r\nA: b\r\nHost: y\r\n\r\n")
    assert statuses(answer) == [200]


@pytest.mark.parametrize(
    ("begun", "filler"),
    [
        (chunked(REPORTS) + b"0\r\n", b"a:\r\n"),
        (chunked(REPORTS) + b"0\r\n", b"a: " + b"x" * 1_000 + b"\r\n"),
        (chunked(REPORTS) + b"0\r\na: ", b"x"),
        (chunked(REPORTS) + b"0\r\n", b"a"),
        (chunked(REPORTS) + b"1;", b"x"),
        (chunked(REPORTS) + b"1\r\nx\r\n2;a=", b"x"),
        (b"GET / HTTP/1.1\r\n", b"a:\r\n"),
        (b"GET / HTTP/1.1\r\nX: ", b"x"),
        (b"GET /", b"x"),
    ],
)
def test_what_has_no_end_is_refused_when_it_has_been_long_enough(server, begun, filler):
    with connect(server) as opened:
        opened.sendall(begun)
        send_what_goes(opened, filler * (100_000 // len(filler)))
        opened.settimeout(20)
        assert statuses(until_closed(opened)) in ([431], [400])
    eventually(lambda: server.budget.requests.used_bytes == 0)


def test_a_word_to_go_on_does_not_come_before_the_answer_that_is_due(raw):
    body = wire.encode(told(0, State.RUNNING))
    request = post(REPORTS, body, "Expect: 100-continue", "Connection: close")
    raw.sendall(get(NOTHING + "?wait=0.3") + request[: -len(body)])
    assert statuses(raw.recv(1_000)) in ([204], [204, 100])
    raw.sendall(body)
    assert statuses(until_closed(raw))[-1] == 200


def test_what_is_answered_before_nonsense_came_is_answered(raw):
    raw.sendall(get(NOTHING + "?wait=0.2") + b"\x16\x03\x01 nonsense\r\n\r\n")
    assert statuses(until_closed(raw)) == [204]


@pytest.mark.parametrize(
    ("begun", "limit"),
    [
        (b"", (connections, "KEEP_ALIVE_SECONDS")),
        (b"GET /healthz HTT", (intake, "HEAD_SECONDS")),
    ],
)
def test_a_client_that_says_nothing_or_half_a_head_is_disconnected(
    inside, monkeypatch, begun, limit
):
    for module, name in ((connections, "KEEP_ALIVE_SECONDS"), (intake, "HEAD_SECONDS")):
        monkeypatch.setattr(module, name, 0.05 if (module, name) == limit else 600.0)
    server = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as opened:
        opened.sendall(begun)
        with suppress(ConnectionResetError):
            assert opened.recv(10) == b""
    server.close()


def test_a_waiting_poll_is_no_client_that_says_nothing(inside, monkeypatch):
    monkeypatch.setattr(connections, "KEEP_ALIVE_SECONDS", 0.05)
    server = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as opened:
        opened.sendall(get(NOTHING + "?wait=2.5", "Connection: close"))
        assert statuses(until_closed(opened)) == [204]
    server.close()


def test_a_fault_of_ours_is_told_and_the_connection_goes_on(inside, raw, monkeypatch, caplog):
    monkeypatch.setattr(inside.provisioner.reports, "report", None)
    raw.sendall(post(REPORTS, wire.encode(told(0, State.RUNNING))))
    assert statuses(raw.recv(10_000)) == [500]
    raw.sendall(get(OFFER, "Connection: close"))
    answer = until_closed(raw)
    assert statuses(answer) == [200]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["action_index"] == 0


def test_what_comes_after_the_last_request_does_not_cost_its_answer(server):
    """A closed socket answers what still comes with a reset, and what was not read yet is lost."""
    with connect(server) as opened:
        opened.sendall(get("/healthz", "Connection: close"))
        select.select([opened], [], [], 20)  # the answer is here, unread
        for _ in range(2):
            opened.sendall(get(OFFER) * 100)
        assert statuses(until_closed(opened)) == [200]
