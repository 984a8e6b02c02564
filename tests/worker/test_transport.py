"""Which answers are final, which are repeated, and what ends a wait?"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.worker.fake_server import WORKER, FakeServer, Refusal, an_action
from worker import wire
from worker.action import Leaving
from worker.transport import ServerApi, ServerRefused, ServerUnreachable
from worker.wire import ArchivedFile, Heartbeat, Report

pytestmark = pytest.mark.network


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def api(server: FakeServer, stop: threading.Event) -> Iterator[ServerApi]:
    made = ServerApi(server.url, stop=stop, first_pause_seconds=0.01, pause_limit_seconds=0.02)
    yield made
    made.close()


def a_report(status: str = "STATE_RUNNING", what: str = "start") -> Report:
    return Report(
        report_id=what,
        worker=WORKER,
        task_name="task",
        action_name="hello",
        action_index=0,
        attempt=1,
        action_status=status,
    )


def refuse(server: FakeServer, *statuses: int) -> None:
    left = list(statuses)

    def before(method: str, path: str) -> None:
        if left:
            raise Refusal(left.pop(0), "the reason")

    server.before = before


def test_a_machine_without_work_is_offered_nothing(server, api):
    assert api.poll(WORKER, 0) is None


def test_an_ip_address_of_version_6_and_any_id_can_ask(server, api):
    for name in ("fd77::1", "08-00-27-00-00-01", "a/b?c#d"):
        assert api.poll(name, 0) is None
    assert "/v1/workers/a%2Fb%3Fc%23d/action" in server.requests[-1]


def test_work_that_comes_ends_a_long_poll(server, api):
    threading.Timer(0.1, server.add, [an_action()]).start()
    offer = api.poll(WORKER, 30)
    assert offer is not None
    assert offer.action_name == "hello"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_is_final_and_carries_the_servers_words(server, api, status):
    workflow = server.add(an_action())
    refuse(server, status)
    with pytest.raises(ServerRefused, match="the reason") as told:
        api.report(workflow.id, a_report())
    assert told.value.status == status
    assert len(server.requests) == 1


def test_a_report_is_repeated_until_it_is_answered(server, api):
    workflow = server.add(an_action())
    refuse(server, 500, 502, 503, 408, 425, 429, 302)
    acknowledged = api.report(workflow.id, a_report())
    assert acknowledged.workflow_state == "STATE_RUNNING"
    assert len(server.requests) == 8


def test_a_report_waits_for_a_server_that_is_gone(server, api):
    workflow = server.add(an_action())
    server.go_away()
    threading.Timer(0.3, server.come_back).start()
    assert api.report(workflow.id, a_report()).event == 1


def test_a_wait_for_the_server_ends_when_the_worker_leaves(server, api, stop):
    server.go_away()
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Leaving):
        api.report("w", a_report())


def test_a_heartbeat_is_asked_once(server, api):
    workflow = server.add(an_action())
    refuse(server, 503)
    with pytest.raises(ServerUnreachable, match="HTTP 503: the reason"):
        api.heartbeat(workflow.id, Heartbeat(worker=WORKER, action_index=0, attempt=1))
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_told_plainly(server, api):
    server.go_away()
    with pytest.raises(ServerUnreachable, match="Connection refused"):
        api.poll(WORKER, 0)


def test_an_answer_that_is_no_message_means_try_again(server, api, monkeypatch):
    monkeypatch.setattr(
        server, "due", lambda worker: Heartbeat(worker="w", action_index=0, attempt=0)
    )
    with pytest.raises(ServerUnreachable, match="unexpected answer"):
        api.poll(WORKER, 0)


def test_data_goes_there_and_comes_back_the_same(server, api):
    workflow = server.add(an_action())
    api.report(workflow.id, a_report())
    assert api.fetch_data(workflow.id, WORKER) is None
    archive = wire.pack((ArchivedFile(path="a", content=b"\0\xff"),))
    for _ in range(2):  # told twice counts once
        answer = api.push_data(
            workflow.id, WORKER, archive, action_index=0, attempt=1, report_id="d"
        )
        assert answer.version == 1
    fetched = api.fetch_data(workflow.id, WORKER)
    assert fetched is not None
    assert (fetched.content, fetched.version) == (archive, 1)


def test_data_that_arrives_damaged_is_fetched_again(server, api, monkeypatch):
    workflow = server.add(an_action())
    workflow.archives.append(wire.pack((ArchivedFile(path="a", content=b"1"),)))
    sums = iter(["0" * 64])
    honest = wire.sha256
    monkeypatch.setattr(
        "tests.worker.fake_server.wire.sha256", lambda body: next(sums, honest(body))
    )
    # The fake server and the worker share the module: the first sum is the header's.
    assert api.fetch_data(workflow.id, WORKER) is not None
    assert len(server.requests) == 2
