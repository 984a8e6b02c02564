"""A repository whose status branch a real server wrote, for verbs to read."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.cli.repository import EXAMPLES
from tests.e2e.site import Site
from worker import wire
from worker.transport import ServerApi

MAC = "08:00:27:00:00:01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the server left behind: `done` has two data versions and a log, `waiting` nothing."""

    site: Path
    done: str
    waiting: str
    events: list[dict]  # of `done`, as the server showed them


def write(folder: Path) -> Written:
    """Serve a repository below `folder`, and let a worker run one of its two workflows."""
    served = Site(folder=folder)
    served.repository.mkdir()
    served.tink("init", ".")
    served.tink("hardware", "push", "--file", str(EXAMPLES / "hardware" / "n1.yaml"))
    served.tink("template", "create", "--file", str(EXAMPLES / "templates" / "hello-world.yaml"))
    served.serve()
    done, waiting = (served.create("hello_world_workflow", device_1=MAC) for _ in range(2))
    served.await_state(waiting, "STATE_PENDING")
    api = ServerApi(f"http://{served.address}", stop=threading.Event())
    _run(api, done)
    api.close()
    answer = requests.get(f"http://{served.address}/v1/workflows/{done}/events", timeout=10)
    events = [json.loads(line) for line in answer.text.splitlines()]
    served.stop_all()
    return Written(site=served.repository, done=done, waiting=waiting, events=events)


def _run(api: ServerApi, workflow: str) -> None:
    offer = api.poll(MAC, 5)
    assert offer is not None
    assert offer.workflow_id == workflow

    def report(status: str, **more: object) -> None:
        told = {
            "report_id": wire.report_id(workflow, 0, 1, status),
            "worker": MAC,
            "task_name": offer.task_name,
            "action_name": offer.action_name,
            "action_index": 0,
            "attempt": 1,
            "action_status": status,
            **more,
        }
        api.report(workflow, wire.from_mapping(wire.Report, told))

    report("STATE_RUNNING", message="Started execution")
    for number, files in enumerate(({"data": b"one\n"}, {"data": b"two\n", "bin/x": b"\0"})):
        archive = wire.pack(
            wire.ArchivedFile(path=path, content=content, executable=path == "bin/x")
            for path, content in files.items()
        )
        api.push_data(
            workflow, MAC, archive, action_index=0, attempt=1, report_id=f"{workflow}:{number}"
        )
    report("STATE_SUCCESS", seconds=12, exit_code=0, log_tail="hello\n\x1b[31mred\n")
