"""A real worker that is killed (-9) while it hands an action over; the engine goes on."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import pytest

from tests.worker.fake_server import an_action
from tests.worker.processes import eventually
from worker.action import SUCCESS

pytestmark = [pytest.mark.docker, pytest.mark.kill, pytest.mark.timeout(300)]

ROUNDS = 12
LONGEST_SECONDS = 1.5  # from the first container to its end, on a busy host


class Site:
    """Counts the runs of actions, and looks at each report as it comes."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder / "out"
        self.folder.mkdir()
        self.hook = lambda: None

        def before(method, path):
            if path.endswith("/reports"):
                self.hook()

        server.before = before

    def add(self, name):
        runs = self.folder / name
        action = an_action(
            name,
            command=("/bin/sh", "-c", f"echo run >> /out/{name}"),
            volumes=(f"{self.folder}:/out",),
            background=True,
        )
        return self.server.add(action), runs


def count(runs):
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def story(workflow):
    return [each.action_status for each in workflow.events]


@pytest.fixture
def site(server, tmp_path):
    return Site(server, tmp_path)


def test_one_that_is_killed_with_its_report_on_the_way_starts_it_after_it_is_back(
    site, worker_process
):
    workflow, runs = site.add("reboot")
    machine: Any = None
    seen: list[int] = []

    def kill():
        if len(workflow.events) == 1 and not seen:  # the second report: its SUCCESS
            seen.append(count(runs))
            machine.process.send_signal(signal.SIGKILL)

    site.hook = kill
    machine = worker_process()
    eventually(lambda: machine.process.poll() is not None, "its death")
    assert seen == [0] and count(runs) == 0
    machine.start()
    assert site.server.wait_for_end(workflow) == SUCCESS
    eventually(lambda: count(runs) == 1, "the run")
    machine.stop()
    assert story(workflow) == ["STATE_RUNNING", SUCCESS] and count(runs) == 1


def test_each_action_runs_once_at_whatever_moment_its_worker_is_killed(site, worker_process):
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}")
    moments = random.Random(seed)
    machine = worker_process()
    for number in range(ROUNDS):
        workflow, runs = site.add(f"reboot-{number}")
        eventually(lambda workflow=workflow: bool(workflow.events), "its start")
        time.sleep(moments.uniform(0, LONGEST_SECONDS))
        machine.stop(signal.SIGKILL)
        if not story(workflow)[1:]:
            assert count(runs) == 0  # nothing starts before its SUCCESS is durable
        machine.start()
        assert site.server.wait_for_end(workflow) == SUCCESS
        eventually(lambda runs=runs: count(runs) == 1, f"run {number}, seed {seed}")
    machine.stop()
    assert [count(site.folder / f"reboot-{number}") for number in range(ROUNDS)] == [1] * ROUNDS
