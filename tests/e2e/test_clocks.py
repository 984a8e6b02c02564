"""Somebody sets the server's clock, or stops the server: who lives goes on, who is dead ends."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.site import Site, action, mac, template
from tests.faketime import FakeClock
from worker import wire

pytestmark = [pytest.mark.kill, pytest.mark.timeout(120)]

TIMEOUT, GRACE, GLOBAL_TIMEOUT = 3, 4, 100
ALIVE, OFF, DEAD = 1, 2, 3
IDS = {number: f"a8984b09-566d-47ba-b6c5-fbe482d8ad0{number}" for number in (ALIVE, OFF, DEAD)}


class Machine:
    """Reports and lives without running anything."""

    def __init__(self, site: Site, number: int, workflow: str) -> None:
        self.site, self.number, self.workflow = site, number, workflow
        self.is_alive = threading.Event()
        self.is_gone = threading.Event()
        self.thread = threading.Thread(target=self._beat)
        self.thread.start()

    def report(self, index: int, status: str) -> int:
        report = wire.Report(
            report_id=wire.report_id(self.workflow, index, 1, status),
            worker=mac(self.number),
            task_name="task-0",
            action_name=f"a{index}",
            action_index=index,
            attempt=1,
            action_status=f"STATE_{status}",
        )
        return self._post("reports", wire.encode(report))

    def _beat(self) -> None:
        heartbeat = wire.Heartbeat(worker=mac(self.number), action_index=0, attempt=1)
        while not self.is_gone.wait(0.5):
            if self.is_alive.is_set():
                try:
                    self._post("heartbeat", wire.encode(heartbeat))
                except OSError:
                    continue  # the server is gone; ask again

    def _post(self, what: str, body: bytes) -> int:
        host, port = self.site.address.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            path = f"/v1/workflows/{self.workflow}/{what}"
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


class Fleet:
    """A server with a clock of its own, and three machines of which one never comes."""

    def __init__(self, site: Site, clock: FakeClock) -> None:
        self.site, self.clock = site, clock
        site.environment = clock.environment
        self.serve()
        for workflow in IDS.values():
            site.await_state(workflow, "STATE_PENDING")
        self.machines = {number: Machine(site, number, IDS[number]) for number in (ALIVE, DEAD)}
        for machine in self.machines.values():
            assert machine.report(0, "RUNNING") == 200
        self.machines[ALIVE].is_alive.set()

    def serve(self) -> None:
        self.site.serve("--grace", str(GRACE))

    def states(self) -> list[str]:
        found = [self.site.state_or_none(IDS[number]) for number in (ALIVE, OFF, DEAD)]
        return [str(each).removeprefix("STATE_") for each in found]

    def check_outcome(self) -> None:
        """The dead machine's workflow ends after what it had; nothing else does."""
        self.site.await_state(IDS[DEAD], "STATE_TIMEOUT")
        assert self.states() == ["RUNNING", "PENDING", "TIMEOUT"]
        waited = json.loads(self.site.tink("workflow", "events", IDS[DEAD], "-o", "json"))
        assert TIMEOUT + GRACE <= waited[-1]["seconds"] < TIMEOUT + GRACE + 10
        alive = self.machines[ALIVE]
        assert [alive.report(0, "SUCCESS"), alive.report(1, "RUNNING")] == [200, 200]
        assert alive.report(1, "SUCCESS") == 200
        assert self.machines[DEAD].report(0, "SUCCESS") == 409
        assert self.states() == ["SUCCESS", "PENDING", "TIMEOUT"]


def request(number: int) -> str:
    devices = json.dumps({"device_1": mac(number)})
    return f"id: {IDS[number]}\ntemplate: t\nhardware: {devices}\n"


@pytest.fixture
def fleet(place: Site) -> Iterator[Fleet]:
    actions = [action(f"a{number}", "true", "x", timeout=TIMEOUT) for number in range(2)]
    requests = {f"workflows__{number}": request(number) for number in IDS}
    text = template("t", (1, actions), global_timeout=GLOBAL_TIMEOUT)
    place.commit("Ask for them", templates__t=text, **requests)
    made = Fleet(place, FakeClock(place.folder / "clock"))
    yield made
    for machine in made.machines.values():
        machine.is_gone.set()
        machine.thread.join()


@pytest.mark.parametrize("offset", ["+900d", "-900d"])
def test_a_clock_that_is_set_while_the_server_runs_ends_nothing_and_keeps_nothing(fleet, offset):
    for each in (offset, "+0", offset):
        time.sleep(0.5)
        fleet.clock.set(each)
    fleet.check_outcome()


@pytest.mark.parametrize("offset", ["+900d", "-900d"])
def test_a_server_that_starts_with_another_clock_ends_nothing_and_keeps_nothing(fleet, offset):
    for each in ("+0", offset):
        fleet.site.kill(fleet.site.server)
        fleet.clock.set(each)
        fleet.serve()
    fleet.check_outcome()


def test_a_server_that_was_stopped_has_heard_nobody_and_blames_nobody(fleet):
    fleet.site.server.send_signal(signal.SIGSTOP)
    time.sleep(TIMEOUT + GRACE + 2)
    fleet.site.server.send_signal(signal.SIGCONT)
    fleet.check_outcome()


def test_a_server_that_is_killed_again_and_again_keeps_no_workflow_going_for_ever(place):
    actions = [action("a0", "true", "x", timeout=3_600)]
    place.commit(
        "Ask for one",
        templates__t=template("t", (1, actions), global_timeout=6),
        workflows__1=request(ALIVE),
    )
    place.serve()
    place.await_state(IDS[ALIVE], "STATE_PENDING")
    machine = Machine(place, ALIVE, IDS[ALIVE])
    machine.is_alive.set()
    try:
        assert machine.report(0, "RUNNING") == 200
        starts = 1
        while place.state_or_none(IDS[ALIVE]) == "STATE_RUNNING" and starts < 20:
            time.sleep(2.5)  # less than the global_timeout
            place.kill(place.server)
            place.serve()
            starts += 1
        place.await_state(IDS[ALIVE], "STATE_TIMEOUT")
        assert 3 <= starts < 20
    finally:
        machine.is_gone.set()
        machine.thread.join()
