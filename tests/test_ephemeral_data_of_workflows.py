"""Each sentence of the page's chapter "Ephemeral Data" is true of us.

Two workers on a real engine play the page's own example once; the tests look at what came
of it, in the page's order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioner.demo.engine import Engine
from provisioner.resources import examples_folder
from tests.e2e.site import Site
from worker import config, wire

EXAMPLES = examples_folder()
WRITTEN = {
    "instance_id": "123e4567-e89b-12d3-a456-426655440000",
    "mac_addr": "F5:C9:E2:99:BD:9B",
    "operating_system": "ubuntu_18_04",
}
ADDRESSES = [{"address_family": 4, "address": "172.27.0.23", "cidr": 31, "private": True}]
BINARY = bytes(range(256))
OCTAL = "".join(f"\\{byte:03o}" for byte in BINARY)

WRITE = f"""cat > /workflow/data <<'END'
{json.dumps(WRITTEN, indent=2)}
END
mkdir /workflow/more
printf '{OCTAL}' > /workflow/more/firmware.bin"""
EXTEND = f"""cat /workflow/data
cat > /tmp/more <<'END'
  "ip_addresses": {json.dumps(ADDRESSES)},
END
sed '/instance_id/r /tmp/more' /workflow/data > /tmp/new && cat /tmp/new > /workflow/data
md5sum < /workflow/more/firmware.bin"""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


def template(name: str, image: str, *actions: tuple[int, str, str]) -> str:
    """Each action is a machine's number, a name and a script, in a task of its own."""
    tasks = [
        {
            "name": f"{number} {action}",
            "worker": f"{{{{.device_{machine}}}}}",
            "actions": [
                {"name": action, "image": image, "timeout": 60, "command": ["sh", "-ec", script]}
            ],
        }
        for number, (machine, action, script) in enumerate(actions)
    ]
    # JSON is YAML.
    return json.dumps({"version": "0.1", "name": name, "tasks": tasks})


@dataclass(kw_only=True)
class Story:
    """What was played: workflow `shared`, then `later`, then `heavy` at and over the limit."""

    site: Site
    shared: str = ""
    later: str = ""
    full: str = ""
    heavy: str = ""
    folders: dict[str, bool] = field(default_factory=dict)  # seen in mid-workflow, by machine

    def log(self, workflow: str, action: str) -> str:
        return self.site.tink("workflow", "logs", workflow, "--action", action)

    def data(self, workflow: str, *words: str) -> str:
        return self.site.tink("workflow", "data", workflow, *words)

    def events(self, workflow: str) -> str:
        return self.site.tink("workflow", "events", workflow)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, _session_engine: Engine) -> Iterator[Story]:
    site = Site(folder=tmp_path_factory.mktemp("story"), docker_host=_session_engine.url)
    try:
        yield _played(site)
    finally:
        site.stop_all()


def _played(site: Site) -> Story:
    from tests.engine.private_engine import IMAGE

    site.repository.mkdir()
    site.tink("init", ".")
    files = {
        f"hardware__{name}": (EXAMPLES / "hardware" / f"{name}.yaml").read_text()
        for name in ("n1", "n2")
    }
    count = "ls -A /workflow | wc -l"
    limit = wire.DATA_LIMIT_BYTES
    files["templates__shared"] = template(
        "shared",
        IMAGE,
        (1, "look", count),
        (1, "write", WRITE),
        (2, "extend", EXTEND),
        (1, "read", "cat /workflow/data; sleep 2"),
    )
    files["templates__later"] = template("later", IMAGE, (1, "look", count), (2, "see", count))
    for name, size in (("full", limit), ("heavy", limit + 1)):
        fill = f"head -c {size} /dev/zero > /workflow/data"
        files[f"templates__{name}"] = template(
            name, IMAGE, (1, "small", "echo small > /workflow/data"), (1, "fill", fill)
        )
    site.commit("Add machines and templates", **files)
    site.serve()
    site.work(1)
    site.work(2)
    story = Story(site=site)
    devices = {"device_1": "08:00:27:00:00:01", "device_2": "192.168.1.6"}
    ends = ("STATE_SUCCESS", "STATE_FAILED", "STATE_TIMEOUT")
    story.shared = site.create("shared", **devices)
    site.await_that(lambda: ("read", "STATE_RUNNING") in _events(story), "the last action")
    story.folders = {
        f"machine-{number}": (site.folder / f"machine-{number}" / story.shared / "data").exists()
        for number in (1, 2)
    }
    site.await_state(story.shared, *ends)
    for name in ("later", "full", "heavy"):
        workflow = site.create(name, **devices)
        setattr(story, name, workflow)
        site.await_state(workflow, *ends)
    return story


def _events(story: Story) -> list[tuple[str, str]]:
    site = story.site
    site.await_state(story.shared, "STATE_RUNNING", "STATE_SUCCESS", "STATE_FAILED")
    return site.events(story.shared)


def test_those_workflows_are_then_executed_onto_the_worker(story):
    assert story.site.state(story.shared) == "STATE_SUCCESS", story.site.logs()
    done = [action for action, status in _events(story) if status == "STATE_SUCCESS"]
    assert done == ["look", "write", "extend", "read"]


def test_ephemeral_data_is_shared_between_workers_as_they_execute_workflows(story):
    assert json.loads(story.log(story.shared, "extend").rpartition("}")[0] + "}") == WRITTEN


def test_ephemeral_data_is_stored_at_workflow_workflow_id_in_each_tink_worker(story):
    default = config.load(["--server", "http://192.168.1.1", "--id", "08:00:27:00:00:01"], {})
    assert default.workflow_dir == Path("/workflow")
    assert story.folders["machine-1"]


def test_initially_the_directory_is_empty(story):
    assert story.log(story.shared, "look") == "0\n"


def test_you_populate_it_by_having_the_actions_of_a_template_write_to_it(story):
    metadata = json.loads(story.data(story.shared, "--version", "1", "--metadata"))
    assert metadata["actionName"] == "write"
    assert metadata["workerID"] == "ce2e62ed-826f-4485-a39f-a82bb74338e2"


def test_the_content_is_pushed_back_to_the_database_and_from_there_to_the_other_workers(story):
    listing = story.site.git("ls-tree", "-r", "--name-only", "status", "data/")
    assert f"/{story.shared}/" in listing
    assert story.log(story.shared, "extend").startswith("{\n")


def test_subsequent_actions_can_read_the_data_of_other_workers_and_update_that_file(story):
    told = json.loads(story.log(story.shared, "read"))
    assert told == {**WRITTEN, "ip_addresses": ADDRESSES}


def test_ephemeral_data_is_only_preserved_through_the_life_of_a_single_workflow(story):
    assert story.site.state(story.later) == "STATE_SUCCESS", story.site.logs()
    assert story.data(story.later) == "\n"


def test_each_workflow_that_executes_gets_an_empty_file(story):
    assert story.log(story.later, "look") == "0\n"
    assert story.log(story.later, "see") == "0\n"


def test_the_data_can_be_a_light_json_or_binary_files_that_other_workers_require(story, tmp_path):
    story.data(story.shared, "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "more" / "firmware.bin").read_bytes() == BINARY
    assert json.loads((tmp_path / "out" / "data").read_text())["ip_addresses"] == ADDRESSES


def test_there_is_a_10_mb_limit_for_ephemeral_data(story):
    assert story.site.state(story.full) == "STATE_SUCCESS", story.site.logs()
    assert story.site.state(story.heavy) == "STATE_FAILED"
    assert "10485761 bytes" in story.events(story.heavy)
    assert "10485760 bytes" in story.events(story.heavy)
    assert story.data(story.heavy) == "small\n"  # the last good version stays


def test_a_worker_may_write_the_following_data(story):
    assert json.loads(story.data(story.shared, "--version", "1")) == WRITTEN


def test_the_other_worker_may_retrieve_and_use_this_data_and_add_some_more(story):
    newest = json.loads(story.data(story.shared, "--version", "2"))
    assert newest == {**WRITTEN, "ip_addresses": ADDRESSES}
    metadata = json.loads(story.data(story.shared, "-m"))
    assert metadata["workerID"] == "7e5b4b6c-0f49-4c39-9d0c-8c4f4e0f9d11"


def test_you_can_get_the_ephemeral_data_with_the_tink_workflow_data_command(story):
    assert json.loads(story.data(story.shared)) == {**WRITTEN, "ip_addresses": ADDRESSES}
    assert story.data(story.shared, "-l") == "Latest workflow data version: 2\n"
