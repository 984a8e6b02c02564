"""Does an action run as the reference says?  On a real engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provisioner.demo import engine as starter
from tests.worker.fake_server import an_action

pytestmark = pytest.mark.docker


def sh(script: str, **changes):
    return an_action(command=("/bin/sh", "-c", script), **changes)


def containers(engine) -> str:
    words = ["docker", "-H", engine.url, "ps", "--all", "--format", "{{.Names}} {{.State}}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_an_action_that_ends_well_is_a_success_with_its_output(perform):
    outcome = perform(sh("echo one; echo two >&2"))
    assert (outcome.action_status, outcome.exit_code) == ("STATE_SUCCESS", 0)
    assert outcome.message == "finished execution successfully"
    assert sorted(outcome.log_tail.splitlines()) == ["one", "two"]


def test_an_exit_code_is_the_reason_of_a_failure(perform):
    outcome = perform(sh("exit 3"))
    assert (outcome.action_status, outcome.exit_code) == ("STATE_FAILED", 3)
    assert outcome.message == "Action Failed: exit code 3"


def test_the_image_says_what_runs_where_the_action_names_no_command(perform, engine):
    root = starter.busybox_root({"bin/hello": b"#!/bin/sh\necho hello"})
    engine.import_image("127.0.0.1:1/hello:1", root, command="/bin/hello")
    outcome = perform(an_action(image="127.0.0.1:1/hello:1", command=()))
    assert outcome.log_tail == "hello\n"


def test_an_action_is_privileged(perform):
    outcome = perform(sh("mount -t tmpfs none /mnt 2>&1 || mkdir /mnt && mount -t tmpfs x /mnt"))
    assert outcome.action_status == "STATE_SUCCESS", outcome.log_tail


def test_the_environment_is_the_actions(perform):
    outcome = perform(sh("echo $A $B", environment=("A=1", "B=two words")))
    assert outcome.log_tail == "1 two words\n"


def test_volumes_are_bound_after_the_workflow_folder(perform, tmp_path: Path):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "told").write_text("from the host")
    volume = f"{tmp_path}/host:/workflow/host:ro"
    outcome = perform(sh("cat /workflow/host/told; touch /workflow/host/x", volumes=(volume,)))
    assert "from the host" in outcome.log_tail
    assert outcome.action_status == "STATE_FAILED"  # read-only


def test_what_an_action_writes_is_in_the_folder_of_its_workflow(perform, a_run):
    perform(sh("echo hi > /workflow/said"))
    assert (a_run(an_action()).folder / "said").read_text() == "hi\n"


def test_pid_host_shows_the_hosts_processes(perform):
    alone = perform(sh("ls -d /proc/[0-9]* 2>/dev/null | wc -l"))
    outcome = perform(sh("ls -d /proc/[0-9]* 2>/dev/null | wc -l", pid="host"))
    assert int(outcome.log_tail) > int(alone.log_tail)


def test_the_network_is_the_one_that_the_action_names(perform):
    alone = perform(sh("readlink /proc/self/ns/net"))
    outcome = perform(sh("readlink /proc/self/ns/net", network="host"))
    assert (
        outcome.log_tail.strip()
        == str(Path("/proc/self/ns/net").readlink())
        != alone.log_tail.strip()
    )
    outcome = perform(sh("ls /sys/class/net", network="none"))
    assert outcome.log_tail.split() == ["lo"]


def test_a_name_with_spaces_and_signs_is_no_problem(perform, a_run, engine):
    name = "Stream ubuntu image!"
    outcome = perform(sh("true", action_name=name))
    assert outcome.action_status == "STATE_SUCCESS"


def test_an_action_past_its_time_is_killed_and_timed_out(perform):
    outcome = perform(sh("echo begun; sleep 600", timeout_seconds=1))
    assert outcome.action_status == "STATE_TIMEOUT"
    assert outcome.message == "Action Timed out after 1 s"
    assert outcome.log_tail == "begun\n"


def test_on_timeout_runs_in_a_second_container_and_changes_nothing(perform, a_run):
    outcome = perform(
        sh(
            "sleep 600",
            timeout_seconds=1,
            on_timeout=("sh", "-c", "echo sorry > /workflow/x; exit 9"),
        )
    )
    assert outcome.action_status == "STATE_TIMEOUT"
    assert (a_run(an_action()).folder / "x").read_text() == "sorry\n"
    assert "--- on-timeout: exit code 9" in outcome.log_tail


def test_on_failure_runs_after_a_failure(perform):
    outcome = perform(sh("exit 4", on_failure=("sh", "-c", "echo saved")))
    assert (outcome.action_status, outcome.exit_code) == ("STATE_FAILED", 4)
    assert "saved\n" in outcome.log_tail


def test_on_failure_runs_after_a_timeout_that_has_no_command_of_its_own(perform):
    outcome = perform(sh("sleep 600", timeout_seconds=1, on_failure=("sh", "-c", "echo saved")))
    assert outcome.action_status == "STATE_TIMEOUT"
    assert "saved\n" in outcome.log_tail


def test_neither_command_runs_after_a_success(perform):
    outcome = perform(sh("true", on_failure=("echo", "a"), on_timeout=("echo", "b")))
    assert outcome.log_tail == ""


def test_a_missing_image_fails_with_its_name_and_reason(perform):
    outcome = perform(sh("true", image="127.0.0.1:1/nosuch:1"))
    assert outcome.action_status == "STATE_FAILED"
    assert outcome.message.startswith("Action Failed: image 127.0.0.1:1/nosuch:1: ")
    assert "connection refused" in outcome.message
    assert len(outcome.message) <= 200


def test_a_command_that_is_not_there_fails_and_leaves_no_container(perform, engine):
    outcome = perform(an_action(command=("/no/such/thing",)))
    assert outcome.action_status == "STATE_FAILED"
    assert "/no/such/thing" in outcome.message
    assert containers(engine) == ""


def test_nothing_is_left_after_a_run(perform, engine):
    perform(sh("true"))
    perform(sh("exit 1", on_failure=("true",)))
    assert containers(engine) == ""


def test_only_the_end_of_a_long_output_is_kept(perform):
    outcome = perform(sh("yes 0123456789 | head -n 20000; echo the end"))
    assert outcome.log_tail.endswith("0123456789\nthe end\n")
    assert len(outcome.log_tail.encode()) <= 65_536


def test_output_that_is_not_text_is_kept_as_far_as_it_goes(perform):
    outcome = perform(sh(r"printf 'a\377b\n'"))
    assert outcome.log_tail == "a�b\n"


def test_without_capture_nothing_is_read(perform):
    outcome = perform(sh("echo secret"), capture_action_logs=False)
    assert (outcome.action_status, outcome.log_tail) == ("STATE_SUCCESS", "")


@pytest.mark.parametrize("megabytes", [1, 40])
def test_the_line_that_says_why_is_there_however_much_came_before_it(perform, megabytes):
    """The engine keeps 16 MB at most, and a follower is slower than a flood."""
    flood = f"yes {'0123456789' * 7} | head -c {megabytes}000000; echo"
    outcome = perform(sh(f"{flood}; echo FATAL: the reason; exit 3"))
    assert (outcome.action_status, outcome.exit_code) == ("STATE_FAILED", 3)
    assert outcome.log_tail.endswith("\nFATAL: the reason\n")
    assert len(outcome.log_tail.encode()) == 65_536
