"""A server that forgets, a real engine, and what runs between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from provisioner.demo.engine import Engine
from tests.worker.fake_server import WORKER, FakeServer
from tests.worker.processes import WorkerProcess
from worker.action import Outcome, Run
from worker.config import Config
from worker.runtime import DockerRuntime
from worker.watch import Watch
from worker.wire import Offer

WORKFLOW = "0190a5c0-0000-7000-8000-0000000000aa"


def remove_containers(engine: Engine) -> None:
    """What a failed test left must not fail the next."""
    if engine.process.poll() is not None:
        return
    client = docker.DockerClient(base_url=engine.url)
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.close()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as started:
        yield started


@pytest.fixture
def worker_process(
    server: FakeServer, engine: Engine, tmp_path: Path
) -> Iterator[Callable[..., WorkerProcess]]:
    """Start a tink-worker against the fake server and the real engine."""
    started: list[WorkerProcess] = []

    def start(*words: str, worker: str = WORKER, name: str = "machine") -> WorkerProcess:
        process = WorkerProcess(tmp_path / name, server.url, worker, *words)
        started.append(process)
        return process

    yield start
    for one in started:
        one.stop()
        print(f"----- {one.folder.name}\n{one.log}")
    remove_containers(engine)


@pytest.fixture
def watch() -> Watch:
    return Watch(leaving=threading.Event())


@pytest.fixture
def a_config(engine: Engine, tmp_path: Path) -> Callable[..., Config]:
    def make(**changes: object) -> Config:
        plain: dict[str, object] = {
            "server": "http://127.0.0.1:1",
            "ids": (WORKER,),
            "workflow_dir": tmp_path / "workflow",
            "retry_interval_seconds": 0.1,
            "docker_environment": {"DOCKER_HOST": engine.url},
        }
        return Config(**(plain | changes))  # type: ignore[arg-type]  # fields by name

    return make


@pytest.fixture
def a_run(tmp_path: Path) -> Callable[..., Run]:
    def make(offer: Offer, attempt: int = 1) -> Run:
        folder = tmp_path / "workflow" / WORKFLOW
        folder.mkdir(parents=True, exist_ok=True)
        offer = replace(offer, workflow_id=WORKFLOW)
        return Run(offer=offer, asked_as=WORKER, attempt=attempt, folder=folder)

    return make


@pytest.fixture
def perform(
    a_config: Callable[..., Config], a_run: Callable[..., Run], watch: Watch
) -> Callable[..., Outcome]:
    """Run one action on the real engine and clean up after it."""

    def run(offer: Offer, **settings: object) -> Outcome:
        runtime = DockerRuntime(a_config(**settings))
        planned = a_run(offer)
        try:
            return runtime.run(planned, watch)
        finally:
            runtime.clean_up(planned)
            runtime.close()

    return run
