"""Is a private engine private, and gone without a trace?"""

from __future__ import annotations

import signal
from pathlib import Path

import docker
import pytest

from provisioner.demo import engine as starter
from provisioner.errors import Unavailable


def test_without_root_one_is_told_so(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(starter.EngineMissing, match="needs root") as told:
        starter.check_prerequisites()
    assert "sudo" in told.value.hint


def test_without_a_dockerd_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program, path: None)
    with pytest.raises(starter.EngineMissing, match="no dockerd") as told:
        starter.check_prerequisites()
    assert "docker.io" in told.value.hint
    with pytest.raises(starter.EngineMissing, match="busybox") as told:
        starter.busybox_root()
    assert "busybox-static" in told.value.hint


@pytest.mark.docker
def test_privileged_containers_run(engine, image):
    client = docker.DockerClient(base_url=engine.url)
    ran = client.containers.run(image, ["sh", "-c", "echo $PATH"], privileged=True, detach=True)
    assert ran.wait()["StatusCode"] == 0
    assert ran.logs() == b"/bin\n"
    ran.remove()
    client.close()


@pytest.mark.docker
def test_no_image_comes_from_the_internet(engine):
    client = docker.DockerClient(base_url=engine.url)
    with pytest.raises(docker.errors.APIError, match="proxyconnect"):
        client.images.pull("busybox", "latest")
    client.close()


@pytest.mark.docker
def test_what_was_imported_survives_a_restart_and_nothing_survives_the_stop(engine):
    # `engine` is only asked for its machine's fitness; this test has one of its own.
    with starter.start() as own:
        own.import_image("127.0.0.1:1/mine:2", starter.busybox_root({"etc/told": b"x"}))
        own.halt(signal.SIGKILL)
        own.resume()
        client = docker.DockerClient(base_url=own.url)
        ran = client.containers.run("127.0.0.1:1/mine:2", ["cat", "/etc/told"], detach=True)
        assert ran.wait()["StatusCode"] == 0
        assert ran.logs() == b"x"
        client.close()
        assert own.folder != engine.folder
    assert not own.folder.exists()
    assert str(own.folder) not in Path("/proc/mounts").read_text()
    assert own.process.poll() is not None


@pytest.mark.docker
def test_an_image_that_is_none_is_refused(engine):
    with pytest.raises(Unavailable, match="was not imported"):
        engine.import_image("127.0.0.1:1/broken:1", b"not a tar archive" * 100)
