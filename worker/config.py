"""The settings of a worker: from flags, the environment or a file.

Classic tink-worker's names, in its order: an explicit flag, then the environment, then the
file.  Nothing else in this package reads the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from worker import wire

CONFIG_FOLDERS: Final = (Path("/etc/tinkerbell"), Path())
CONFIG_NAMES: Final = (
    "tink-worker.toml",
    "tink-worker.json",
    "tink-worker.yaml",
    "tink-worker.yml",
)
CONFIG_LIMIT_BYTES: Final = 65_536
NETWORK_FOLDER: Final = Path("/sys/class/net")

TRUE_WORDS: Final = frozenset({"1", "t", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "f", "false", "no", "off"})
SECONDS_PER_UNIT: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip


class ConfigError(Exception):
    """A setting is wrong; the message says which and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    server: str
    ids: tuple[str, ...]
    docker_registry: str = ""
    registry_username: str = ""
    registry_password: str = field(default="", repr=False)
    max_retry: int = 3
    retry_interval_seconds: float = 3.0
    max_file_size_bytes: int = wire.DATA_LIMIT_BYTES
    capture_action_logs: bool = True
    allow_reduced_privileges: bool = False
    workflow_dir: Path = Path("/workflow")
    wait_seconds: int = 30
    heartbeat_seconds: float = 5.0
    log_format: str = "plain"
    # DOCKER_HOST and its kin, for the docker library.
    docker_environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its flag, its environment variables in order, its default, its help."""

    flag: str
    help: str
    short: str = ""
    default: str = ""
    environment: tuple[str, ...] = ()
    is_switch: bool = False

    @property
    def name(self) -> str:
        return self.flag.replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        return self.environment or (self.name.upper(),)


SETTINGS: Final = (
    Setting(flag="server", environment=("TINK_SERVER",), help="URL of the server (required)"),
    Setting(
        flag="id",
        short="i",
        environment=("ID", "WORKER_ID"),
        help="a MAC, an IP address or the hardware id; without it: this machine's own MACs",
    ),
    Setting(flag="docker-registry", short="r", help="registry put before every image"),
    Setting(flag="registry-username", short="u", help="user of that registry"),
    Setting(flag="registry-password", short="p", help="password; better in the environment"),
    Setting(flag="max-retry", default="3", help="tries of an image pull"),
    Setting(flag="retry-interval", default="3s", help="between tries; seconds or 1m30s"),
    Setting(
        flag="max-file-size",
        default=str(wire.DATA_LIMIT_BYTES),
        help="bytes of ephemeral data; can only lower the limit",
    ),
    Setting(flag="timeout", help="accepted for classic command lines; the worker has no end"),
    Setting(
        flag="capture-action-logs", default="true", is_switch=True, help="show and keep output"
    ),
    Setting(
        flag="allow-reduced-privileges",
        default="false",
        is_switch=True,
        help="run actions with what this machine can give where --privileged is impossible",
    ),
    Setting(
        flag="workflow-dir",
        default="/workflow",
        help="folder of the ephemeral data, the same for the engine and for the worker",
    ),
    Setting(
        flag="wait",
        default="30",
        environment=("TINK_WAIT",),
        help=f"seconds of one long poll, at most {wire.WAIT_LIMIT_SECONDS}",
    ),
    Setting(
        flag="heartbeat-interval",
        default="5s",
        environment=("TINK_HEARTBEAT_INTERVAL",),
        help="how often a running action asks whether it is still wanted, at most 5s",
    ),
    Setting(
        flag="log-format", default="plain", environment=("TINK_LOG_FORMAT",), help="plain or json"
    ),
)
HEARTBEAT_LIMIT_SECONDS: Final = 5.0  # a cancelled container is to be gone within 15 seconds


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog="tink-worker",
        description="Run this machine's part of Tinkerbell workflows as Docker containers.",
        allow_abbrev=False,
    )
    made.add_argument("--config", metavar="FILE", help="settings as TOML, JSON or flat YAML")
    for each in SETTINGS:
        flags = [f"-{each.short}"] if each.short else []
        about = f"{each.help} [{', '.join(each.variables)}]"
        if each.default:
            about += f" (default {each.default})"
        optional: dict[str, str] = {"nargs": "?", "const": "true"} if each.is_switch else {}
        made.add_argument(
            f"--{each.flag}",
            *flags,
            dest=each.name,
            help=about.replace("%", "%%"),
            metavar="VALUE",
            **optional,  # type: ignore[arg-type]  # both are words
        )
    return made


def load(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    network: Path = NETWORK_FOLDER,
) -> Config:
    """Gather the settings of one start of the worker."""
    environment = os.environ if environment is None else environment
    flags = vars(parser().parse_args(words))
    filed = _read_file(flags["config"])
    values: dict[str, str] = {}
    for each in SETTINGS:
        candidates = [flags[each.name]]
        candidates += [environment.get(variable) for variable in each.variables]
        candidates += [filed.get(each.name), each.default]
        values[each.name] = next((one for one in candidates if one), "")
    return _build(values, environment, network)


def _build(values: Mapping[str, str], environment: Mapping[str, str], network: Path) -> Config:
    if not re.match(r"https?://[^/\s]+", values["server"]):
        raise ConfigError(
            f"--server is {values['server']!r}; it must be a URL such as http://192.168.1.1:42114"
        )
    if values["log_format"] not in ("plain", "json"):
        raise ConfigError(f"--log-format is {values['log_format']!r}; it is plain or json")
    if values["registry_username"] and not values["docker_registry"]:
        raise ConfigError("--registry-username needs --docker-registry")
    if values["timeout"]:
        _seconds("timeout", values["timeout"])
    ids = (values["id"],) if values["id"] else own_macs(network)
    if not ids:
        raise ConfigError("this machine has no network card to name it by; give --id")
    return Config(
        server=values["server"].rstrip("/"),
        ids=ids,
        docker_registry=values["docker_registry"].rstrip("/"),
        registry_username=values["registry_username"],
        registry_password=values["registry_password"],
        max_retry=max(1, _whole("max-retry", values["max_retry"])),
        retry_interval_seconds=_seconds("retry-interval", values["retry_interval"]),
        max_file_size_bytes=min(
            _whole("max-file-size", values["max_file_size"]), wire.DATA_LIMIT_BYTES
        ),
        capture_action_logs=_switch("capture-action-logs", values["capture_action_logs"]),
        allow_reduced_privileges=_switch(
            "allow-reduced-privileges", values["allow_reduced_privileges"]
        ),
        workflow_dir=Path(values["workflow_dir"]).resolve(),
        wait_seconds=min(_whole("wait", values["wait"]), wire.WAIT_LIMIT_SECONDS),
        heartbeat_seconds=min(
            _seconds("heartbeat-interval", values["heartbeat_interval"]),
            HEARTBEAT_LIMIT_SECONDS,
        ),
        log_format=values["log_format"],
        docker_environment={
            name: value for name, value in environment.items() if name.startswith("DOCKER_")
        },
    )


def own_macs(network: Path) -> tuple[str, ...]:
    """The MACs of this machine's cards; of its virtual interfaces where it has no card."""
    cards: list[str] = []
    others: list[str] = []
    for interface in sorted(network.iterdir()) if network.is_dir() else ():
        try:
            mac = (interface / "address").read_text().strip().lower()
        except OSError:
            continue
        if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) and mac != "00:00:00:00:00:00":
            (cards if (interface / "device").exists() else others).append(mac)
    return tuple(dict.fromkeys(cards or others))


def _read_file(named: str | None) -> dict[str, str]:
    if named:
        path = Path(named)
    else:
        candidates = [folder / name for folder in CONFIG_FOLDERS for name in CONFIG_NAMES]
        path = next((one for one in candidates if one.is_file()), Path())
        if not path.name:
            return {}
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_LIMIT_BYTES + 1)
        if len(text) > CONFIG_LIMIT_BYTES:
            raise ConfigError(f"{path}: larger than {CONFIG_LIMIT_BYTES} bytes")
        read = _READERS.get(path.suffix, _read_flat_yaml)(text.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error
    known = {each.name for each in SETTINGS}
    settings: dict[str, str] = {}
    for name, value in read.items():
        key = str(name).replace("-", "_").lower()
        if key not in known or isinstance(value, (dict, list)):
            raise ConfigError(f"{path}: {name!r} is not a setting; see tink-worker --help")
        settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return settings


def _read_json(text: str) -> dict[str, object]:
    read = json.loads(text)
    if not isinstance(read, dict):
        raise ValueError("not a JSON object")
    return read


def _read_flat_yaml(text: str) -> dict[str, object]:
    """`name: value` lines, which is all that a worker's settings need."""
    settings: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#") or bare == "---":
            continue
        found = re.fullmatch(r"""([\w-]+):\s*(?:"([^"]*)"|'([^']*)'|([^"'#]*?))\s*(?:#.*)?""", line)
        if not found:
            raise ValueError(f"line {number} is not `name: value`")
        settings[found[1]] = next((value for value in found.groups()[1:] if value), "")
    return settings


_READERS: Final[dict[str, Callable[[str], dict[str, object]]]] = {
    ".json": _read_json,
    ".toml": tomllib.loads,
}


def _whole(flag: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise ConfigError(f"--{flag} is {text!r}; it must be a whole number")
    return int(text)


def _seconds(flag: str, text: str) -> float:
    """Plain seconds, or a Go duration such as 1m30s."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d{1,9}(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"--{flag} is {text!r}; write seconds, or a duration such as 1m30s")
    return sum(float(number) * SECONDS_PER_UNIT[unit] for number, unit in parts)


def _switch(flag: str, text: str) -> bool:
    word = text.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ConfigError(f"--{flag} is {text!r}; it is true or false")
    return word in TRUE_WORDS
