"""Random requests in random pieces, against a strict model of what has to come back."""

from __future__ import annotations

import itertools
import socket
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.faces.http.server import HttpServer
from provisioner.model.state import State
from tests.builders import MACS, ONE, TWO
from tests.faces.conftest import Inside
from tests.faces.raw_http import chunked, connect, get, post, until_closed
from tests.services.parts import FIRST, told
from worker import wire

pytestmark = pytest.mark.network

OFFER = f"/v1/workers/{MACS[ONE]}/action"
NOTHING = f"/v1/workers/{MACS[TWO]}/action"
REPORTS = f"/v1/workflows/{FIRST}/reports"
RUNNING = wire.encode(told(0, State.RUNNING))
CLOSE = "Connection: close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request, and the answer that it gets: its status, and whether a body follows the head."""

    content: bytes
    status: int
    has_body: bool = True
    is_last: bool = False


def _in_chunks(body: bytes, sizes: list[int], trailer: bytes) -> bytes:
    parts, at = [], 0
    for size in sizes:
        piece = body[at : at + size]
        at += size
        if piece:
            parts.append(b"%x\r\n%s\r\n" % (len(piece), piece))
    rest = body[at:]
    parts += [b"%X;note=x\r\n%s\r\n" % (len(rest), rest)] * bool(rest)
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


BODIES = st.one_of(
    st.just((RUNNING, 200)),  # the same report again and again
    st.binary(min_size=1, max_size=300).map(lambda noise: (b"{" + noise, 400)),
)
HEADERS = st.lists(
    st.sampled_from(["X: y", "Accept: */*", "Cookie: " + "c" * 500, "X-Empty:"]), max_size=3
)


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    headers = draw(HEADERS)
    kind = draw(st.sampled_from(["get", "head", "post", "chunked", "method", "old"]))
    if kind == "post":
        body, status = draw(BODIES)
        return Sent(content=post(REPORTS, body, *headers), status=status)
    if kind == "chunked":
        body, status = draw(BODIES)
        sizes = draw(st.lists(st.integers(1, 60), max_size=6))
        trailer = draw(st.sampled_from([b"", b"X-Trailer: y\r\n"]))
        content = chunked(REPORTS, *headers) + _in_chunks(body, sizes, trailer)
        return Sent(content=content, status=status)
    if kind == "head":
        return Sent(content=get("/version", *headers, method="HEAD"), status=200, has_body=False)
    if kind == "method":
        return Sent(content=get("/healthz", *headers, method="DELETE"), status=405)
    if kind == "old":
        content = get("/healthz", *headers, version="1.0")
        return Sent(content=content, status=200, is_last=True)
    path, status = draw(
        st.sampled_from(
            [("/healthz", 200), (OFFER, 200), (NOTHING, 204), ("/no/such", 404), ("/%2e%2e", 404)]
        )
    )
    content = get(path, *headers)
    return Sent(content=content, status=status, has_body=status != 204)


LAST = Sent(content=get("/healthz", CLOSE), status=200, is_last=True)
# None of these is a request, whatever follows; a server must not guess where the next one begins.
MALFORMED = (
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",  # no host
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n Folded: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
)


def answers(received: bytes, asked: list[Sent]) -> list[tuple[int, bool]]:
    """Read answers by the book: each has a head, and a body exactly as long as it says."""
    found = []
    at = 0
    while at < len(received):
        assert received.startswith(b"HTTP/1.1 ", at), received[at : at + 80]
        end = received.index(b"\r\n\r\n", at) + 4
        lines = received[at:end].split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
        assert len(fields) == len([line for line in lines[1:] if line])  # none stands twice
        status = int(lines[0].split()[1])
        is_bare = len(found) < len(asked) and not asked[len(found)].has_body
        length = 0 if is_bare else int(fields.get(b"content-length", 0))
        at = end + length
        assert at <= len(received)
        found.append((status, fields.get(b"connection") == b"close"))
    return found


@pytest.fixture(scope="module")
def server():
    inside = Inside()
    opened = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    yield opened
    opened.close()
    inside.threads.shutdown()


def talk(server, content: bytes, cuts: list[int]) -> bytes:
    """Send in pieces, each of them a packet of its own as far as the system lets us."""
    with connect(server) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
        for start, end in itertools.pairwise(places):
            try:
                opened.sendall(content[start:end])
            except OSError:
                break  # it has its answer, and hears no more
        return until_closed(opened)


@given(
    st.lists(requests(), max_size=12),
    st.lists(st.integers(0, 6_000), max_size=20),
)
@example([LAST, LAST], [1, 2, 3])
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_request_gets_its_answer_in_turn(server, sent, cuts):
    asked = [*sent, LAST]
    last = next(place for place, each in enumerate(asked) if each.is_last)
    received = talk(server, b"".join(each.content for each in asked), cuts)
    wanted = [(each.status, each.is_last) for each in asked[: last + 1]]
    assert answers(received, asked) == wanted


@given(
    st.lists(requests().filter(lambda each: not each.is_last), max_size=6),
    st.sampled_from(MALFORMED),
    st.binary(max_size=200),
    st.lists(st.integers(0, 3_000), max_size=20),
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_no_request_is_refused_once_and_ends_the_connection(
    server, sent, malformed, more, cuts
):
    content = b"".join(each.content for each in sent) + malformed + more + LAST.content
    found = answers(talk(server, content, cuts), sent)
    assert [status for status, _ in found[: len(sent)]] == [each.status for each in sent]
    # Where it came before all others were answered, the last of their answers says the end.
    assert [status for status, _ in found[len(sent) :]] in ([400], [501], [])
    assert [is_closed for _, is_closed in found] == [False] * (len(found) - 1) + [True]
    assert answers(talk(server, LAST.content, []), [LAST]) == [(200, True)]


@given(st.binary(max_size=2_000), st.lists(st.integers(0, 2_000), max_size=10))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_bytes_at_all_do_the_server_harm(server, noise, cuts):
    talk_and_leave(server, noise, cuts)
    assert answers(talk(server, LAST.content, []), [LAST]) == [(200, True)]


def talk_and_leave(server, content: bytes, cuts: list[int]) -> None:
    with connect(server) as opened:
        places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
        for start, end in itertools.pairwise(places):
            try:
                opened.sendall(content[start:end])
            except OSError:
                return
