"""Values for tests: every default is hidden here, so that a test shows what matters to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import ActionReported, DataPushed
from provisioner.model.hardware import Hardware, Interface, Source
from provisioner.model.ids import (
    BlobId,
    CommitId,
    HardwareId,
    ReportId,
    TreeId,
    WorkflowId,
    parse_ip,
    parse_mac,
    template_id,
)
from provisioner.model.state import State
from provisioner.model.template import Template
from provisioner.model.views import Change, StatusView, WorkflowCreated
from provisioner.model.workflow import Action, WorkerAddress, WorkflowRecord, WorkflowRequest

AT = "2026-11-23T10:00:00.000000Z"
ONE = HardwareId("11111111-1111-4111-8111-111111111111")
TWO = HardwareId("22222222-2222-4222-8222-222222222222")
MACS = {ONE: "08:00:27:00:00:01", TWO: "08:00:27:00:00:02"}
IPS = {ONE: "192.168.1.5", TWO: "192.168.1.6"}
WORKFLOW = WorkflowId("0190a5c0-0000-7000-8000-0000000000aa")
COMMIT = CommitId("c" * 40)

HELLO = """\
version: "0.1"
name: hello_world_workflow
global_timeout: 600
tasks:
  - name: "hello world"
    worker: "{{.device_1}}"
    actions:
      - name: "hello_world"
        image: hello-world
        timeout: 60
"""


def action(index: int, worker: HardwareId = ONE, **changes: object) -> Action:
    plain = Action(
        index=index,
        task_name="install",
        name=f"action_{index}",
        worker_id=worker,
        worker=MACS.get(worker, "08:00:27:00:00:99"),
        image="alpine",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def actions(*owners: HardwareId) -> tuple[Action, ...]:
    return tuple(action(index, worker) for index, worker in enumerate(owners))


def record(
    *owners: HardwareId, workflow: WorkflowId = WORKFLOW, **changes: object
) -> WorkflowRecord:
    """A workflow with one action for each owner, in that order."""
    owners = owners or (ONE,)
    plain = WorkflowRecord(
        id=workflow,
        name="hello_world_workflow",
        template_id=template_id("hello_world_workflow"),
        template_name="hello_world_workflow",
        template_blob=BlobId("b" * 40),
        request_path=f"workflows/{workflow}.yaml",
        request_digest=f"digest of {workflow}",
        request_blob=BlobId("a" * 40),
        desired_commit=COMMIT,
        device_map={"device_1": MACS[ONE]},
        created_at=AT,
        global_timeout_seconds=0,
        actions=actions(*owners),
        workers=tuple(
            WorkerAddress(id=owner, macs=(MACS[owner],), ips=(IPS[owner],))
            for owner in dict.fromkeys(owners)
        ),
        hardware={},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def status(*records: WorkflowRecord) -> StatusView:
    changes = [WorkflowCreated(record=each, rendered=HELLO) for each in records]
    return after(StatusView(), changes).at(CommitId("5" * 40))


def after(view: StatusView, changes: Iterable[Change]) -> StatusView:
    """The view after accepted changes, each applied as the writer does."""
    draft = view.draft()
    for change in changes:
        draft = draft.apply(change)
    return draft.settled()


def report(
    index: int,
    told: State,
    *,
    attempt: int = 1,
    workflow: WorkflowId = WORKFLOW,
    worker: HardwareId = ONE,
    **changes: object,
) -> ActionReported:
    plain = ActionReported(
        workflow_id=workflow,
        at=AT,
        report_id=ReportId(f"{workflow}:{index}:{attempt}:{told}"),
        worker_id=worker,
        task_name="install",
        action_name=f"action_{index}",
        action_index=index,
        attempt=attempt,
        action_status=told,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def push(
    index: int,
    version: int = 1,
    *,
    attempt: int = 1,
    workflow: WorkflowId = WORKFLOW,
    worker: HardwareId = ONE,
) -> DataPushed:
    return DataPushed(
        workflow_id=workflow,
        at=AT,
        report_id=ReportId(f"{workflow}:{index}:{attempt}:data{version}"),
        action_index=index,
        attempt=attempt,
        version=DataVersion(
            version=version,
            worker_id=worker,
            task_name="install",
            action_name=f"action_{index}",
            at=AT,
            sha256="e" * 64,
            size_bytes=2,
            file_count=1,
            tree_id=TreeId("7" * 40),
        ),
    )


def hardware(
    worker: HardwareId = ONE, *, mac: str = "", ip: str = "", path: str = "", **changes: object
) -> Hardware:
    mac = mac or MACS.get(worker, "08:00:27:00:00:99")
    ip = ip or IPS.get(worker, "192.168.1.99")
    plain = Hardware(
        id=worker,
        interfaces=(Interface(mac=parse_mac(mac), ip=parse_ip(ip), allow_workflow=True),),
        document={
            "id": worker,
            "network": {"interfaces": [{"dhcp": {"mac": mac, "ip": {"address": ip}}}]},
        },
        source=Source(
            path=path or f"hardware/{worker}.yaml", blob_id=f"blob of {worker} {mac} {ip}"
        ),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def template(
    text: str = HELLO,
    *,
    name: str = "hello_world_workflow",
    path: str = "templates/hello.yaml",
    **changes: object,
) -> Template:
    plain = Template(
        id=template_id(name),
        name=name,
        text=text,
        source=Source(path=path, blob_id=f"blob {hash(text)} {path}"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def request(
    path: str = "workflows/a.yaml",
    *,
    template: str = "hello_world_workflow",
    devices: dict[str, object] | None = None,
    **changes: object,
) -> WorkflowRequest:
    devices = {"device_1": MACS[ONE]} if devices is None else devices
    plain = WorkflowRequest(
        id=None,
        template=template,
        hardware=devices,
        digest=f"{template} {sorted(devices.items())}",
        source=Source(path=path, blob_id=f"blob of {path}"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name
