"""Each sentence of "Working with Workflows" (Tinkerbell's documents, 2020-07-28) is true of us.

The tests stand in the page's order and are named after its sentences; those on ephemeral
data are in test_ephemeral_data_of_workflows.py.  What the page says of
booting is true of what a boot service needs to know: that we tell it.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner import resources
from tests.e2e.site import Site
from worker import wire
from worker.transport import ServerApi

EXAMPLES = resources.examples_folder()
N1, N2 = "ce2e62ed-826f-4485-a39f-a82bb74338e2", "7e5b4b6c-0f49-4c39-9d0c-8c4f4e0f9d11"
MAC_1, MAC_2 = "08:00:27:00:00:01", "08:00:27:00:00:02"
DEVICES = '{"device_1":"08:00:27:00:00:01"}'
RENDERED = """\
version: "0.1"
name: hello_world_workflow
global_timeout: 600
tasks:
  - name: "hello world"
    worker: "08:00:27:00:00:01"
    actions:
      - name: "hello_world"
        image: hello-world
        timeout: 60
"""
pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A served repository with the page's template, two machines, and a client for workers."""

    site: Site
    api: ServerApi

    template_id: str = "6dfcf671-cd09-5efa-ab8e-fad1c05d11e3"  # follows from its name

    def create(self, devices: str = DEVICES) -> str:
        said = self.site.tink("workflow", "create", "-t", self.template_id, "-r", devices)
        workflow = said.split()[-1]
        self.site.await_state(workflow, "STATE_PENDING")
        return workflow

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.site.address}{path}", timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def is_ready(self) -> bool:
        try:
            return bool(self.get("/readyz"))
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def report(self, offer: wire.Offer, status: str, attempt: int = 1) -> None:
        self.api.report(
            offer.workflow_id,
            wire.Report(
                report_id=wire.report_id(offer.workflow_id, offer.action_index, attempt, status),
                worker=MAC_1,
                task_name=offer.task_name,
                action_name=offer.action_name,
                action_index=offer.action_index,
                attempt=attempt,
                action_status=status,
            ),
        )

    def ask(self, worker: str) -> wire.Offer | None:
        return self.api.poll(worker, 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of every test, made once."""
    site = Site(folder=tmp_path_factory.mktemp("made"))
    site.repository.mkdir()
    site.tink("init", ".")
    for name in ("n1.yaml", "n2.yaml"):
        site.tink("hardware", "push", "--file", str(EXAMPLES / "hardware" / name))
    site.tink("template", "create", "--file", str(EXAMPLES / "templates" / "hello-world.yaml"))
    return site.repository


@pytest.fixture
def page(made: Path, tmp_path: Path) -> Iterator[Page]:
    site = Site(folder=tmp_path)
    shutil.copytree(made, site.repository)
    site.serve()
    api = ServerApi(f"http://{site.address}", stop=threading.Event())
    page = Page(site=site, api=api)
    site.await_that(page.is_ready, "the server to have read the repository")
    yield page
    api.close()
    site.stop_all()


def offered(page: Page, worker: str = MAC_1) -> wire.Offer:
    offer = page.ask(worker)
    assert offer is not None
    return offer


def finish(page: Page, workflow: str) -> None:
    offer = offered(page)
    assert offer.workflow_id == workflow
    page.report(offer, "STATE_RUNNING")
    page.report(offer, "STATE_SUCCESS")


def test_a_workflow_is_the_complete_set_of_operations_to_be_run_on_a_worker(page):
    workflow = page.create()
    (path,) = [
        each
        for each in page.site.git("ls-tree", "-r", "--name-only", "status").split()
        if each.endswith(f"{workflow}/record.json")
    ]
    record = json.loads(page.site.git("show", f"status:{path}"))
    assert [action["name"] for action in record["actions"]] == ["hello_world"]
    assert record["hardware"][N1]["network"]["interfaces"][0]["dhcp"]["mac"] == MAC_1


def test_it_consists_of_two_building_blocks_a_workers_hardware_data_and_a_template(page):
    words = ("workflow", "create", "-t", page.template_id, "-r")
    page.site.tink(*words, DEVICES)
    page.site.tink(*words, '{"device_1":"08:00:27:00:00:99"}', exit_code=1)  # no such hardware
    nobody = "75ab8483-6f42-42a9-a80d-a9f6196130df"
    page.site.tink("workflow", "create", "-t", nobody, "-r", DEVICES, exit_code=1)


def test_workflows_are_immutable(page):
    workflow = page.create()
    (path,) = (page.site.repository / "workflows").glob("*.yaml")
    path.write_text(path.read_text().replace(MAC_1, MAC_2))
    page.site.commit("Edit the request")
    page.site.await_that(lambda: _problem(page, "workflow.immutable"), "the edit to be refused")
    assert page.site.tink("workflow", "get", workflow) == RENDERED
    assert offered(page).workflow_id == workflow


def _problem(page: Page, code: str) -> bool:
    return code in page.site.git("show", "status:reconcile.json")


def test_updating_a_template_or_hardware_data_does_not_update_existing_workflows(page):
    workflow = page.create()
    for path in ("templates/hello_world_workflow.yaml", "hardware/n1.yaml"):
        file = page.site.repository / path
        changed = file.read_text().replace("timeout: 60\n", "timeout: 90\n").replace("n1", "nx")
        file.write_text(changed)
    page.site.commit("Update template and hardware")
    newer = page.create()
    assert "timeout: 90" in page.site.tink("workflow", "get", newer)
    assert page.site.tink("workflow", "get", workflow) == RENDERED
    assert offered(page).timeout_seconds == 60


def test_you_create_a_workflow_with_tink_workflow_create_which_takes_a_template_id_and_json(page):
    words = ("workflow", "create", "-t", page.template_id, "-r", DEVICES)
    assert re.fullmatch(r"Created Workflow:  [0-9a-f-]{36}\n", page.site.tink(*words))


def test_the_workflow_is_stored_in_the_database_on_the_provisioner_and_returns_a_workflow_id(page):
    workflow = page.create()
    stored = page.site.git("ls-tree", "-r", "--name-only", "status")
    assert f"/{workflow}/workflow.yaml\n" in stored
    assert f"/{workflow}.json\n" in stored


def test_the_template_id_is_a_uuid(page):
    (told,) = page.site.tink("template", "list", "-q").split()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told)
    assert told == page.template_id


def test_the_mac_address_should_match_that_of_hardware_data_that_you_have_already_created(page):
    unknown = '{"device_1":"08:00:27:00:00:03"}'
    words = ("workflow", "create", "-t", page.template_id, "-r", unknown)
    before = page.site.git("rev-parse", "main")
    page.site.tink(*words, exit_code=1)
    assert page.site.git("rev-parse", "main") == before


def test_it_is_mapped_to_device_1_which_is_where_the_mac_address_will_be_substituted(page):
    workflow = page.create()
    text = page.site.tink("template", "get", page.template_id)
    assert page.site.tink("workflow", "get", workflow) == text.replace("{{.device_1}}", MAC_1)


def test_you_can_retrieve_it_from_the_database_by_id_with_tink_workflow_get(page):
    assert page.site.tink("workflow", "get", page.create()) == RENDERED


@pytest.mark.parametrize("address", [MAC_1, "192.168.1.5"])
def test_you_can_check_that_the_mac_or_ip_address_was_correctly_substituted(page, address):
    workflow = page.create(json.dumps({"device_1": address}))
    assert f'worker: "{address}"\n' in page.site.tink("workflow", "get", workflow)


def test_you_can_list_all_the_workflows_stored_in_the_database_with_tink_workflow_list(page):
    workflows = sorted(page.create() for _ in range(3))
    assert page.site.tink("workflow", "list", "-q").split() == workflows
    table = page.site.tink("workflow", "list")
    assert all(f"| {each} |" in table for each in workflows)


def test_delete_a_workflow_with_tink_workflow_delete(page):
    workflow = page.create()
    assert page.site.tink("workflow", "delete", workflow) == f"Deleted\t{workflow}\n"
    page.site.await_state(workflow, "STATE_CANCELLED")
    assert page.site.tink("workflow", "list", "-q") == ""
    assert page.ask(MAC_1) is None


def test_on_the_first_boot_whoever_boots_the_worker_learns_its_ip_address_and_netboot_flags(page):
    told = json.loads(page.get(f"/v1/hardware/{N1}"))
    (interface,) = told["network"]["interfaces"]
    assert interface["dhcp"]["ip"]["address"] == "192.168.1.5"
    assert interface["netboot"] == {"allow_pxe": True, "allow_workflow": True}


@pytest.mark.parametrize("address", [MAC_1, "192.168.1.5", "08-00-27-00-00-01", N1])
def test_it_then_asks_the_server_for_workflows_that_match_its_mac_or_ip_address(page, address):
    workflow = page.create()
    assert offered(page, address).workflow_id == workflow


def test_if_there_are_no_workflows_for_the_worker_the_provisioner_ignores_its_request(page):
    page.create()
    idle, unknown = page.ask(MAC_2), page.ask("08:00:27:00:00:99")
    assert idle is None
    assert unknown is None


def test_if_an_os_was_installed_the_boot_request_is_left_to_the_newly_installed_os(page):
    workflow = page.create()
    finish(page, workflow)
    page.site.await_state(workflow, "STATE_SUCCESS")
    assert page.ask(MAC_1) is None


def test_if_it_was_not_installed_the_worker_after_reboot_will_request_from_the_provisioner(page):
    page.create()
    first = offered(page)
    page.report(first, "STATE_RUNNING")
    again = offered(page)  # after its reboot: the same action, still under way
    assert (again.action_index, again.action_status, again.attempt) == (0, "STATE_RUNNING", 1)
    page.report(again, "STATE_RUNNING", attempt=2)
    page.report(again, "STATE_SUCCESS", attempt=2)
    page.site.await_state(first.workflow_id, "STATE_SUCCESS")


def test_you_can_view_the_events_and_the_state_of_a_workflow_during_or_after_its_execution(page):
    workflow = page.create()
    offer = offered(page)
    page.report(offer, "STATE_RUNNING")
    during = page.site.tink("workflow", "state", workflow)
    assert "| Workflow Progress    | 0%                                   |\n" in during
    assert "| Current Action State | STATE_RUNNING                        |\n" in during
    assert f"| Current Worker       | {N1} |\n" in during
    assert page.site.tink("workflow", "events", workflow).count("| STATE_") == 1
    page.report(offer, "STATE_SUCCESS")
    after = page.site.tink("workflow", "state", workflow)
    assert "| Workflow Progress    | 100%                                 |\n" in after
    assert page.site.tink("workflow", "events", workflow).count("| STATE_") == 2
