"""The calls to a Docker engine, and their ways to fail.

The only module that knows the docker library.  Every call ends in one of three ways: an
answer, `EngineGone` (not reachable: wait), or `EngineSaidNo` (with the engine's message).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import docker
import urllib3.exceptions
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig
from docker.utils import parse_repository_tag

from worker.connections import Connections

ENGINE_ANSWER_SECONDS = 60
PULL_ANSWER_SECONDS = 300  # between two words of the engine while it pulls
# The engine of a machine that is being installed often has its files in memory.
LOG_FILE_LIMIT = {"max-size": "8m", "max-file": "2"}

# requests' exceptions are OSErrors; a DockerException is what is left of them.
_GONE = (OSError, DockerException, urllib3.exceptions.HTTPError)


class EngineGone(Exception):
    """The engine does not answer, or not whole."""


class EngineSaidNo(Exception):
    """The engine answered that it can't."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    id: str
    name: str
    labels: Mapping[str, str]
    has_started: bool
    has_ended: bool
    exit_code: int = 0
    out_of_memory: bool = False
    error: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    name: str
    image: str
    command: tuple[str, ...]
    environment: tuple[str, ...]
    binds: tuple[str, ...]
    pid: str
    network: str
    labels: Mapping[str, str]
    capture_output: bool
    # Empty: --privileged.  Else: all capabilities but these, the way that remains.
    without_capabilities: tuple[str, ...] = ()


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        text = str(error.explanation or error)
        raise EngineSaidNo(text, error.status_code or 0) from error
    except _GONE as error:
        raise EngineGone(str(error)) from error


class ImagePull:
    """One pull; `break_off`, from another thread, ends it, in the engine too."""

    def __init__(
        self, environment: Mapping[str, str], image: str, credentials: Mapping[str, str] | None
    ) -> None:
        self._environment = environment
        self._image = image
        self._credentials = dict(credentials) if credentials else None
        self._connections: Connections | None = None

    def run(self) -> None:
        repository, tag = parse_repository_tag(self._image)
        with _engine_errors(), _own_client(self._environment, PULL_ANSWER_SECONDS) as client:
            self._connections = Connections(client.api.get_adapter(client.api.base_url))
            words = client.api.pull(
                repository,
                tag=tag or "latest",
                stream=True,
                decode=True,
                auth_config=self._credentials,
            )
            for word in words:
                if "error" in word:
                    raise EngineSaidNo(str(word["error"]))

    def break_off(self) -> None:
        if self._connections is not None:
            self._connections.shut_down()


class Engine:
    """One engine, reached as the docker command would (`DOCKER_HOST` and its kin)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._client: docker.DockerClient | None = None

    def answers(self) -> bool:
        """Is there an engine?  Asked anew: one that ends still answers on connections that
        it has, for seconds, while it takes no others."""
        try:
            with _engine_errors(), _own_client(self._environment, ENGINE_ANSWER_SECONDS) as client:
                return bool(client.ping())
        except (EngineGone, EngineSaidNo):
            self.close()  # an engine that comes back may speak another version
            return False

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def image_pull(self, image: str, *, credentials: Mapping[str, str] | None) -> ImagePull:
        """A pull that is still to be run."""
        return ImagePull(self._environment, image, credentials)

    def has_image(self, image: str) -> bool:
        with _engine_errors():
            try:
                self._connected().images.get(image)
            except ImageNotFound:
                return False
            return True

    def create(self, settings: ContainerSettings) -> str:
        with _engine_errors():
            extra: dict[str, Any] = {"privileged": True}
            binds = list(settings.binds)
            if settings.without_capabilities:
                extra = {
                    "cap_add": ["ALL"],
                    "cap_drop": list(settings.without_capabilities),
                    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
                    "device_cgroup_rules": ["a *:* rwm"],
                }
                binds.append("/dev:/dev")
            if settings.capture_output:
                extra["tty"] = True
                extra["log_config"] = LogConfig(type="json-file", config=LOG_FILE_LIMIT)
            container = self._connected().containers.create(
                settings.image,
                list(settings.command) or None,
                name=settings.name,
                environment=list(settings.environment),
                volumes=binds,
                pid_mode=settings.pid or None,
                network_mode=settings.network or None,
                labels=dict(settings.labels),
                **extra,
            )
            return str(container.id)

    def start(self, container_id: str) -> None:
        with _engine_errors():
            self._connected().api.start(container_id)

    def wait(self, container_id: str, seconds: float) -> None:
        """Return when the container has ended, or a little after `seconds`."""
        try:
            with _engine_errors():
                self._connected().api.wait(container_id, timeout=seconds)  # type: ignore[arg-type]  # requests takes a float
        except EngineGone:
            # Past its limit `wait` fails as if nobody were there; ask whether it is so.
            if not self.answers():
                raise
        except EngineSaidNo as error:
            if error.status != 404:
                raise

    def state(self, container_id: str) -> ContainerState | None:
        with _engine_errors():
            try:
                found = self._connected().api.inspect_container(container_id)
            except NotFound:
                return None
        return _state(found)

    def find(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """Every container, ended or not, that has all these labels."""
        words = [f"{name}={value}" if value else name for name, value in labels.items()]
        with _engine_errors():
            found = self._connected().api.containers(all=True, filters={"label": words})
        states = [self.state(str(one["Id"])) for one in found]
        return tuple(state for state in states if state is not None)

    def kill(self, container_id: str) -> None:
        """Kill a container that may have ended meanwhile."""
        try:
            with _engine_errors():
                self._connected().api.kill(container_id)
        except EngineSaidNo as error:
            if error.status not in (404, 409):
                raise

    def rename(self, container_id: str, name: str) -> None:
        with _engine_errors():
            self._connected().api.rename(container_id, name)

    def was_killed(self, state: ContainerState) -> bool:
        """Did anybody send this container a signal through the engine?"""
        with _engine_errors(), _own_client(self._environment, ENGINE_ANSWER_SECONDS) as client:
            # By the engine's own clock, which may be another than ours, and have been set since
            # the start of the container.  No second more: events would be waited for.
            events = client.events(  # type: ignore[call-overload]  # a text keeps the fraction
                since=1,
                until=_seconds(str(client.info()["SystemTime"])),
                filters={"container": state.id, "event": "kill"},
                decode=True,
            )
            return any(True for _ in events)

    def remove(self, container_id: str) -> None:
        """Kill and remove a container, with its anonymous volumes; gone is good."""
        try:
            with _engine_errors():
                self._connected().api.remove_container(container_id, v=True, force=True)
        except EngineSaidNo as error:
            if error.status not in (404, 409):  # 409: its removal is under way
                raise

    def output(self, container_id: str, *, follow: bool) -> Iterator[bytes]:
        """Everything that a container with a terminal has said; with `follow` also what it
        says until its end.

        Not by `Container.logs`, which reads a terminal's output byte by byte.
        """
        with _engine_errors(), _own_client(self._environment, ENGINE_ANSWER_SECONDS) as client:
            api = client.api
            response = api.get(
                f"{api.base_url}/v{api.api_version}/containers/{container_id}/logs",
                params={"stdout": "1", "stderr": "1", "follow": str(int(follow))},
                stream=True,
                timeout=(ENGINE_ANSWER_SECONDS, None),  # silence may be long
            )
            with response:
                if response.status_code != 200:
                    raise EngineSaidNo(response.text[:200], response.status_code)
                yield from response.iter_content(chunk_size=None)

    def _connected(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.DockerClient.from_env(
                environment=self._environment, timeout=ENGINE_ANSWER_SECONDS
            )
        return self._client


@contextlib.contextmanager
def _own_client(environment: Mapping[str, str], seconds: int) -> Iterator[docker.DockerClient]:
    """A connection of its own, for a stream or another thread."""
    client = docker.DockerClient.from_env(environment=dict(environment), timeout=seconds)
    try:
        yield client
    finally:
        client.close()


def _state(found: Mapping[str, Any]) -> ContainerState:
    state = found["State"]
    started_at = _time(state.get("StartedAt", ""))
    status = str(state.get("Status", ""))
    return ContainerState(
        id=str(found["Id"]),
        name=str(found.get("Name", "")).lstrip("/"),
        labels=dict(found["Config"].get("Labels") or {}),
        has_started=started_at is not None,
        has_ended=status in ("exited", "dead", "removing"),
        exit_code=int(state.get("ExitCode") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        started_at=started_at,
        ended_at=_time(state.get("FinishedAt", "")),
    )


def _seconds(text: str) -> str:
    """An RFC 3339 time as docker takes it for events, with its nanoseconds."""
    moment = _time(text)
    assert moment is not None
    return f"{int(moment.timestamp())}.{(text.partition('.')[2].rstrip('Zz') or '0'):0<9.9}"


def _time(text: str) -> datetime | None:
    """Docker writes nanoseconds, and the year 1 for never."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    moment = datetime.fromisoformat(f"{whole}{zone}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
