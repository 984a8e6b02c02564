"""Do images come from a registry, with credentials and without?  A real one, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator

import docker
import pytest

from provisioner.demo.engine import Engine
from tests.worker.fake_server import an_action
from tests.worker.processes import eventually

pytestmark = pytest.mark.docker

USER, PASSWORD = "admin", "Admin1234"

CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
http: {{addr: {address}}}
auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.fixture(scope="module")
def _registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program, htpasswd = shutil.which("docker-registry"), shutil.which("htpasswd")
    if program is None or htpasswd is None:
        pytest.fail("apt-get install docker-registry apache2-utils", pytrace=False)
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    secret = subprocess.run(
        [htpasswd, "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
    )
    (folder / "htpasswd").write_text(secret.stdout)
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, address=address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    yield address
    process.terminate()
    process.wait(10)


@pytest.fixture
def registry(_registry: str, engine: Engine, image: str) -> Iterator[str]:
    """A registry that has `tools/hello:1`, which the engine has not."""
    eventually(lambda: answers(_registry), "a registry")
    client = docker.DockerClient(base_url=engine.url)
    name = f"{_registry}/tools/hello"
    client.images.get(image).tag(name, "1")
    auth = {"username": USER, "password": PASSWORD}
    pushed = list(client.images.push(name, "1", auth_config=auth, stream=True, decode=True))
    assert not [word for word in pushed if "error" in word], pushed
    client.images.remove(f"{name}:1")
    yield _registry
    if client.images.list(name):
        client.images.remove(f"{name}:1")
    client.close()


def hello(image: str):
    return an_action(image=image, command=("echo", "pulled"))


def test_an_image_is_pulled_from_the_registry_that_is_configured(perform, registry):
    outcome = perform(
        hello("tools/hello:1"),
        docker_registry=registry,
        registry_username=USER,
        registry_password=PASSWORD,
    )
    assert (outcome.action_status, outcome.log_tail) == ("STATE_SUCCESS", "pulled\n")


def test_wrong_credentials_fail_at_once_and_are_not_told(perform, registry):
    outcome = perform(
        hello("tools/hello:1"),
        docker_registry=registry,
        registry_username=USER,
        registry_password="wrong-Secret",
        retry_interval_seconds=3600,
    )
    assert outcome.action_status == "STATE_FAILED"
    assert "unauthorized" in outcome.message
    assert "wrong-Secret" not in outcome.message


def test_an_image_that_the_registry_has_not_fails_at_once(perform, registry):
    outcome = perform(
        hello("tools/nosuch:1"),
        docker_registry=registry,
        registry_username=USER,
        registry_password=PASSWORD,
        retry_interval_seconds=3600,
    )
    assert outcome.action_status == "STATE_FAILED"
    assert f"image {registry}/tools/nosuch:1" in outcome.message


def test_a_registry_that_is_away_is_tried_as_often_as_told(perform, engine, caplog):
    outcome = perform(
        hello("nosuch:1"), docker_registry="127.0.0.1:1", max_retry=3, retry_interval_seconds=0.01
    )
    assert outcome.action_status == "STATE_FAILED"
    assert caplog.text.count("trying again") == 2


def test_without_a_registry_the_image_is_used_as_written(perform, registry, engine):
    outcome = perform(hello(f"{registry}/tools/hello:1"))
    assert outcome.action_status == "STATE_FAILED"  # there are no credentials for it
    assert "no basic auth credentials" in outcome.message
