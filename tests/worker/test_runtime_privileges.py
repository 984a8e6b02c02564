"""What does an action get where nothing can be privileged?  Real engine, one lie."""

from __future__ import annotations

import docker
import pytest

from tests.worker.fake_server import an_action
from worker.runtime import DockerRuntime
from worker.runtime_engine import Engine, EngineSaidNo

pytestmark = pytest.mark.docker


class WeakEngine(Engine):
    """A real engine that answers as one whose machine lacks a capability."""

    def start(self, container_id: str) -> None:
        client = docker.DockerClient.from_env(environment=self._environment)
        is_privileged = client.containers.get(container_id).attrs["HostConfig"]["Privileged"]
        client.close()
        if is_privileged:
            raise EngineSaidNo("runc create failed: unable to apply caps: operation not permitted")
        super().start(container_id)


@pytest.fixture
def perform_weakly(a_config, a_run, watch, engine, monkeypatch):
    monkeypatch.setattr("worker.engine_errors.missing_capabilities", lambda: ("SYS_RESOURCE",))

    def run(script: str, **settings):
        config = a_config(**settings)
        runtime = DockerRuntime(config, engine=WeakEngine(config.docker_environment))
        planned = a_run(an_action(command=("/bin/sh", "-c", script)))
        try:
            return runtime.run(planned, watch)
        finally:
            runtime.clean_up(planned)
            runtime.close()

    return run


def test_an_action_fails_with_the_missing_capabilitys_name(perform_weakly):
    outcome = perform_weakly("true")
    assert outcome.action_status == "STATE_FAILED"
    assert "privileged-unavailable: this machine lacks CAP_SYS_RESOURCE" in outcome.message
    assert "--allow-reduced-privileges" in outcome.message


def test_with_the_option_it_runs_with_what_is_left(perform_weakly):
    outcome = perform_weakly(
        "mkdir -p /mnt && mount -t tmpfs none /mnt && mknod /mnt/null c 1 3 && ls /dev/null",
        allow_reduced_privileges=True,
    )
    assert outcome.action_status == "STATE_SUCCESS", outcome.log_tail
