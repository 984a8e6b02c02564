"""The gate, over real HTTP: who waits holds no thread, and nothing is left behind."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioner.errors import Unavailable
from provisioner.faces.http.budget import Budget
from provisioner.faces.http.server import HttpServer
from provisioner.faces.http.worker_views import REPORT_LIMIT_BYTES
from provisioner.model.event import WorkflowDeleted
from provisioner.model.state import State
from tests.builders import COMMIT, MACS, ONE, TWO, report
from tests.services.parts import FIRST, told
from worker import wire

pytestmark = pytest.mark.network

RUNNING, SUCCESS = State.RUNNING, State.SUCCESS
REPORTS = f"/v1/workflows/{FIRST}/reports"
DATA = f"/v1/workflows/{FIRST}/data"


@pytest.fixture
def server(inside):
    opened = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    yield opened
    opened.close()


class Client:
    """One connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def send(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body=body, headers=headers or {})

    def answer(self):
        response = self.connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())

    def ask(self, *words, **more):
        self.send(*words, **more)
        return self.answer()

    def close(self):
        self.connection.close()


@pytest.fixture
def client(server):
    opened = Client(server)
    yield opened
    opened.close()


def eventually(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true in five seconds")


def poll(worker, wait=30):
    return f"/v1/workers/{worker}/action?wait={wait}"


def test_the_short_way_answers_as_flask_does(inside, server, client):
    from provisioner.faces.http.app import create_app

    flask = create_app(inside.provisioner).test_client()
    paths = [
        f"/v1/workers/{MACS[ONE]}/action",
        f"/v1/workers/{MACS[TWO]}/action",
        "/v1/workers/nonsense/action",
        "/v1/workers/08%3A00%3A27%3A00%3A00%3A01/action",
        f"/v1/workers/{MACS[ONE]}/action?wait=x",
        f"{DATA}?worker={MACS[ONE]}",
        DATA,
        "/v1/workflows/nothing/data?worker=x",
        "/healthz",
        "/version",
        "/v1/hardware",
        f"/v1/workflows/{FIRST}/state",
        "/v1/workers//action",
        "/nothing",
    ]
    for path in paths:
        expected = flask.get(path)
        status, body, headers = client.ask("GET", path)
        assert (path, status, body) == (path, expected.status_code, expected.data)
        assert headers.get("content-type") == expected.content_type, path


def test_a_report_is_answered_when_its_group_is_durable_and_holds_no_thread(inside, server):
    inside.held = []
    clients = [Client(server) for _ in range(50)]
    threads = threading.active_count()
    for number, each in enumerate(clients):
        each.send("POST", REPORTS, body=wire.encode(told(0, RUNNING, report_id=f"r{number}")))
    eventually(lambda: len(inside.held) == len(clients))
    assert threading.active_count() == threads
    inside.release()
    statuses = sorted(each.answer()[0] for each in clients)
    assert statuses == [200] + [409] * 49
    for each in clients:
        each.close()


def test_many_long_polls_hold_no_thread_and_others_are_answered_meanwhile(inside, server, client):
    waiting = [Client(server) for _ in range(200)]
    for number, each in enumerate(waiting):
        each.send("GET", poll(f"52:54:00:00:00:{number:02x}"))
    eventually(lambda: inside.snapshots.waiting_count() == len(waiting))
    assert threading.active_count() < 20
    assert client.ask("GET", "/healthz")[0] == 200
    assert client.ask("GET", f"/v1/workers/{MACS[ONE]}/action")[0] == 200
    for each in waiting:
        each.close()
    eventually(lambda: inside.snapshots.waiting_count() == 0)


def test_a_waiting_worker_is_woken_by_its_turn_and_only_it(inside, server):
    worker, other = Client(server), Client(server)
    worker.send("GET", poll(MACS[TWO]))
    other.send("GET", poll("52:54:00:00:00:07", wait=1))
    eventually(lambda: inside.snapshots.waiting_count() == 2)
    inside.apply(*(report(0, each, workflow=FIRST) for each in (RUNNING, SUCCESS)))
    status, body, _ = worker.answer()
    assert (status, wire.decode(wire.Offer, body).action_index) == (200, 1)
    assert other.answer()[0] == 204
    assert inside.snapshots.waiting_count() == 0
    worker.close()
    other.close()


def test_a_long_poll_without_work_ends_after_its_time(client):
    assert client.ask("GET", poll(MACS[TWO], wait=0.2))[:2] == (204, b"")


def test_a_connection_serves_many_requests(client):
    for _ in range(3):
        assert client.ask("GET", poll(MACS[TWO], wait=0.05))[0] == 204
        assert client.ask("POST", REPORTS, body=b"nonsense")[0] == 400
        assert client.ask("GET", "/v1/templates")[0] == 200


def test_a_wait_ends_also_when_its_timer_rings_a_little_early(client):
    for number in range(40):  # uvloop's timers count whole milliseconds: about half ring early
        seconds = 0.0101 + number / 10_000
        assert client.ask("GET", poll(MACS[TWO], wait=seconds))[0] == 204


def test_closing_answers_those_who_wait(inside, server):
    waiting = [Client(server) for _ in range(20)]
    for each in waiting:
        each.send("GET", poll(MACS[TWO]))
    eventually(lambda: inside.snapshots.waiting_count() == len(waiting))
    closing = threading.Thread(target=server.close)
    closing.start()
    assert {each.answer()[0] for each in waiting} == {204}
    closing.join()
    for each in waiting:
        each.close()


def test_closing_waits_for_reports_under_way(inside, server):
    inside.held = []
    client = Client(server)
    client.send("POST", REPORTS, body=wire.encode(told(0, RUNNING)))
    eventually(lambda: len(inside.held) == 1)
    closing = threading.Thread(target=server.close)
    closing.start()
    inside.release()
    assert client.answer()[0] == 200
    closing.join()
    client.close()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_its_limit_is_refused_without_being_read(client, is_chunked):
    chunk = b"x" * 65_536
    count = REPORT_LIMIT_BYTES // len(chunk) + 2
    if is_chunked:
        client.connection.request("POST", REPORTS, body=iter([chunk] * count), encode_chunked=True,
                                  headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        status, body, _ = client.answer()
    else:
        status, body, _ = client.ask(
            "POST", REPORTS, body=b"", headers={"Content-Length": "9" * 12}
        )
    assert status == 413
    assert json.loads(body)["error"]["code"] == "too-large"


def test_data_goes_through_whole(client):
    client.ask("POST", REPORTS, body=wire.encode(told(0, RUNNING)))
    archive = wire.pack([wire.ArchivedFile(path="big", content=bytes(range(256)) * 40_000)])
    path = f"{DATA}?worker={MACS[ONE]}&action_index=0&attempt=1&report_id=p"
    status, body, _ = client.ask("PUT", path, body=archive)
    assert status == 200
    assert json.loads(body)["sha256"] == wire.sha256(archive)
    status, body, headers = client.ask("GET", f"{DATA}?worker={MACS[TWO]}")
    assert (status, body) == (200, archive)
    assert headers["tink-data-version"] == "1"


def test_many_large_pushes_wait_for_one_another_and_all_get_through(inside):
    server = HttpServer(
        inside.provisioner, host="127.0.0.1", port=0, budget=Budget(bodies_bytes=5_000_000)
    )
    pushing = [Client(server) for _ in range(12)]
    pushing[0].ask("POST", REPORTS, body=wire.encode(told(0, RUNNING)))
    with ThreadPoolExecutor(len(pushing)) as threads:
        statuses = threads.map(_push_two_megabytes, pushing, range(len(pushing)))
        assert set(statuses) == {200}
    assert pushing[0].ask("GET", f"{DATA}?worker={MACS[ONE]}")[0] == 200
    for each in pushing:
        each.close()
    server.close()
    assert server.budget.bodies.used_bytes == 0


def _push_two_megabytes(client, number):
    archive = wire.pack([wire.ArchivedFile(path="a", content=bytes([number]) * 2_000_000)])
    query = f"worker={MACS[ONE]}&action_index=0&attempt=1&report_id=p{number}"
    status = client.ask("PUT", f"{DATA}?{query}", body=archive)[0]
    assert client.ask("GET", "/healthz")[0] == 200  # the connection is heard again
    return status


def test_a_client_that_goes_away_in_mid_body_harms_nobody(server, client):
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(
            f"POST {REPORTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf".encode()
        )
    assert client.ask("GET", "/healthz")[0] == 200


def test_what_is_no_http_is_refused(server, client):
    with socket.create_connection(("127.0.0.1", server.port)) as odd:
        odd.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert odd.recv(100).startswith(b"HTTP/1.1 400")
    assert client.ask("GET", "/healthz")[0] == 200


def test_an_unwritable_branch_is_told_as_not_now(inside, client):
    inside.propose = lambda proposal: inside.writer.propose(_full)
    status, body, headers = client.ask("POST", REPORTS, body=wire.encode(told(0, RUNNING)))
    assert status == 503
    assert json.loads(body)["error"]["code"] == "unavailable"
    assert headers["retry-after"] == "2"


def _full(view):
    raise Unavailable("no space left on device")


def test_a_taken_port_is_told(inside, server):
    with pytest.raises(Unavailable, match="can't listen on"):
        HttpServer(inside.provisioner, host="127.0.0.1", port=server.port)


def test_a_deleted_workflow_tells_its_worker_to_stop(inside, client):
    client.ask("POST", REPORTS, body=wire.encode(told(0, RUNNING)))
    inside.apply(WorkflowDeleted(workflow_id=FIRST, at="", desired_commit=COMMIT, message=""))
    beat = wire.encode(wire.Heartbeat(worker=MACS[ONE], action_index=0, attempt=1))
    _, body, _ = client.ask("POST", f"/v1/workflows/{FIRST}/heartbeat", body=beat)
    assert wire.decode(wire.HeartbeatAnswer, body).cancel
