"""An action that ends the machine: never started before its SUCCESS is durable, never twice.

A worker "dies" here by an exception that nothing catches, at each point between the steps; the
next one is a new worker on the same engine, which knows nothing but what the engine holds.
"""

from __future__ import annotations

import subprocess
import threading

import pytest

from tests.worker.fake_server import WORKER, FakeServer, an_action
from worker import hand_over
from worker.action import SUCCESS
from worker.config import Config
from worker.loop import Worker
from worker.run_clock import RunClock
from worker.runtime import DockerRuntime
from worker.transport import ServerApi

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


class Death(BaseException):
    """Of the worker."""


class Site:
    """One machine with its engine, and a server; `worker` is a new life of the worker."""

    def __init__(self, server, engine, folder):
        self.server, self.engine, self.folder = server, engine, folder
        self.runs = folder / "out" / "runs"
        self.runs.parent.mkdir()
        self.opened = []

    def background(self, script="echo run >> /out/runs", **changes):
        return an_action(
            command=("/bin/sh", "-c", script),
            volumes=(f"{self.runs.parent}:/out",),
            background=True,
            **changes,
        )

    def worker(self, boot_id=None):
        config = Config(
            server=self.server.url,
            ids=(WORKER,),
            workflow_dir=self.folder / "workflow",
            wait_seconds=0,
            max_retry=1,
            retry_interval_seconds=0.01,
            docker_environment={"DOCKER_HOST": self.engine.url},
        )
        leaving = threading.Event()
        api = ServerApi(config.server, stop=leaving, first_pause_seconds=0.01)
        runtime = DockerRuntime(config, clock=RunClock(boot_id))
        self.opened.append(runtime)
        return Worker(config, api, runtime, leaving=leaving)

    def count(self):
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0

    def containers(self):
        words = ["docker", "-H", self.engine.url, "ps", "-aq", "--filter", "label=tinkgit.worker"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture
def site(engine, tmp_path):
    with FakeServer() as server:
        made = Site(server, engine, tmp_path)
        yield made
        for each in made.opened:
            each.close()
        for each in made.containers():
            subprocess.run(["docker", "-H", engine.url, "rm", "-f", each], check=True)


def die(*_, **__):
    raise Death


def story(workflow):
    return [(each.action_status, each.message) for each in workflow.events]


HANDED_OVER = [("STATE_RUNNING", "Started execution"), (SUCCESS, "handed over")]


def test_success_is_reported_before_it_starts(site):
    workflow = site.server.add(site.background())
    seen = []
    site.server.before = lambda method, path: seen.append((path.rpartition("/")[2], site.count()))
    site.worker()._work_once()
    assert story(workflow) == HANDED_OVER and workflow.is_final
    assert site.count() == 1
    assert [count for what, count in seen if what == "reports"] == [0, 0]
    assert site.containers() == []


@pytest.mark.parametrize("point", ["before the report", "after the report", "before the start"])
def test_a_worker_that_dies_before_the_start_leaves_it_to_the_next_one(site, point, monkeypatch):
    workflow = site.server.add(site.background())
    first = site.worker()
    real = first._api.report

    def report(identity, said):
        if said.action_status != SUCCESS:
            return real(identity, said)
        if point == "after the report":
            real(identity, said)
        raise Death

    if point == "before the start":
        monkeypatch.setattr(first._runtime, "start_handed_over", die)
    else:
        monkeypatch.setattr(first._api, "report", report)
    with pytest.raises(Death):
        first._work_once()
    assert site.count() == 0 and len(site.containers()) == 1
    site.worker()._work_once()
    assert site.count() == 1
    assert story(workflow) == HANDED_OVER and workflow.is_final
    assert site.containers() == []


def test_a_worker_that_dies_after_the_start_starts_it_no_second_time(site, monkeypatch):
    workflow = site.server.add(site.background())
    with monkeypatch.context() as patch:
        patch.setattr(hand_over, "_await_end", die)
        with pytest.raises(Death):
            site.worker()._work_once()
    site.worker()._work_once()
    site.worker()._work_once()
    assert site.count() == 1 and story(workflow) == HANDED_OVER
    assert site.containers() == []


def test_after_a_power_cut_before_the_start_it_does_not_run(site, monkeypatch):
    workflow = site.server.add(site.background())
    first = site.worker()
    monkeypatch.setattr(first._runtime, "start_handed_over", die)
    with pytest.raises(Death):
        first._work_once()
    site.worker(boot_id="another")._work_once()
    assert site.count() == 0 and story(workflow) == HANDED_OVER
    assert site.containers() == []


def test_nothing_is_asked_for_until_it_has_ended(site):
    site.server.add(site.background("sleep 2; echo run >> /out/runs"))
    second = site.server.add(an_action("second"))
    worker = site.worker()
    worker._work_once()
    assert site.count() == 1 and second.events == []
    worker._work_once()
    assert second.is_final


def test_one_that_does_not_end_is_removed_when_its_time_is_over(site):
    workflow = site.server.add(site.background("sleep 600", timeout_seconds=2))
    site.worker()._work_once()
    assert story(workflow) == HANDED_OVER
    assert site.containers() == []


def test_one_that_can_not_be_created_fails(site):

    workflow = site.server.add(site.background(image="127.0.0.1:1/nothing:1"))
    site.worker()._work_once()
    assert [each.action_status for each in workflow.events] == ["STATE_RUNNING", "STATE_FAILED"]


def test_what_the_server_refuses_is_never_started(site):
    workflow = site.server.add(site.background())
    first = site.worker()
    real = first._api.report

    def cancelled_before(identity, said):
        if said.action_status == SUCCESS:
            site.server.cancel(workflow)
        return real(identity, said)

    first._api.report = cancelled_before
    first._work_once()
    assert site.count() == 0 and site.containers() == []
