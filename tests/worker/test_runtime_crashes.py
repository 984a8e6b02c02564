"""What does a new life of the worker make of containers that an old one left?  Real engine."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import docker
import pytest

from tests.worker.fake_server import WORKER, an_action
from worker import action
from worker.action import Cancelled, HeldRun, Interrupted, Leaving
from worker.run_clock import RunClock
from worker.runtime import DockerRuntime
from worker.watch import Watch

pytestmark = [pytest.mark.docker, pytest.mark.kill]


def sh(script: str, **changes):
    return an_action(command=("/bin/sh", "-c", script), **changes)


@pytest.fixture
def runtime(a_config, engine):
    made = DockerRuntime(a_config())
    yield made
    for held in made.held_runs((WORKER,), Watch(leaving=threading.Event())):
        made.drop(held)
    made.close()


@pytest.fixture
def client(engine):
    made = docker.DockerClient(base_url=engine.url)
    yield made
    made.close()


def leave_behind(runtime, run) -> None:
    """Start a run and walk away from it, as a worker that is told to end."""
    watch = Watch(leaving=threading.Event())
    threading.Timer(1.0, watch.leaving.set).start()
    with pytest.raises(Leaving):
        runtime.run(run, watch)


def test_a_held_run_is_found_by_its_labels_only_for_its_worker(runtime, a_run, watch):
    run = a_run(sh("sleep 60"))
    leave_behind(runtime, run)
    held = HeldRun(workflow_id=run.offer.workflow_id, action_index=0, attempt=1, asked_as=WORKER)
    assert runtime.held_runs((WORKER,), watch) == (held,)
    assert runtime.held_runs(("another",), watch) == ()
    assert runtime.holds(run, watch)
    assert not runtime.holds(replace(run, attempt=2), watch)
    assert runtime.drop(held)
    assert runtime.held_runs((WORKER,), watch) == ()


def test_the_time_that_ran_without_a_worker_counts(runtime, a_config, a_run, watch):
    run = a_run(sh("sleep 600", timeout_seconds=3600))
    leave_behind(runtime, run)
    later = DockerRuntime(a_config(), clock=RunClock(monotonic=lambda: time.monotonic() + 3_600))
    outcome = later.run(run, watch)
    later.close()
    assert outcome.action_status == "STATE_TIMEOUT"
    assert outcome.message == "Action Timed out after 3600 s"
    assert outcome.seconds >= 3600


def test_a_timeout_that_was_not_reported_is_still_one(runtime, a_run, watch):
    run = a_run(sh("sleep 60", timeout_seconds=1))
    assert runtime.run(run, watch).action_status == "STATE_TIMEOUT"
    assert runtime.run(run, watch).action_status == "STATE_TIMEOUT"


def test_an_end_is_read_the_same_until_it_is_cleaned_up(runtime, a_run, watch):
    run = a_run(sh("echo once >> /workflow/count; exit 3", on_failure=("sh", "-c", "echo sorry")))
    first, second = runtime.run(run, watch), runtime.run(run, watch)
    assert replace(first, seconds=0) == replace(second, seconds=0)
    assert (run.folder / "count").read_text() == "once\n"
    assert runtime.clean_up(run)
    assert not runtime.holds(run, watch)


def test_a_container_from_before_the_machines_boot_is_not_gone_on_with(
    runtime, a_config, a_run, watch
):
    run = a_run(sh("true"))
    runtime.run(run, watch)
    rebooted = DockerRuntime(a_config(), clock=RunClock("another boot"))
    assert runtime.holds(run, watch)
    assert not rebooted.holds(run, watch)
    rebooted.close()


def test_a_new_attempt_removes_what_is_left_of_the_last(runtime, client, a_run, watch):
    leave_behind(runtime, a_run(sh("sleep 60")))
    runtime.run(a_run(sh("true"), attempt=2), watch)
    names = [one.name for one in client.containers.list(all=True)]
    assert len(names) == 1
    assert ".0.2." in names[0]


def test_a_cancelled_run_has_no_container_at_once(runtime, client, a_run, watch):
    threading.Timer(1.0, watch.cancelled.set).start()
    with pytest.raises(Cancelled):
        runtime.run(a_run(sh("sleep 60")), watch)
    assert client.containers.list(all=True) == []


def test_a_container_that_somebody_removes_fails_its_action(
    runtime, client, a_run, watch, monkeypatch
):
    monkeypatch.setattr("worker.runtime.ENGINE_STOP_SECONDS", 2)
    run = a_run(sh("sleep 60"))

    def remove() -> None:
        client.containers.get(action.container_name(run, action.ROLE_ACTION)).remove(force=True)

    threading.Timer(1.0, remove).start()
    outcome = runtime.run(run, watch)
    assert outcome.action_status == "STATE_FAILED"


def test_a_killed_container_that_nobody_watched_is_run_again(runtime, client, a_run, watch):
    run = a_run(sh("sleep 60"))
    leave_behind(runtime, run)
    client.containers.get(action.container_name(run, action.ROLE_ACTION)).kill()
    with pytest.raises(Interrupted, match="137"):
        runtime.run(run, watch)


def test_an_action_that_somebody_kills_has_failed(runtime, client, a_run, watch, monkeypatch):
    monkeypatch.setattr("worker.runtime.ENGINE_STOP_SECONDS", 2)
    run = a_run(sh("sleep 60"))
    name = action.container_name(run, action.ROLE_ACTION)
    threading.Timer(1.0, lambda: client.containers.get(name).kill()).start()
    outcome = runtime.run(run, watch)
    assert (outcome.action_status, outcome.exit_code) == ("STATE_FAILED", 137)


def test_an_action_that_kills_itself_has_failed(runtime, a_run, watch):
    outcome = runtime.run(a_run(sh("sh -c 'kill -9 $$'; exit 137")), watch)
    assert (outcome.action_status, outcome.exit_code) == ("STATE_FAILED", 137)


def test_a_foreign_container_of_the_same_name_is_no_problem_of_ours(runtime, client, a_run, watch):
    run = a_run(sh("true"))
    name = action.container_name(run, action.ROLE_ACTION)
    foreign = client.containers.create(run.offer.image, name=name)
    outcome = runtime.run(run, watch)
    foreign.remove()
    assert outcome.action_status == "STATE_FAILED"
    assert "is already in use" in outcome.message
