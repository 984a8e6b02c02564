"""Commit to machine, with real processes and real containers."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from tests.e2e.site import Site, action, mac, template

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

DEVICES = {"device_1": mac(1), "device_2": mac(2)}


def containers(site: Site, workflow: str, *flags: str) -> list[str]:
    label = f"label=tinkgit.workflow={workflow}"
    words = ["docker", "-H", site.docker_host, "ps", "-q", "--filter", label, *flags]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return done.stdout.split()


def running_container(site: Site, workflow: str) -> str:
    return site.await_that(lambda: containers(site, workflow), "a running container")[0]


def test_a_workflow_goes_to_and_fro_between_two_machines(
    site_with_engine: Site, image: str
) -> None:
    site = site_with_engine
    write = action("write", "echo 1 > /workflow/seen", image)
    add = action("add", "test -s /workflow/seen && echo 2 >> /workflow/seen", image)
    tasks = [(1, [write]), (2, [add]), (1, [add]), (2, [add]), (1, [add])]
    site.commit("Add a template", templates__relay=template("relay", *tasks))
    site.serve()
    site.work(1)
    site.work(2, worker="192.168.1.2")
    workflow = site.create("relay", **DEVICES)
    site.await_state(workflow, "STATE_SUCCESS", "STATE_FAILED")
    assert site.state(workflow) == "STATE_SUCCESS", site.logs()
    assert [status for _, status in site.events(workflow)] == [
        "STATE_RUNNING",
        "STATE_SUCCESS",
    ] * 5
    assert site.tink("workflow", "data", workflow) == "1\n2\n2\n2\n2\n"
    assert containers(site, workflow, "-a") == []
    site.git("fsck", "--strict")
    site.tink("fsck")


def test_deleting_the_request_stops_the_container_and_cancels(
    site_with_engine: Site, image: str
) -> None:
    site = site_with_engine
    site.commit(
        "Add a template", templates__long=template("long", (1, [action("a", "sleep 300", image)]))
    )
    site.serve()
    worker = site.work(1)
    workflow = site.create("long", **DEVICES)
    running_container(site, workflow)
    site.tink("workflow", "delete", workflow)
    site.await_state(workflow, "STATE_CANCELLED", seconds=10)
    site.await_that(
        lambda: not containers(site, workflow, "-a"), "the container to be gone", seconds=15
    )
    assert site.state(workflow) == "STATE_CANCELLED"
    assert worker.poll() is None, "the worker goes on"


def test_a_machine_that_reboots_in_mid_action_runs_that_action_again(
    site_with_engine: Site, image: str
) -> None:
    site = site_with_engine
    script = "test -e /tmp/never; sleep 3; echo done >> /workflow/done"
    actions = [
        action("first", "true", image),
        action("second", script, image),
        action("third", "true", image),
    ]
    site.commit("Add a template", templates__boot=template("boot", (1, actions)))
    site.serve()
    worker = site.work(1)
    workflow = site.create("boot", **DEVICES)
    site.await_that(
        lambda: ("second", "STATE_RUNNING") in _events_or_none(site, workflow), "second to run"
    )
    container = running_container(site, workflow)
    site.kill(worker)  # the power goes: worker and containers are gone, and so is /workflow
    subprocess.run(
        ["docker", "-H", site.docker_host, "rm", "-f", container], check=True, capture_output=True
    )
    site.work(1)
    site.await_state(workflow, "STATE_SUCCESS", "STATE_FAILED", "STATE_TIMEOUT")
    assert site.events(workflow) == [
        ("first", "STATE_RUNNING"),
        ("first", "STATE_SUCCESS"),
        ("second", "STATE_RUNNING"),
        ("second", "STATE_RUNNING"),
        ("second", "STATE_SUCCESS"),
        ("third", "STATE_RUNNING"),
        ("third", "STATE_SUCCESS"),
    ]
    assert site.tink("workflow", "data", workflow) == "done\n"


def _events_or_none(site: Site, workflow: str) -> list[tuple[str, str]]:
    try:
        return site.events(workflow)
    except StopIteration:
        return []


def test_a_server_that_is_away_is_waited_for(site_with_engine: Site, image: str) -> None:
    site = site_with_engine
    actions = [
        action("first", "sleep 2; echo once >> /workflow/runs", image),
        action("second", "true", image),
    ]
    site.commit("Add a template", templates__wait=template("wait", (1, actions)))
    site.serve()
    site.work(1)
    workflow = site.create("wait", **DEVICES)
    running_container(site, workflow)
    site.kill(site.server)
    site.await_that(lambda: not containers(site, workflow), "the action to end meanwhile")
    time.sleep(1)  # the worker knocks in vain
    site.serve()
    site.await_state(workflow, "STATE_SUCCESS", "STATE_FAILED", "STATE_TIMEOUT")
    assert [status for _, status in site.events(workflow)] == ["STATE_RUNNING", "STATE_SUCCESS"] * 2
    assert site.tink("workflow", "data", workflow) == "once\n", "nothing is run twice"


def test_a_failed_action_says_why_and_keeps_its_log(site_with_engine: Site, image: str) -> None:
    site = site_with_engine
    script = "echo no disk here >&2; exit 3"
    site.commit(
        "Add a template", templates__bad=template("bad", (1, [action("wipe", script, image)]))
    )
    site.serve()
    site.work(1)
    workflow = site.create("bad", **DEVICES)
    site.await_state(workflow, "STATE_FAILED", "STATE_SUCCESS")
    events = site.tink("workflow", "events", workflow)
    assert "STATE_FAILED" in events and "3" in events
    assert "no disk here" in site.tink("workflow", "logs", workflow)


def test_an_action_that_takes_too_long_is_killed(site_with_engine: Site, image: str) -> None:
    site = site_with_engine
    slow = action("slow", "sleep 300", image, timeout=2)
    site.commit("Add a template", templates__slow=template("slow", (1, [slow])))
    site.serve()
    site.work(1)
    workflow = site.create("slow", **DEVICES)
    site.await_state(workflow, "STATE_TIMEOUT", "STATE_FAILED", "STATE_SUCCESS")
    assert site.events(workflow)[-1] == ("slow", "STATE_TIMEOUT")
    assert containers(site, workflow, "-a") == []


def test_one_byte_over_the_data_limit_fails_the_action(site_with_engine: Site, image: str) -> None:
    site = site_with_engine
    full = "head -c 10485760 /dev/zero > /workflow/full"
    tasks = (1, [action("full", full, image), action("over", "echo > /workflow/more", image)])
    site.commit("Add a template", templates__data=template("data", tasks))
    site.serve()
    site.work(1)
    workflow = site.create("data", **DEVICES)
    site.await_state(workflow, "STATE_FAILED", "STATE_SUCCESS")
    assert site.events(workflow)[-1] == ("over", "STATE_FAILED")
    told = site.tink("workflow", "events", workflow)
    assert "10485761" in told and "10485760" in told
    out = site.folder / "out"
    site.tink("workflow", "data", workflow, "--out", str(out))
    assert [(each.name, each.stat().st_size) for each in out.iterdir()] == [("full", 10485760)]


def test_a_workflow_for_another_machine_is_not_ours(site_with_engine: Site, image: str) -> None:
    site = site_with_engine
    site.commit("Add a template", templates__one=template("one", (1, [action("a", "true", image)])))
    site.serve()
    site.work(3)
    workflow = site.create("one", **DEVICES)
    site.await_state(workflow, "STATE_PENDING")
    time.sleep(2)  # long enough for a worker that would take it
    assert site.state(workflow) == "STATE_PENDING"
    site.work(1)
    site.await_state(workflow, "STATE_SUCCESS")


def test_two_workflows_of_one_machine_run_one_after_the_other(
    site_with_engine: Site, image: str
) -> None:
    site = site_with_engine
    site.commit(
        "Add a template", templates__one=template("one", (1, [action("a", "sleep 1", image)]))
    )
    site.serve()
    first, second = site.create("one", **DEVICES), site.create("one", **DEVICES)
    site.await_state(second, "STATE_PENDING")
    told = json.loads(site.tink("workflow", "state", second, "-o", "json"))
    assert told["waits_for"] == first
    assert first in site.tink("workflow", "state", second)
    site.work(1)
    site.await_state(second, "STATE_SUCCESS")
    assert site.state(first) == "STATE_SUCCESS"
