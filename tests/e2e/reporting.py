"""Workers that report without running anything, and what the branch says of their reports."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from provisioner.model.ids import new_workflow_id
from tests.e2e.site import Site, action, hardware, mac, template
from worker import wire

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


@dataclass
class Fleet:
    """Machines that report as fast as they are answered, until `stop`."""

    machines: list[Machine]
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[str]:
        return [each for machine in self.machines for each in machine.acknowledged]

    @property
    def refused(self) -> list[str]:
        return [each for machine in self.machines for each in machine.refused]

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=each.live, args=(self._stop,)) for each in self.machines
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def add_fleet(place: Site, machines: int, *, workflows_each: int) -> Fleet:
    """Commit machines and their workflows, start the server, and wait until all are made."""
    actions = [action(f"a{n}", "true", "busybox", timeout=86_400) for n in range(ACTIONS)]
    files = {f"hardware__n{n}": hardware(n) for n in range(1, machines + 1)}
    files["templates__load"] = template("load", (1, actions), global_timeout=10**7)
    workflows: dict[int, list[str]] = {}
    for machine in range(1, machines + 1):
        for number in range(workflows_each):
            seed = bytes([machine, number]).rjust(10, b"\0")
            workflow = new_workflow_id(1_767_225_600_000 + number, seed)
            request = {"id": workflow, "template": "load", "hardware": {"device_1": mac(machine)}}
            files[f"workflows__{workflow}"] = json.dumps(request)
            workflows.setdefault(machine, []).append(workflow)
    place.commit("Add a fleet", **files)
    place.serve()
    for each in workflows.values():
        place.await_that(lambda last=each[-1]: place.state_or_none(last), "all to be materialised")
    return Fleet([Machine(n, workflows[n], place.address) for n in workflows])


def check(place: Site, fleet: Fleet) -> None:
    """What was acknowledged is there, once, and the whole of it is sound; the server is ended."""
    found = told_on_the_branch(place)
    assert [each for each in fleet.acknowledged if each not in found] == []
    assert [each for each, times in found.items() if times > 1] == []
    assert fleet.refused == []
    place.tink("fsck")
    place.end(place.server)  # git's fsck calls a pack damaged that maintenance removes meanwhile
    place.git("fsck", "--strict", "--full")
