"""The worker's endpoint: worker/wire.py is its contract, message for message."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.errors import NotFound, UserError
from provisioner.faces.http.answers import (
    NOTHING,
    Answer,
    Call,
    Kind,
    Later,
    Outcome,
    Route,
    Wait,
    Work,
)
from provisioner.model.ephemeral import DataVersion
from provisioner.model.ids import WorkflowId
from provisioner.model.state import State
from provisioner.model.views import Receipt
from provisioner.services import reports
from provisioner.services.provisioner import Provisioner
from provisioner.services.queries import DueAction
from provisioner.services.reports import DataVersionKept, Push, Unpacked
from worker import wire

# A log tail of 64 KiB may be six times as long when every character is escaped.
REPORT_LIMIT_BYTES = 6 * wire.LOG_TAIL_BYTES + 16_384
HEARTBEAT_LIMIT_BYTES = 4_096

_RUNNING_ON = State.RUNNING.value
_PENDING = State.PENDING.value


def poll(server: Provisioner, call: Call) -> Outcome:
    """Offer the action whose turn it is; 204 for idle and unknown machines alike."""
    worker = call.path["worker"]
    offered = offer(server, worker)
    if offered is not None:
        return offered
    for machine in server.queries().worker_ids(worker):
        server.contact(machine)  # it lives, and waits for its turn
    seconds = _seconds(call.query.get("wait"))
    if seconds <= 0:
        return NOTHING
    return Wait(
        seconds=seconds,
        subscribe=lambda wake: server.snapshots.wait(server.queries().names_of(worker), wake),
        ask=lambda: offer(server, worker),
        is_closing=lambda: server.snapshots.is_closed,
    )


def offer(server: Provisioner, worker: str) -> Answer | None:
    server.conditions.check_writable()
    due = server.queries().offer(worker)
    if due is None:
        return None
    server.contact(due.action.worker_id)
    return Answer(body=wire.encode(_offer(due)))


def report(server: Provisioner, call: Call) -> Outcome:
    """Take a report; it is answered when it is durable."""
    server.conditions.check_writable()
    workflow = call.path["workflow"]
    told = wire.decode(wire.Report, call.body)

    def finish(receipt: Receipt) -> Answer:
        entry = receipt.view.workflows[WorkflowId(workflow.lower())]
        context = entry.context
        if told.action_status == _RUNNING_ON and context.is_final:
            reports.check_begun(entry, told.report_id)
        acknowledgement = wire.Acknowledgement(
            workflow_id=context.workflow_id,
            report_id=told.report_id,
            event=next(n for id, n in reversed(context.told) if id == told.report_id),
            workflow_state=context.state.value,
            commit=receipt.commit,
        )
        return Answer(body=wire.encode(acknowledgement))

    return Later(future=server.reports.report(workflow, told), finish=finish)


def heartbeat(server: Provisioner, call: Call) -> Outcome:
    told = wire.decode(wire.Heartbeat, call.body)
    queries = server.queries()
    verdict = queries.verdict(
        call.path["workflow"], told.worker, action_index=told.action_index, attempt=told.attempt
    )
    if not verdict.cancel:
        for machine in queries.worker_ids(told.worker):
            server.contact(machine)
    answer = wire.HeartbeatAnswer(cancel=verdict.cancel, reason=verdict.reason)
    return Answer(body=wire.encode(answer))


def get_data(server: Provisioner, call: Call) -> Outcome:
    """Give the newest ephemeral data to a machine that takes part in the workflow."""
    queries = server.queries()
    entry = queries.workflow(call.path["workflow"])
    machines = queries.worker_ids(_worker_of(call))
    if all(each.id not in machines for each in entry.record.workers) or entry.context.is_deleted:
        raise NotFound("workflow", call.path["workflow"])
    version = entry.context.data_version
    if version is None:
        return NOTHING

    def run(is_wanted: Callable[[], bool]) -> Answer:
        return Answer(
            body=_archive(server, entry.id, version),
            content_type=wire.CONTENT_TYPE_ARCHIVE,
            headers=_headers(version),
        )

    return Work(kind=Kind.DATA, run=run)


def put_data(server: Provisioner, call: Call) -> Outcome:
    """Take a new version of the ephemeral data; answered when it is durable."""
    server.conditions.check_writable()
    push = Push(
        report_id=call.query.get("report_id", ""),
        worker=_worker_of(call),
        action_index=_number(call, "action_index"),
        attempt=_number(call, "attempt"),
    )
    body = [call.body]

    def unpack() -> Unpacked:
        files = wire.unpack(body.pop())
        return Unpacked(files=files, sha256=wire.sha256_of(files))

    def finish(kept: DataVersionKept) -> Answer:
        answer = wire.DataAnswer(
            version=kept.version.version, sha256=kept.version.sha256, commit=kept.commit
        )
        return Answer(body=wire.encode(answer))

    future = server.reports.push(call.path["workflow"], push, unpack)
    # A push that was taken back while it waited stands in its queue until a thread comes by.
    future.add_done_callback(lambda _: body.clear())
    return Later(future=future, finish=finish)


ROUTES = (
    Route(method="GET", rule="/v1/workers/<worker>/action", view=poll),
    Route(
        method="POST",
        rule="/v1/workflows/<workflow>/reports",
        view=report,
        body_limit=REPORT_LIMIT_BYTES,
    ),
    Route(
        method="POST",
        rule="/v1/workflows/<workflow>/heartbeat",
        view=heartbeat,
        body_limit=HEARTBEAT_LIMIT_BYTES,
    ),
    Route(method="GET", rule="/v1/workflows/<workflow>/data", view=get_data),
    Route(
        method="PUT",
        rule="/v1/workflows/<workflow>/data",
        view=put_data,
        body_limit=wire.ARCHIVE_LIMIT_BYTES,
    ),
)


def _offer(due: DueAction) -> wire.Offer:
    record, action, data = due.record, due.action, due.data
    return wire.Offer(
        workflow_id=record.id,
        workflow_name=record.name,
        worker_id=action.worker_id,
        total_number_of_actions=len(record.actions),
        action_index=action.index,
        action_status=_RUNNING_ON if due.attempt else _PENDING,
        attempt=due.attempt,
        task_name=action.task_name,
        action_name=action.name,
        image=action.image,
        timeout_seconds=action.timeout_seconds,
        command=action.command,
        on_timeout=action.on_timeout,
        on_failure=action.on_failure,
        volumes=action.volumes,
        environment=tuple(f"{name}={value}" for name, value in action.environment),
        pid=action.pid,
        network=action.network,
        data_version=data.version if data else 0,
        data_sha256=data.sha256 if data else "",
        background=action.background,
    )


def _archive(server: Provisioner, workflow: WorkflowId, version: DataVersion) -> bytes:
    files = server.data_files(workflow, version)
    return wire.pack(
        wire.ArchivedFile(path=each.path, content=each.content, executable=each.executable)
        for each in files
    )


def _headers(version: DataVersion) -> tuple[tuple[str, str], ...]:
    return (
        (wire.HEADER_DATA_VERSION, str(version.version)),
        (wire.HEADER_DATA_SHA256, version.sha256),
    )


def _worker_of(call: Call) -> str:
    worker = call.query.get("worker", "")
    if not worker:
        raise UserError("which worker asks?", hint="add ?worker=MAC")
    return worker


def _number(call: Call, name: str) -> int:
    text = call.query.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UserError(f"{name}={text[:20]!r} is not a number")
    return int(text)


def _seconds(text: str | None) -> float:
    """How long a poll may wait; nonsense is no wait, too long is our longest."""
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        raise UserError(f"wait={text[:20]!r} is not a number of seconds") from None
    return min(seconds, wire.WAIT_LIMIT_SECONDS) if seconds > 0 else 0.0
