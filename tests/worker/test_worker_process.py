"""Does a real tink-worker survive what happens to machines?  Real process, real engine."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.faketime import FakeClock
from tests.worker.fake_server import Refusal, an_action
from tests.worker.processes import eventually
from worker import folder_lock

pytestmark = [pytest.mark.docker, pytest.mark.kill]

ONE, TWO = "08:00:27:00:00:01", "08:00:27:00:00:02"
PUSH_LIMIT = 10_485_760


def sh(script: str, name: str = "action", **changes):
    return an_action(name, command=("/bin/sh", "-c", script), **changes)


def containers(engine) -> list[str]:
    words = ["docker", "-H", engine.url, "ps", "--all", "--format", "{{.Names}} {{.State}}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()


def test_two_machines_hand_over_and_share_their_data(server, worker_process):
    workflow = server.add(
        sh("echo '{\"a\": 1}' > /workflow/data.json", "write", worker_id=ONE),
        sh(
            "mkdir /workflow/sub; cat /workflow/data.json > '/workflow/sub/a copy'",
            "read",
            worker_id=TWO,
        ),
        sh("cat '/workflow/sub/a copy'; rm /workflow/data.json", "read again", worker_id=ONE),
    )
    worker_process(worker=ONE, name="one")
    worker_process(worker=TWO, name="two")
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.files() == {"sub/a copy": b'{"a": 1}\n'}
    assert workflow.events[-1].log_tail == '{"a": 1}\n'
    assert [one.action_status for one in workflow.events] == ["STATE_RUNNING", "STATE_SUCCESS"] * 3
    assert [one.message for one in workflow.events[:2]] == [
        "Started execution",
        "finished execution successfully",
    ]


@pytest.mark.parametrize("offset", ["+900d", "-900d"])
def test_a_worker_whose_clock_is_set_while_it_is_away_and_while_it_runs_goes_on_as_before(
    server, worker_process, engine, tmp_path, offset
):
    script = "sleep 6; echo done"
    workflow = server.add(sh(script, timeout_seconds=60), sh("true", "next", timeout_seconds=60))
    machine = worker_process()
    eventually(lambda: any("running" in each for each in containers(engine)), "a container")
    machine.stop(signal.SIGKILL)
    clock = FakeClock(tmp_path / "clock", offset)
    machine.start(**clock.environment)
    eventually(lambda: "resuming container" in machine.log, "the same container")
    clock.set("+0")
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert [one.attempt for one in workflow.events] == [1] * 4
    assert workflow.events[1].log_tail == "done\n"
    assert 4 <= workflow.events[1].seconds < 60


def test_a_container_that_is_killed_by_hand_is_noticed_whatever_the_clock_says(
    server, worker_process, engine, tmp_path
):
    workflow = server.add(sh("sleep 60"))
    machine = worker_process()
    machine.stop(signal.SIGKILL)
    machine.start(**FakeClock(tmp_path / "clock", "+2h").environment)
    eventually(lambda: any("running" in each for each in containers(engine)), "a container")
    name = containers(engine)[0].split()[0]
    subprocess.run(["docker", "-H", engine.url, "kill", name], check=True, capture_output=True)
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert "exit code 137" in workflow.events[-1].message


def test_an_action_that_changes_nothing_pushes_nothing(server, worker_process):
    workflow = server.add(sh("true"), sh("echo 1 > /workflow/x"), sh("cat /workflow/x"))
    worker_process()
    server.wait_for_end(workflow)
    assert len(workflow.archives) == 1


def test_nothing_leaks_into_the_next_workflow_and_nothing_stays(server, worker_process, engine):
    first = server.add(sh("echo secret > /workflow/x"))
    second = server.add(sh("ls -A /workflow"))
    machine = worker_process()
    server.wait_for_end(first)
    server.wait_for_end(second)
    assert second.events[-1].log_tail == ""
    eventually(
        lambda: [each.name for each in machine.workflow_dir.iterdir()] == [folder_lock.NAME],
        "an empty workflow folder",
    )
    eventually(lambda: not containers(engine), "no containers")


def test_the_output_of_actions_goes_to_stdout(server, worker_process):
    workflow = server.add(sh("echo hello from the action"))
    machine = worker_process()
    server.wait_for_end(workflow)
    assert "hello from the action\n" in machine.output
    assert "hello from the action" not in machine.log


def test_data_of_exactly_the_limit_passes_and_one_byte_more_fails(server, worker_process):
    fits = server.add(sh(f"head -c {PUSH_LIMIT} /dev/zero > /workflow/x"))
    exceeds = server.add(
        sh("echo good > /workflow/x", "good"),
        sh(f"head -c {PUSH_LIMIT + 1} /dev/zero > /workflow/x", "bad"),
    )
    worker_process()
    assert server.wait_for_end(fits) == "STATE_SUCCESS"
    assert len(fits.files()["x"]) == PUSH_LIMIT
    assert server.wait_for_end(exceeds) == "STATE_FAILED"
    assert exceeds.events[-1].message == (
        "Action Failed: ephemeral data is 10485761 bytes, the limit is 10485760 bytes"
    )
    assert exceeds.files() == {"x": b"good\n"}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("ln -s /etc/passwd /workflow/x", "a symbolic link"),
        ("mkfifo /workflow/x", "a fifo"),
        ("mknod /workflow/x c 1 3", "a device"),
    ],
)
def test_what_is_no_file_fails_the_action_and_is_not_shared(server, worker_process, script, kind):
    workflow = server.add(sh(script))
    worker_process()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert workflow.events[-1].message == (
        f"Action Failed: ephemeral data has {kind} at 'x'; only plain files and folders are shared"
    )
    assert not workflow.archives


def test_a_failed_action_still_shares_what_it_wrote(server, worker_process):
    workflow = server.add(sh("echo why > /workflow/x; exit 1"))
    worker_process()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert workflow.files() == {"x": b"why\n"}
    assert workflow.events[-1].message == "Action Failed: exit code 1"


def test_a_cancelled_workflow_loses_its_container(server, worker_process, engine):
    workflow = server.add(sh("sleep 600"))
    after = server.add(sh("true"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    server.cancel(workflow)
    eventually(lambda: not any(workflow.id in one for one in containers(engine)), "its end", 15)
    assert server.wait_for_end(after) == "STATE_SUCCESS"
    assert [one.action_status for one in workflow.events] == ["STATE_RUNNING"]
    assert not (machine.workflow_dir / workflow.id).exists()


def test_a_killed_worker_goes_on_with_the_container_it_left(
    server, worker_process, engine, tmp_path
):
    go = f"{tmp_path}/go"
    Path(go).mkdir()
    workflow = server.add(
        sh(
            "echo begun; until [ -e /go/now ]; do sleep 0.1; done; echo done > /workflow/x",
            volumes=(f"{go}:/go",),
        )
    )
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    machine.stop(signal.SIGKILL)
    machine.start()
    eventually(lambda: "resuming container" in machine.log, "the container found")
    (Path(go) / "now").touch()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.story() == [("action", "STATE_RUNNING", 1), ("action", "STATE_SUCCESS", 1)]
    assert workflow.files() == {"x": b"done\n"}
    assert workflow.events[-1].log_tail == "begun\n"


def test_an_end_that_came_while_no_worker_was_there_is_reported(server, worker_process, engine):
    workflow = server.add(sh("sleep 1; echo late; exit 5"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    machine.stop(signal.SIGKILL)
    eventually(lambda: any("exited" in one for one in containers(engine)), "its end")
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert workflow.story() == [("action", "STATE_RUNNING", 1), ("action", "STATE_FAILED", 1)]
    assert (workflow.events[-1].exit_code, workflow.events[-1].log_tail) == (5, "late\n")


def test_a_worker_told_to_leave_leaves_its_container_running(server, worker_process, engine):
    workflow = server.add(sh("sleep 3; echo survived"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    assert machine.stop(signal.SIGTERM) == 0
    assert any("running" in one for one in containers(engine))
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.story()[-1] == ("action", "STATE_SUCCESS", 1)


def test_an_idle_worker_ends_in_the_middle_of_its_long_poll(server, worker_process):
    machine = worker_process("--wait", "60")
    server.wait_for(lambda: any("wait=60" in one for one in server.requests), "a long poll")
    assert machine.stop(signal.SIGTERM) == 0  # within half of that
    assert "shutting down" in machine.log


def test_a_chatty_action_keeps_only_its_end_and_shows_all(server, worker_process):
    workflow = server.add(sh("seq 1 40000"))
    machine = worker_process()
    server.wait_for_end(workflow)
    assert machine.output.splitlines() == [str(number) for number in range(1, 40_001)]
    assert workflow.events[-1].log_tail.endswith("\n39999\n40000\n")


def test_a_machine_that_lost_the_container_runs_the_action_again(server, worker_process, engine):
    workflow = server.add(
        sh("if [ -e /workflow/x ]; then exit 9; fi; echo 1 > /workflow/x; sleep 600", "reboots"),
        sh("true", "next"),
    )
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    eventually(lambda: (machine.workflow_dir / workflow.id / "x").exists(), "a file")
    machine.stop(signal.SIGKILL)
    name = containers(engine)[0].split()[0]
    subprocess.run(["docker", "-H", engine.url, "rm", "-f", name], check=True, capture_output=True)
    workflow.actions[0] = sh("ls -A /workflow; true", "reboots")
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.story()[:3] == [
        ("reboots", "STATE_RUNNING", 1),
        ("reboots", "STATE_RUNNING", 2),
        ("reboots", "STATE_SUCCESS", 2),
    ]
    assert workflow.events[2].log_tail == ""  # what the first try wrote was never shared


def test_an_engine_that_is_stopped_in_mid_action_is_waited_for(server, worker_process, engine):
    workflow = server.add(sh("trap 'exit 7' TERM; sleep 4 & wait; echo through"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    engine.halt(signal.SIGTERM)
    eventually(lambda: "waiting for it" in machine.log, "the loss noticed")
    engine.resume()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.events[-1].log_tail == "through\n"
    assert workflow.story() == [
        ("action", "STATE_RUNNING", 1),
        ("action", "STATE_RUNNING", 2),
        ("action", "STATE_SUCCESS", 2),
    ]
    eventually(lambda: not containers(engine), "no containers")


def test_an_engine_that_is_killed_in_mid_action_is_waited_for(server, worker_process, engine):
    workflow = server.add(sh("sleep 4; echo through"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    engine.halt(signal.SIGKILL)
    eventually(lambda: "engine went away" in machine.log, "the loss noticed")
    engine.resume()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.events[-1].log_tail == "through\n"
    # The new engine may find the container alive, or have ended it.
    attempts = [("action", "STATE_RUNNING", number) for number in (1, 2)]
    last = workflow.events[-1].attempt
    assert workflow.story() == [*attempts[:last], ("action", "STATE_SUCCESS", last)]


def test_a_container_that_ended_while_its_engine_was_stopped_is_removed_later(
    server, worker_process, engine
):
    workflow = server.add(sh("trap 'sleep 2; exit 0' TERM; sleep 60 & wait"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    engine.halt(signal.SIGTERM)
    engine.resume()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    eventually(lambda: not containers(engine), f"no containers; {machine.log}")


def test_a_server_that_goes_away_changes_nothing_for_a_running_action(server, worker_process):
    workflow = server.add(sh("sleep 1; echo 1 > /workflow/x"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    server.go_away()
    eventually(lambda: "not delivered" in machine.log, "a report that waits")
    server.come_back()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.story() == [("action", "STATE_RUNNING", 1), ("action", "STATE_SUCCESS", 1)]
    assert workflow.files() == {"x": b"1\n"}


def test_a_report_whose_answer_was_lost_counts_once(server, worker_process):
    lost: list[str] = []

    def swallow(method: str, path: str) -> bool:
        if method in ("POST", "PUT") and "heartbeat" not in path and lost.count(path) < 2:
            lost.append(path)
            return True
        return False

    server.swallow = swallow
    workflow = server.add(sh("echo 1 >> /workflow/x"))
    worker_process()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert len(lost) >= 4
    assert workflow.story() == [("action", "STATE_RUNNING", 1), ("action", "STATE_SUCCESS", 1)]
    assert (len(workflow.archives), workflow.files()) == (1, {"x": b"1\n"})


def test_a_refused_report_does_not_end_the_worker(server, worker_process):
    def refuse(method: str, path: str) -> None:
        if path.endswith("/reports"):
            server.before = lambda method, path: None
            raise Refusal(409, "not now")

    server.before = refuse
    workflow = server.add(sh("true"))
    machine = worker_process()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert "refused a report" in machine.log


def test_what_is_over_when_the_worker_comes_back_is_removed(server, worker_process, engine):
    workflow = server.add(sh("sleep 600"))
    machine = worker_process()
    server.wait_for_status(workflow, "STATE_RUNNING")
    eventually(lambda: any("running" in one for one in containers(engine)), "a container")
    machine.stop(signal.SIGKILL)
    server.cancel(workflow)
    machine.start()
    eventually(lambda: not containers(engine), "no containers", 15)
