"""Are classic tink-worker's flags, variables and files understood?"""

from __future__ import annotations

from pathlib import Path

import pytest

from worker import config
from worker.config import SETTINGS, ConfigError

SERVER = ("--server", "http://10.0.0.1:42114")


@pytest.fixture(autouse=True)
def _no_file_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CONFIG_FOLDERS", (tmp_path,))


def load(*words: str, **environment: str):
    return config.load((*SERVER, *words), environment, network=Path("/no/such/folder"))


def test_the_classic_flags_are_understood():
    loaded = load(
        *("-i", "08:00:27:00:00:01", "-r", "127.0.0.1:5000", "-u", "me", "-p", "secret"),
        *("--max-retry", "5", "--retry-interval", "1m30s", "--max-file-size", "1000"),
        *("--timeout", "60m", "--capture-action-logs=false"),
    )
    assert loaded.ids == ("08:00:27:00:00:01",)
    assert (loaded.docker_registry, loaded.registry_username) == ("127.0.0.1:5000", "me")
    assert loaded.registry_password == "secret"
    assert (loaded.max_retry, loaded.retry_interval_seconds) == (5, 90.0)
    assert (loaded.max_file_size_bytes, loaded.capture_action_logs) == (1000, False)


@pytest.mark.parametrize("variable", ["ID", "WORKER_ID"])
def test_the_classic_variables_are_understood(variable):
    loaded = load(**{variable: "w", "DOCKER_REGISTRY": "r", "RETRY_INTERVAL": "5"})
    assert (loaded.ids, loaded.docker_registry) == (("w",), "r")
    assert loaded.retry_interval_seconds == 5.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tink-worker.json", '{"id": "w", "max-retry": 7, "capture-action-logs": false}'),
        ("tink-worker.toml", 'id = "w"\nmax-retry = 7\ncapture-action-logs = false\n'),
        (
            "tink-worker.yaml",
            '---\n# mine\nid: "w"\nmax_retry: 7  # times\ncapture-action-logs: no',
        ),
    ],
)
def test_a_file_is_read_in_three_formats(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    loaded = load()
    assert (loaded.ids, loaded.max_retry, loaded.capture_action_logs) == (("w",), 7, False)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path):
    (tmp_path / "tink-worker.json").write_text('{"id": "file", "max-retry": 9}')
    assert load().ids == ("file",)
    assert load(ID="environment").ids == ("environment",)
    assert load("--id", "flag", ID="environment").ids == ("flag",)
    assert load("--id", "flag").max_retry == 9


def test_without_an_id_the_machines_cards_name_it(tmp_path):
    for name, mac, is_card in (
        ("lo", "00:00:00:00:00:00", False),
        ("eth1", "08:00:27:00:00:02", True),
        ("eth0", "08:00:27:00:00:01", True),
        ("docker0", "02:42:00:00:00:01", False),
    ):
        (tmp_path / "net" / name).mkdir(parents=True)
        (tmp_path / "net" / name / "address").write_text(f"{mac}\n")
        if is_card:
            (tmp_path / "net" / name / "device").mkdir()
    loaded = config.load(SERVER, {}, network=tmp_path / "net")
    assert loaded.ids == ("08:00:27:00:00:01", "08:00:27:00:00:02")


def test_a_machine_without_cards_asks_as_its_virtual_ones(tmp_path):
    (tmp_path / "veth0").mkdir()
    (tmp_path / "veth0" / "address").write_text("0A:00:00:00:00:01\n")
    assert config.own_macs(tmp_path) == ("0a:00:00:00:00:01",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--server", "10.0.0.1"), "must be a URL"),
        (("--retry-interval", "5 s"), "1m30s"),
        (("--max-retry", "-1"), "whole number"),
        (("--capture-action-logs", "maybe"), "true or false"),
        (("--log-format", "xml"), "plain or json"),
        (("--nonsense",), "nonsense"),
        (("--config", "/no/such/file.json"), "/no/such/file.json"),
        (("-u", "me"), "--docker-registry"),
    ],
)
def test_a_wrong_setting_says_what_to_write(words, said):
    with pytest.raises(ConfigError, match=said):
        load("--id", "w", *words)


def test_no_server_and_no_id_are_told():
    with pytest.raises(ConfigError, match="--server"):
        config.load(("--id", "w"), {})
    with pytest.raises(ConfigError, match="give --id"):
        load()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tink-worker.json", "[]"),
        ("tink-worker.json", "[" * 50_000),
        ("tink-worker.json", '{"colour": "red"}'),
        ("tink-worker.toml", "id = "),
        ("tink-worker.yaml", "id:\n  - nested\n"),
        ("tink-worker.yaml", "\tid: x y: z\n"),
        ("tink-worker.yaml", "a" * 70_000),
    ],
)
def test_a_wrong_file_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        load("--id", "w")


def test_the_data_limit_can_only_be_lowered():
    assert load("--id", "w", "--max-file-size", "99999999999").max_file_size_bytes == 10_485_760


def test_the_password_is_not_shown():
    assert "secret" not in repr(load("--id", "w", "-r", "r", "-u", "me", "-p", "secret"))


def test_every_setting_has_a_flag_a_variable_and_help():
    text = config.parser().format_help()
    for setting in SETTINGS:
        assert f"--{setting.flag}" in text
        assert all(variable in text for variable in setting.variables)


def test_every_setting_is_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "worker.md").read_text()
    for setting in SETTINGS:
        assert f"`--{setting.flag}" in page, setting.flag
        assert all(f"`{variable}`" in page for variable in setting.variables), setting.flag
