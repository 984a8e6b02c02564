"""What a workflow is made of: the request that people write, and the record that we keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.hardware import Source
from provisioner.model.ids import BlobId, CommitId, HardwareId, TemplateId, WorkflowId

DEFAULT_ACTION_TIMEOUT_SECONDS = 3600
DEFAULT_MAX_ATTEMPTS = 5
MAX_ATTEMPTS_LIMIT = 100  # each is a boot of the machine or a crash of its engine


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRequest:
    """One file of `workflows/`.  `hardware` is the device map of `-r`.

    `digest` names the meaning (template, device map, id, start_timeout): comments and
    layout do not count, so reformatting a request is no edit.  `toggles_netboot` is the
    Kubernetes-era `bootOptions.toggleAllowNetboot`, which the digest leaves out, since digests
    of before it was read must stay what they are.
    """

    id: WorkflowId | None
    template: str
    hardware: Mapping[str, object]
    hardware_ref: str = ""  # Kubernetes era: the Hardware that `.Hardware` shows
    disabled: bool = False
    toggles_netboot: bool = False
    # The Kubernetes-era object that it was read from, for the way back.
    kubernetes: Mapping[str, object] | None = field(default=None, repr=False)
    start_timeout_seconds: int | None = None  # None: as the template says
    digest: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One container run.  Environment and volumes are the task's and its own, merged."""

    index: int
    task_name: str
    name: str
    worker_id: HardwareId
    worker: str  # as the template said: a MAC or an IP address
    image: str
    timeout_seconds: int = DEFAULT_ACTION_TIMEOUT_SECONDS
    command: tuple[str, ...] = ()
    on_timeout: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()  # sorted by name
    pid: str = ""
    network: str = ""  # a network namespace, as the container engine names it
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    background: bool = False  # started after its SUCCESS is durable: it ends the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAddress:
    """How a machine could be asked for when the workflow was made; frozen with it."""

    id: HardwareId
    macs: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRecord:
    """A workflow as it was materialised.  Never changed afterwards.

    `created_at` is RFC 3339 UTC.  `arrival` counts the workflows of a branch, from 1; those
    of before it was counted have none.  `workers` holds every machine that takes part, in the
    order of their first action.  `hardware` maps a worker's id to its classic document.

    `installs_os` holds the machines whose disk it writes an operating system to; None in a
    record that does not say, which is then judged by its images.  With `allows_netboot` its
    machines boot from the network while it lasts, whatever their documents say.
    """

    id: WorkflowId
    name: str
    template_id: TemplateId
    template_name: str
    template_blob: BlobId
    request_path: str
    request_digest: str
    request_blob: BlobId
    desired_commit: CommitId
    device_map: Mapping[str, object]
    created_at: str
    arrival: int | None = None
    global_timeout_seconds: int
    actions: tuple[Action, ...]
    workers: tuple[WorkerAddress, ...]
    hardware: Mapping[str, Mapping[str, object]]
    start_timeout_seconds: int = 0  # 0: it waits as long as it takes
    installs_os: tuple[HardwareId, ...] | None = None
    allows_netboot: bool = False


def queue_order(record: WorkflowRecord) -> tuple[int, str, WorkflowId]:
    """By arrival; those without a counter come first, in the order of their creation.

    A counter, because a clock that was wrong once would let a workflow jump the queue.
    """
    return (record.arrival or 0, record.created_at, record.id)
