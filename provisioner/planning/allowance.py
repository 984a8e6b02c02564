"""Which machines may run no workflow?

`allow_workflow: false` in a machine's newest document, not in what a workflow froze: a
person takes a machine out of service, and what is queued for it waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provisioner.model.hardware import Hardware
from provisioner.model.problem import Problem, Severity
from provisioner.model.views import DesiredState, StatusView, WorkflowCreated
from provisioner.model.workflow import WorkerAddress
from provisioner.planning.desired import file_of

HINT = "to let it run workflows, write true or leave the field out"


def refusal(machine: Hardware) -> str:
    """Say why a machine is offered nothing, or nothing."""
    if machine.allows_workflow:
        return ""
    name = next(iter((*machine.macs, *machine.ips)), machine.id)
    return f"worker {name} runs no workflow: allow_workflow is false in {machine.source.path}"


def problems(
    desired: DesiredState, status: StatusView, creations: Iterable[WorkflowCreated]
) -> Iterator[Problem]:
    """Say of each request that can't run now which machine is not allowed to.

    Costs a look at each machine that has work, and at the unfinished workflows of those that
    are not allowed to.
    """
    for made in creations:
        yield from _of(made.record.workers, made.record.request_path, desired)
    waiting = [
        workflow
        for machine, queue in status.queues.items()
        if (found := desired.hardware.get(machine)) is not None and not found.allows_workflow
        for workflow in queue
    ]
    paths = {workflow: key for key, workflow in status.requests.items()} if waiting else {}
    for workflow in dict.fromkeys(waiting):
        if workflow in paths:
            yield from _of(status.workflows[workflow].record.workers, paths[workflow], desired)


def _of(
    workers: Iterable[WorkerAddress], request_path: str, desired: DesiredState
) -> Iterator[Problem]:
    for worker in workers:
        machine = desired.hardware.get(worker.id)
        message = refusal(machine) if machine is not None else ""
        if message:
            yield Problem(
                path=file_of(request_path),
                code="workflow.not-allowed",
                message=message,
                hint=HINT,
                severity=Severity.WARNING,
            )
