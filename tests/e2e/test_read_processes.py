"""`tink serve --read-processes`: they see what the writer wrote, and write nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.site import ROOT, Site, action, mac, template
from worker import wire

pytestmark = pytest.mark.kill
COUNT = 2
TIMEOUT_SECONDS = 20


class Readers:
    """The read processes of one server, asked over the port that they share."""

    def __init__(self, place: Site) -> None:
        self.place = place
        place.serve("--read-processes", str(COUNT), "--read-listen", "127.0.0.1:0", "--poll", "0.1")
        log = place.folder / "server-1.log"
        pattern = r"answer reads on (http://[0-9.:]+)"
        found = place.await_that(
            lambda: re.search(pattern, log.read_text()), "the address of the read processes"
        )
        self.url = found.group(1)
        self.await_all()

    def pids(self) -> set[int]:
        """The server's children that read, by what the kernel tells."""
        assert self.place.server is not None
        return {
            pid
            for pid in map(int, (each.name for each in Path("/proc").glob("[0-9]*")))
            if parent_of(pid) == self.place.server.pid
            and b"provisioner.cli.read_process" in command_of(pid)
        }

    def await_all(self) -> set[int]:
        """Wait until as many as should be have their socket on the port."""
        port = int(self.url.rpartition(":")[2])

        def all_listen() -> set[int] | None:
            pids = self.pids()
            return pids if len(pids) == COUNT and listeners(port) == COUNT else None

        pids: set[int] = self.place.await_that(all_listen, "all read processes to listen")
        return pids

    def get(self, path: str) -> requests.Response:
        """Ask whichever process the kernel chooses; it is another one now and then."""
        return requests.get(
            f"{self.url}{path}", timeout=TIMEOUT_SECONDS, headers={"Connection": "close"}
        )

    def await_everywhere(self, path: str, wanted: int = 200) -> requests.Response:
        """Wait for an answer of that status from many connections in a row."""

        def all_answer() -> requests.Response | None:
            answers = [self.get(path) for _ in range(8 * COUNT)]
            return answers[0] if all(each.status_code == wanted for each in answers) else None

        return self.place.await_that(all_answer, f"{wanted} for {path} from all read processes")


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def parent_of(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listeners(port: int) -> int:
    """How many sockets listen on a port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = map(str.split, lines)
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "0A" for each in fields)


@pytest.fixture
def readers(place: Site) -> Readers:
    text = template("hello", (1, [action("greet", "true", "alpine")]))
    place.commit("Add a template", templates__hello=text)
    return Readers(place)


def test_what_the_writer_made_is_read_from_every_process(place, readers):
    workflow = place.create("hello", device_1=mac(1))
    place.await_state(workflow, "STATE_PENDING")
    told = readers.await_everywhere(f"/v1/workflows/{workflow}/state").json()
    assert told["state"] == "STATE_PENDING"
    assert "greet" in readers.get(f"/v1/workflows/{workflow}").text
    assert workflow in readers.get("/v1/workflows").text
    assert mac(1) in readers.get("/v1/hardware").text
    assert "hello" in readers.get("/v1/templates").text
    readers.await_everywhere("/readyz")


def test_a_report_to_the_writer_is_seen_by_the_readers(place, readers):
    workflow = place.create("hello", device_1=mac(1))
    place.await_state(workflow, "STATE_PENDING")
    report = {
        "report_id": wire.report_id(workflow, 0, 1, "STATE_RUNNING"),
        "worker": mac(1),
        "task_name": "task-0",
        "action_name": "greet",
        "action_index": 0,
        "attempt": 1,
        "action_status": "STATE_RUNNING",
    }
    url = f"http://{place.address}/v1/workflows/{workflow}/reports"
    assert requests.post(url, json=report, timeout=TIMEOUT_SECONDS).status_code == 200

    def seen() -> bool:
        answers = [readers.get(f"/v1/workflows/{workflow}/state") for _ in range(8 * COUNT)]
        return all(each.json().get("state") == "STATE_RUNNING" for each in answers)

    place.await_that(seen, "all read processes to know of the report")
    events = readers.get(f"/v1/workflows/{workflow}/events").text.splitlines()
    assert [json.loads(each)["action_status"] for each in events] == ["STATE_RUNNING"]


def test_hardware_that_changes_later_is_followed(place, readers):
    readers.await_everywhere("/readyz")
    place.commit("Add another template", templates__later=template("later", (1, [])))
    place.commit("Remove a machine", hardware__n3=None)

    def seen() -> bool:
        answers = [readers.get("/v1/hardware").text for _ in range(8 * COUNT)]
        return all(mac(3) not in each and mac(2) in each for each in answers)

    place.await_that(seen, "all read processes to know of two machines")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/workers/08:00:27:00:00:01/action?wait=30"),
        ("POST", "/v1/workflows/a8984b09-566d-47ba-b6c5-fbe482d8ad7f/reports"),
        ("POST", "/v1/workflows/a8984b09-566d-47ba-b6c5-fbe482d8ad7f/heartbeat"),
        ("PUT", "/v1/workflows/a8984b09-566d-47ba-b6c5-fbe482d8ad7f/data?worker=x"),
    ],
)
def test_workers_are_sent_to_the_writer(place, readers, method, path):
    body = b"" if method == "GET" else b"x" * 100_000
    answer = requests.request(method, f"{readers.url}{path}", data=body, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 421
    error = answer.json()["error"]
    assert error["code"] == "misdirected"
    assert f"http://{place.address}" in error["hint"]


def test_a_killed_reader_is_started_again_and_the_others_go_on(place, readers):
    before = readers.await_all()
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = place.await_that(
        lambda: (now := readers.pids()) and victim not in now and len(now) == COUNT and now,
        "another process in its place",
    )
    assert before - {victim} <= after
    readers.await_all()
    readers.await_everywhere("/readyz")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_readers_end_with_the_server_however_that_ends(place, readers, how):
    pids = readers.pids()
    place.server.send_signal(how)
    place.server.wait(TIMEOUT_SECONDS)
    place.await_that(lambda: not any(map(is_running, pids)), "the read processes to end")


def test_a_port_that_is_taken_is_told_and_ends_the_server(place, readers):
    other = place.folder / "other"
    place.tink("init", str(other))
    words = ("serve", "--repo", str(other), "--listen", "127.0.0.1:0", "--read-processes", "1")
    done = subprocess.run(
        [sys.executable, "-m", "provisioner.cli", *words, "--read-listen", place.address],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert f"can't listen on {place.address}" in done.stderr
