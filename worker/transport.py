"""The HTTP client of the worker.

Every call of `wire` once.  An answer is one of three: done; refused, so that repeating it
is useless; or try again.  What must arrive is repeated for ever: a machine in the middle of an
installation has nothing better to do than wait for its server, and the log says why it waits.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import requests

from worker import wire
from worker.action import Leaving
from worker.wire import Acknowledgement, DataAnswer, Heartbeat, HeartbeatAnswer, Offer, Report

log = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_SECONDS = 5
ANSWER_SECONDS = 60  # a report is answered once it is durable, which may take its turn
HEARTBEAT_ANSWER_SECONDS = 5
PAUSE_LIMIT_SECONDS = 30.0
ANSWER_LIMIT_BYTES = 1_048_576
AGAIN_4XX = frozenset({408, 425, 429})


class ServerRefused(Exception):
    """The server understood and said no; repeating it is useless."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} [{code or status}]")
        self.status = status
        self.code = code
        self.message = message


class ServerUnreachable(Exception):
    """No answer, or one that means: try again."""

    def __init__(self, reason: str, *, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    content: bytes
    version: int
    sha256: str


class ServerApi:
    """One server, as one thread sees it.  `stop` ends every wait with `Leaving`."""

    def __init__(
        self,
        server: str,
        *,
        stop: threading.Event,
        first_pause_seconds: float = 1.0,
        pause_limit_seconds: float = PAUSE_LIMIT_SECONDS,
    ) -> None:
        self._server = server
        self._stop = stop
        self._first_pause_seconds = first_pause_seconds
        self._pause_limit_seconds = pause_limit_seconds
        self._session = requests.Session()

    def twin(self) -> ServerApi:
        """The same server for another thread: requests' sessions are not for two."""
        return ServerApi(
            self._server,
            stop=self._stop,
            first_pause_seconds=self._first_pause_seconds,
            pause_limit_seconds=self._pause_limit_seconds,
        )

    def close(self) -> None:
        self._session.close()

    def poll(self, worker: str, wait_seconds: int) -> Offer | None:
        """Ask once for the action whose turn it is."""
        answer = self._ask(
            "GET",
            f"/v1/workers/{quote(worker, safe='')}/action?wait={wait_seconds}",
            answer_seconds=wait_seconds + ANSWER_SECONDS,
        )
        return None if answer.status == 204 else _decoded(Offer, answer)

    def report(self, workflow_id: str, report: Report) -> Acknowledgement:
        """Repeat a report until it is answered."""
        path = f"/v1/workflows/{quote(workflow_id, safe='')}/reports"
        body = wire.encode(report)

        def send() -> Acknowledgement:
            return _decoded(Acknowledgement, self._ask("POST", path, body=body))

        return self._until_answered(f"report {report.report_id}", send)

    def heartbeat(self, workflow_id: str, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """Ask once whether a run is still wanted."""
        answer = self._ask(
            "POST",
            f"/v1/workflows/{quote(workflow_id, safe='')}/heartbeat",
            body=wire.encode(heartbeat),
            answer_seconds=HEARTBEAT_ANSWER_SECONDS,
        )
        return _decoded(HeartbeatAnswer, answer)

    def fetch_data(self, workflow_id: str, worker: str) -> Archive | None:
        """The newest ephemeral data, whole and checked, or None while there is none."""
        path = f"/v1/workflows/{quote(workflow_id, safe='')}/data?worker={quote(worker, safe='')}"

        def fetch() -> Archive | None:
            answer = self._ask("GET", path, limit_bytes=wire.ARCHIVE_LIMIT_BYTES)
            if answer.status == 204:
                return None
            sha256 = wire.sha256(answer.body)
            expected = answer.headers.get(wire.HEADER_DATA_SHA256, sha256)
            if expected != sha256:
                raise ServerUnreachable(f"the data arrived damaged: {sha256} instead of {expected}")
            version = answer.headers.get(wire.HEADER_DATA_VERSION, "")
            return Archive(
                content=answer.body,
                version=int(version) if version.isdecimal() else 0,
                sha256=sha256,
            )

        return self._until_answered(f"data of workflow {workflow_id}", fetch)

    def push_data(
        self,
        workflow_id: str,
        worker: str,
        archive: bytes,
        *,
        action_index: int,
        attempt: int,
        report_id: str,
    ) -> DataAnswer:
        """Repeat a push until it is answered."""
        path = (
            f"/v1/workflows/{quote(workflow_id, safe='')}/data?worker={quote(worker, safe='')}"
            f"&action_index={action_index}&attempt={attempt}&report_id={quote(report_id, safe='')}"
        )

        def push() -> DataAnswer:
            return _decoded(DataAnswer, self._ask("PUT", path, body=archive))

        return self._until_answered(f"data {report_id}", push)

    def pause(self, failures: int, *, at_least_seconds: float = 0.0) -> None:
        """Wait a while that grows with the failures; raise Leaving when asked to shut down.

        Jitter over the whole span: a hall of machines must not return in step.
        """
        span = min(self._pause_limit_seconds, self._first_pause_seconds * 2 ** min(failures, 16))
        seconds = max(at_least_seconds, random.uniform(span / 2, span))
        if self._stop.wait(seconds):
            raise Leaving

    def _until_answered(self, what: str, call: Callable[[], T]) -> T:
        failures = 0
        since = time.monotonic()
        while True:
            if self._stop.is_set() and failures:
                raise Leaving
            try:
                done = call()
            except ServerUnreachable as error:
                waited = int(time.monotonic() - since)
                log.warning("%s not delivered for %d s, trying again: %s", what, waited, error)
                self.pause(failures, at_least_seconds=error.after_seconds)
                failures += 1
                continue
            if failures:
                log.info("%s delivered after %d tries", what, failures + 1)
            return done

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        limit_bytes: int = ANSWER_LIMIT_BYTES,
    ) -> _Answer:
        kind = wire.CONTENT_TYPE_ARCHIVE if method == "PUT" else "application/json"
        try:
            with self._session.request(
                method,
                self._server + path,
                data=body,
                headers={"Content-Type": kind} if body is not None else {},
                timeout=(CONNECT_SECONDS, answer_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                headers = dict(response.headers.items())
                content = _read_bounded(response, limit_bytes)
        except requests.RequestException as error:
            raise ServerUnreachable(_plain_reason(error)) from error
        if status in (200, 204):
            known = {name.title(): value for name, value in headers.items()}
            return _Answer(status=status, headers=known, body=content)
        code, message = _error_of(status, content)
        if 400 <= status < 500 and status not in AGAIN_4XX:
            raise ServerRefused(status, code, message)
        raise ServerUnreachable(f"HTTP {status}: {message}", after_seconds=_retry_after(headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def _read_bounded(response: requests.Response, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_content(65_536):
        size += len(piece)
        if size > limit_bytes:
            raise ServerUnreachable(f"the answer is larger than {limit_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _decoded(kind: type[T], answer: _Answer) -> T:
    try:
        return wire.decode(kind, answer.body)
    except wire.WireError as error:
        # A proxy's page, or a server in the middle of an upgrade.
        raise ServerUnreachable(f"unexpected answer: {error}") from error


def _error_of(status: int, body: bytes) -> tuple[str, str]:
    try:
        error = json.loads(body)["error"]
        message = f"{error['message']} {error.get('hint') or ''}".strip()
        return str(error.get("code") or ""), message
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", f"HTTP {status} {body[:120].decode(errors='replace')!r}"


def _retry_after(headers: dict[str, str]) -> float:
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(float(value), PAUSE_LIMIT_SECONDS) if value.isdecimal() else 0.0


def _plain_reason(error: requests.RequestException) -> str:
    """The innermost reason: requests wraps it three times over."""
    inner: BaseException = error
    while inner.__context__ is not None:
        inner = inner.__context__
    return f"{type(error).__name__}: {inner}"
