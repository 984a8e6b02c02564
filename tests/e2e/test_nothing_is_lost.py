"""What the server acknowledged is there after `kill -9`, once, whatever the moment."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from e2e.site import Site, action, hardware, mac, template
from provisioner.model.ids import new_workflow_id
from worker import wire

pytestmark = [pytest.mark.kill, pytest.mark.timeout(280)]

ROUNDS = 20
MACHINES = 12
WORKFLOWS_EACH = 12
ACTIONS = 20


@dataclass
class Machine:
    """A worker that reports without running anything, and remembers what was acknowledged."""

    number: int
    workflows: list[str]
    address: str
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    done: bool = False

    def live(self, stop: threading.Event) -> None:
        for workflow in self.workflows:
            for index in range(ACTIONS):
                for status in ("STATE_RUNNING", "STATE_SUCCESS"):
                    self.tell(workflow, index, status, stop)
                    if stop.is_set():
                        return
        self.done = True

    def tell(self, workflow: str, index: int, status: str, stop: threading.Event) -> None:
        report = wire.Report(
            report_id=wire.report_id(workflow, index, 1, status),
            worker=mac(self.number),
            task_name="task-0",
            action_name=f"a{index}",
            action_index=index,
            attempt=1,
            action_status=status,
            log_tail="x" * 500,
        )
        while not stop.is_set():
            try:
                answered, body = self._post(f"/v1/workflows/{workflow}/reports", report)
            except OSError:
                time.sleep(0.02)  # the server is gone; knock again
                continue
            if answered == 200:
                self.acknowledged.append(report.report_id)
                return
            if answered < 500 and answered != 404:
                self.refused.append(body.decode())
                return
            time.sleep(0.02)

    def _post(self, path: str, report: wire.Report) -> tuple[int, bytes]:
        host, port = self.address.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.request(
                "POST", path, wire.encode(report), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()


def told_on_the_branch(site: Site) -> Counter[str]:
    """Every report_id of every status file, read by plain git."""
    archive = subprocess.run(
        [
            "git",
            "-C",
            site.repository,
            "grep",
            "-hoE",
            '"report_id": "[^"]+"',
            "status",
            "--",
            "status/",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return Counter(line.split('"')[3] for line in archive.stdout.splitlines())


def test_kill_minus_nine_at_random_moments_loses_nothing_and_doubles_nothing(place: Site) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    actions = [action(f"a{n}", "true", "busybox") for n in range(ACTIONS)]
    files = {f"hardware__n{n}": hardware(n) for n in range(1, MACHINES + 1)}
    files["templates__load"] = template("load", (1, actions))
    workflows: dict[int, list[str]] = {}
    for machine in range(1, MACHINES + 1):
        for number in range(WORKFLOWS_EACH):
            seed_bytes = bytes([machine, number]).rjust(10, b"\0")
            workflow = new_workflow_id(1_767_225_600_000 + number, seed_bytes)
            request = {"id": workflow, "template": "load", "hardware": {"device_1": mac(machine)}}
            files[f"workflows__{workflow}"] = json.dumps(request)
            workflows.setdefault(machine, []).append(workflow)
    place.commit("Add a fleet", **files)
    place.serve()
    machines = [Machine(n, workflows[n], place.address) for n in workflows]
    stop = threading.Event()
    threads = [threading.Thread(target=each.live, args=(stop,)) for each in machines]
    last = machines[-1].workflows[-1]
    place.await_that(lambda: place.state_or_none(last), "all workflows to be materialised")
    for thread in threads:
        thread.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.02, 0.6))
            place.kill(place.server)
            place.serve()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    place.kill(place.server)
    place.serve()  # what was cut off is made whole at the start
    told = told_on_the_branch(place)
    acknowledged = [each for machine in machines for each in machine.acknowledged]
    print(f"{len(acknowledged)} reports acknowledged")
    assert len(acknowledged) > ROUNDS, "the load was real"
    assert [each for each in acknowledged if each not in told] == []
    assert [each for each, times in told.items() if times > 1] == []
    assert [each for machine in machines for each in machine.refused] == []
    place.git("fsck", "--strict", "--full")
    place.tink("fsck")


def test_a_status_branch_moved_by_someone_else_is_followed(place: Site) -> None:
    files = {"templates__one": template("one", (1, [action("a0", "true", "busybox")]))}
    place.commit("Add a template", **files)
    place.serve()
    first, second = (place.create("one", device_1=mac(1)) for _ in range(2))
    place.await_state(second, "STATE_PENDING")
    machine = Machine(1, [first], place.address)
    stop = threading.Event()
    machine.tell(first, 0, "STATE_RUNNING", stop)
    tip = place.git("rev-parse", "status").strip()
    foreign = place.git("commit-tree", "-p", tip, "-m", "somebody was here", f"{tip}^{{tree}}")
    place.git("update-ref", "refs/heads/status", foreign.strip(), tip)
    machine.tell(first, 0, "STATE_SUCCESS", stop)
    assert place.state(first) == "STATE_SUCCESS"
    assert place.state(second) == "STATE_PENDING"
    assert foreign.strip() in place.git("rev-list", "status"), "nobody's commit is thrown away"
    assert len(machine.acknowledged) == 2
    place.tink("fsck")
