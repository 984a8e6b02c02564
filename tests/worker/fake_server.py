"""A server that keeps the wire contract and forgets everything: real HTTP, state in memory.

What it decides, it decides as the real one: the action that is due, attempts that count up,
a report told twice counts once, final is final.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from worker import wire
from worker.wire import Acknowledgement, DataAnswer, Heartbeat, HeartbeatAnswer, Offer, Report

WORKER = "08:00:27:00:00:01"


def an_action(name: str = "hello", **changes: Any) -> Offer:
    """An action, as the offer that it will be."""
    plain = Offer(
        workflow_id="",
        workflow_name="test",
        worker_id=WORKER,
        total_number_of_actions=0,
        action_index=0,
        action_status="STATE_PENDING",
        attempt=0,
        task_name="task",
        action_name=name,
        image="127.0.0.1:1/busybox:test",
        timeout_seconds=60,
    )
    return replace(plain, **changes)


@dataclass
class Workflow:
    id: str
    actions: list[Offer]
    state: str = "STATE_PENDING"
    index: int = 0
    status: str = "STATE_PENDING"
    attempt: int = 0
    events: list[Report] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    archives: list[bytes] = field(default_factory=list)
    pushes: list[str] = field(default_factory=list)
    is_cancelled: bool = False

    @property
    def is_final(self) -> bool:
        return self.state not in ("STATE_PENDING", "STATE_RUNNING")

    def files(self) -> dict[str, bytes]:
        if not self.archives:
            return {}
        return {file.path: file.content for file in wire.unpack(self.archives[-1])}

    def story(self) -> list[tuple[str, str, int]]:
        return [(one.action_name, one.action_status, one.attempt) for one in self.events]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeServer:
    """Starts with `with`; `go_away` and `come_back` keep the address and the state."""

    def __init__(self) -> None:
        self.workflows: list[Workflow] = []
        self.requests: list[str] = []
        self.changed = threading.Condition()
        self.port = 0
        self.heartbeats = 0
        self.is_gone = False
        self.connections: set[socket.socket] = set()
        # Called with (method, path) before a request is served; may raise Refusal.
        self.before: Callable[[str, str], None] = lambda method, path: None
        # Called after it was served: True swallows the answer, as a lost connection does.
        self.swallow: Callable[[str, str], bool] = lambda method, path: False
        self._http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, *actions: Offer) -> Workflow:
        workflow = Workflow(id=str(uuid.uuid4()), actions=list(actions))
        with self.changed:
            self.workflows.append(workflow)
            self.changed.notify_all()
        return workflow

    def cancel(self, workflow: Workflow) -> None:
        with self.changed:
            workflow.is_cancelled = True
            workflow.state = "STATE_CANCELLED"
            self.changed.notify_all()

    def wait_for(self, said: Callable[[], bool], what: str, seconds: float = 60) -> None:
        with self.changed:
            assert self.changed.wait_for(said, seconds), f"never happened: {what}"

    def wait_for_end(self, workflow: Workflow, seconds: float = 60) -> str:
        self.wait_for(lambda: workflow.is_final, f"an end; {workflow.story()}", seconds)
        return workflow.state

    def wait_for_status(self, workflow: Workflow, status: str, attempt: int = 1) -> None:
        def said() -> bool:
            return (workflow.status, workflow.attempt) == (status, attempt)

        self.wait_for(said, f"{status}; {workflow.story()}")

    def go_away(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
            with self.changed:
                self.is_gone = True  # ends the long polls
                self.changed.notify_all()
            for connection in list(self.connections):  # kept alive, they would go on
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        fake = self
        self.is_gone = False

        class Handler(_Handler):
            server_state = fake

        self._http = _Http(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> FakeServer:
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()

    # The contract.

    def due(self, worker: str) -> Offer | None:
        for workflow in self.workflows:
            if workflow.is_final:
                continue
            action = workflow.actions[workflow.index]
            if action.worker_id != worker:
                return None
            archive = workflow.archives[-1] if workflow.archives else b""
            return replace(
                action,
                workflow_id=workflow.id,
                total_number_of_actions=len(workflow.actions),
                action_index=workflow.index,
                action_status=workflow.status,
                attempt=workflow.attempt,
                data_version=len(workflow.archives),
                data_sha256=wire.sha256(archive) if archive else "",
            )
        return None

    def report(self, workflow: Workflow, report: Report) -> Acknowledgement:
        if report.report_id not in workflow.told:
            self._accept(workflow, report)
        return Acknowledgement(
            workflow_id=workflow.id,
            report_id=report.report_id,
            event=workflow.told[report.report_id],
            workflow_state=workflow.state,
            commit="c" * 40,
        )

    def _accept(self, workflow: Workflow, report: Report) -> None:
        if workflow.is_final:
            raise Refusal(409, f"workflow has ended in {workflow.state}")
        running = workflow.attempt if workflow.status == "STATE_RUNNING" else 0
        action = workflow.actions[workflow.index]
        if (report.worker, report.action_index, report.action_name, report.task_name) != (
            action.worker_id,
            workflow.index,
            action.action_name,
            action.task_name,
        ):
            raise Refusal(409, "not the action that is due")
        starts = report.action_status == "STATE_RUNNING"
        if report.attempt != running + starts or not (starts or running):
            raise Refusal(409, f"attempt {report.attempt} is not the one")
        workflow.events.append(report)
        workflow.told[report.report_id] = len(workflow.events)
        workflow.status, workflow.attempt = report.action_status, report.attempt
        if starts:
            workflow.state = "STATE_RUNNING"
        elif report.action_status != "STATE_SUCCESS":
            workflow.state = report.action_status
        elif workflow.index + 1 == len(workflow.actions):
            workflow.state = "STATE_SUCCESS"
        else:
            workflow.index += 1
            workflow.status, workflow.attempt = "STATE_PENDING", 0

    def heartbeat(self, workflow: Workflow, heartbeat: Heartbeat) -> HeartbeatAnswer:
        self.heartbeats += 1
        unwanted = (
            workflow.is_final
            or workflow.index != heartbeat.action_index
            or workflow.attempt != heartbeat.attempt
        )
        return HeartbeatAnswer(cancel=unwanted, reason=workflow.state if unwanted else "")

    def push(self, workflow: Workflow, archive: bytes, query: dict[str, str]) -> DataAnswer:
        if query["report_id"] not in workflow.pushes:
            if workflow.is_final or workflow.status != "STATE_RUNNING":
                raise Refusal(409, "no action runs")
            wire.unpack(archive)
            workflow.pushes.append(query["report_id"])
            workflow.archives.append(archive)
        version = workflow.pushes.index(query["report_id"]) + 1
        sha256 = wire.sha256(workflow.archives[version - 1])
        return DataAnswer(version=version, sha256=sha256, commit="c" * 40)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    server_state: FakeServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self) -> None:
        super().setup()
        self.server_state.connections.add(self.connection)

    def finish(self) -> None:
        self.server_state.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

    def _serve(self) -> None:
        fake = self.server_state
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        headers: dict[str, str] = {}
        try:
            with fake.changed:
                fake.requests.append(f"{self.command} {self.path}")
                fake.changed.notify_all()
            fake.before(self.command, url.path)
            status, answer = self._answer(url.path, query, body, headers)
        except Refusal as refusal:
            status = refusal.status
            told = {"error": {"code": "test", "message": str(refusal), "hint": ""}}
            answer = json.dumps(told).encode()
        if fake.swallow(self.command, url.path):
            self.close_connection = True
            self.connection.close()
            return
        with contextlib.suppress(ConnectionError):  # whoever asked is gone
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def _answer(
        self, path: str, query: dict[str, str], body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        fake = self.server_state
        words = path.strip("/").split("/")
        if words[1] == "workers":
            return self._poll(unquote(words[2]), float(query.get("wait", "0")))
        with fake.changed:
            workflow = next((one for one in fake.workflows if one.id == words[2]), None)
            if workflow is None:
                raise Refusal(404, "no such workflow")
            match self.command, words[3]:
                case "POST", "reports":
                    message: object = fake.report(workflow, wire.decode(Report, body))
                case "POST", "heartbeat":
                    message = fake.heartbeat(workflow, wire.decode(Heartbeat, body))
                case "PUT", "data":
                    message = fake.push(workflow, body, query)
                case _:
                    if not workflow.archives:
                        return 204, b""
                    archive = workflow.archives[-1]
                    headers[wire.HEADER_DATA_VERSION] = str(len(workflow.archives))
                    headers[wire.HEADER_DATA_SHA256] = wire.sha256(archive)
                    return 200, archive
            fake.changed.notify_all()
        return 200, wire.encode(message)

    def _poll(self, worker: str, wait_seconds: float) -> tuple[int, bytes]:
        fake = self.server_state
        give_up = time.monotonic() + wait_seconds
        with fake.changed:
            while True:
                offer = fake.due(worker)
                left = give_up - time.monotonic()
                if offer is not None:
                    return 200, json.dumps(asdict(offer)).encode()
                if left <= 0 or fake.is_gone:
                    return 204, b""
                fake.changed.wait(left)
