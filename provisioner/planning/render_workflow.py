"""What workflow do a request, a template and the hardware make together?

Rendering comes before parsing.  What goes wrong is told where a person can mend it: in
the template's file, and for a worker that nobody has also with the text as written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from provisioner.documents import layout
from provisioner.documents.hardware_view import hardware_view
from provisioner.documents.layout import Kind
from provisioner.errors import UserError
from provisioner.model import ids
from provisioner.model.hardware import Hardware
from provisioner.model.ids import CommitId, HardwareId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.template import Template
from provisioner.model.views import NOTHING_IN_FORCE, DesiredState, WorkflowCreated
from provisioner.model.workflow import WorkerAddress, WorkflowRecord, WorkflowRequest
from provisioner.planning.desired import file_of
from provisioner.planning.template_cache import TemplateCache
from provisioner.planning.text_shape import Made


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkflow:
    """What a record holds that neither request nor template tells."""

    id: WorkflowId
    created_at: str
    desired_commit: CommitId
    request_path: str


class UnknownWorkers(InvalidInput):
    """Machines are missing; `workers` are all that the workflow names, as it spells them."""

    def __init__(self, problems: Iterable[Problem], workers: Iterable[str]) -> None:
        super().__init__(problems)
        self.workers = tuple(workers)


def render_workflow(
    request: WorkflowRequest, desired: DesiredState, *, new: NewWorkflow, cache: TemplateCache
) -> WorkflowCreated:
    """Make the record, or raise `InvalidInput` with every problem."""
    template = find_template(request, desired)
    data = render_data(request, template, desired)
    try:
        made = cache.make(template, data)
    except InvalidInput as invalid:
        raise _for_request(invalid, request) from None
    workers = _workers(made, template, request, desired)
    actions = made.actions_for([machine.id for machine in workers])
    machines = {
        machine.id: machine
        for task, machine in zip(made.tasks, workers, strict=True)
        if not task.is_empty
    }
    start_timeout = request.start_timeout_seconds
    record = WorkflowRecord(
        id=new.id,
        name=made.name,
        template_id=template.id,
        template_name=template.name,
        template_blob=ids.BlobId(template.source.blob_id),
        request_path=new.request_path,
        request_digest=request.digest,
        request_blob=ids.BlobId(request.source.blob_id),
        desired_commit=new.desired_commit,
        device_map=request.hardware,
        created_at=new.created_at,
        global_timeout_seconds=made.global_timeout_seconds,
        start_timeout_seconds=(
            made.start_timeout_seconds if start_timeout is None else start_timeout
        ),
        actions=actions,
        workers=tuple(
            WorkerAddress(id=machine.id, macs=machine.macs, ips=machine.ips)
            for machine in machines.values()
        ),
        hardware={machine.id: machine.document for machine in machines.values()},
        installs_os=_installed_machines(made, workers, request),
        allows_netboot=request.toggles_netboot,
    )
    return WorkflowCreated(record=record, rendered=made.text, warnings=made.warnings)


def find_template(request: WorkflowRequest, desired: DesiredState) -> Template:
    """`-t` takes a name or an id."""
    name = desired.template_names.get(ids.TemplateId(request.template.lower()), request.template)
    template = desired.templates.get(name or request.template)
    if template is None:
        problem = Problem(
            path=file_of(request.source.path),
            code="workflow.template-unknown",
            message=f"there is no template {request.template!r}",
            hint=_hint(desired, Kind.TEMPLATE) or "tink template list shows the names and ids",
        )
        raise InvalidInput([problem])
    return template


def render_data(
    request: WorkflowRequest, template: Template, desired: DesiredState
) -> Mapping[str, object]:
    """The device map's keys; the machine's `Hardware` and `hardware` if the text asks for them."""
    data = dict(request.hardware)
    is_shown = "Hardware" in template.text or "hardware" in template.text
    machine = _referenced(request, desired) if is_shown or request.hardware_ref else None
    if machine is not None and is_shown:
        for name, value in hardware_view(machine).items():
            data.setdefault(name, value)
    return data


def _referenced(request: WorkflowRequest, desired: DesiredState) -> Hardware | None:
    """The machine that the request names, or else the first one that its devices name."""
    if request.hardware_ref:
        found = hardware_named(request.hardware_ref, desired)
        if found is None:
            problem = Problem(
                path=file_of(request.source.path),
                code="workflow.hardware-unknown",
                message=f"there is no hardware {request.hardware_ref!r}",
                hint=_hint(desired, Kind.HARDWARE) or "tink hardware list shows the machines",
            )
            raise InvalidInput([problem])
        return found
    devices = (value for value in request.hardware.values() if isinstance(value, str))
    machines = (find_hardware(text, desired) for text in devices)
    return next((each for each in machines if each is not None), None)


def hardware_named(name: str, desired: DesiredState) -> Hardware | None:
    """Find a Kubernetes-era Hardware by `metadata.name`: its id follows from the name."""
    for namespace in ("default", "tink-system", "tinkerbell", ""):
        found = desired.hardware.get(ids.hardware_id(namespace, name))
        if found is not None:
            return found
    by_id = desired.hardware.get(HardwareId(name.lower()))
    return by_id or next((each for each in desired.hardware.values() if each.name == name), None)


def find_hardware(text: str, desired: DesiredState) -> Hardware | None:
    """Find a machine by a MAC or an IP address in any spelling, or by its agentID."""
    kind, name = worker_address(text)
    owner = desired.hardware_by_agent.get(text)
    if kind == "mac":
        owner = desired.hardware_by_mac.get(ids.MacAddress(name))
    elif kind == "ip":
        owner = desired.hardware_by_ip.get(ids.IpAddress(name))
    return desired.hardware.get(owner) if owner is not None else None


def worker_address(text: str) -> tuple[str, str]:
    """Tell `("mac", …)` or `("ip", …)` in its one spelling, or `("", text)`."""
    parsers: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("mac", ids.parse_mac),
        ("ip", ids.parse_ip),
    )
    for kind, parse in parsers:
        try:
            return kind, parse(text)
        except UserError:
            continue
    return "", text


def _workers(
    made: Made, template: Template, request: WorkflowRequest, desired: DesiredState
) -> list[Hardware]:
    """The machine of each task; every one that is missing is told."""
    found: list[Hardware] = []
    problems = []
    for task in made.tasks:
        machine = find_hardware(task.worker, desired)
        if machine is not None:
            found.append(machine)
            continue
        kind, name = worker_address(task.worker)
        known = f"no worker found: {kind}: {name}" if kind else ""
        message = known or f"invalid worker address: {task.worker}"
        hint = "a worker is a MAC address, an IPv4 address or a machine's agentID"
        if kind:
            hint = _hint(desired, Kind.HARDWARE) or "add its file to hardware/"
        problem = Problem(
            path=file_of(request.source.path),
            code="workflow.worker-unknown" if kind else "workflow.worker-invalid",
            message=f"{message} ({_place(template, task.line)})",
            hint=hint,
        )
        problems.append(problem)
    if problems:
        raise UnknownWorkers(problems, [task.worker for task in made.tasks])
    return found


def _hint(desired: DesiredState, kind: Kind) -> str:
    """Name the files that may hold what is missing, and of which nothing is in force."""
    folder = f"{layout.FOLDER_OF[kind]}/"
    broken = sorted(
        path
        for path, blob in desired.in_force.items()
        if blob == NOTHING_IN_FORCE and path.startswith(folder)
    )
    if not broken:
        return ""
    more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"{broken[0]}{more} can't be used before its problems are mended: is it there?"


def _installed_machines(
    made: Made, workers: Iterable[Hardware], request: WorkflowRequest
) -> tuple[HardwareId, ...]:
    """The machines that get an operating system: what the template says goes first."""
    found: dict[HardwareId, None] = {}
    for task, machine in zip(made.tasks, workers, strict=True):
        installs = task.installs_os
        if installs is None:
            installs = request.toggles_netboot or task.writes_disk
        if installs and not task.is_empty:
            found[machine.id] = None
    return tuple(found)


def _place(template: Template, line: int) -> str:
    return f"{template.source.path}:{line}" if line else template.source.path


def _for_request(invalid: InvalidInput, request: WorkflowRequest) -> InvalidInput:
    """Say for which request a template fails: it may be right for all others."""
    return InvalidInput(
        replace(each, message=f"{each.message} (for {request.source.path})")
        for each in invalid.problems
    )
