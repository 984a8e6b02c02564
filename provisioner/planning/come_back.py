"""Is a new request one whose workflow was deleted, come back by a revert or a second push?

What a machine has done is never done again because git moved a file.  A copy beside the
first is a new request, and so is one with an id of its own; but of a copy beside the first
nobody can say that it is not another one of that content, deleted in an earlier commit.
"""

from __future__ import annotations

from provisioner.model.ids import WorkflowId
from provisioner.model.problem import Problem, Severity
from provisioner.model.state import State
from provisioner.model.views import StatusView, path_of
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning.desired import file_of

CODE = "workflow.come-back"


def problem_of(
    key: str,
    request: WorkflowRequest,
    status: StatusView,
) -> Problem | None:
    """Say why a request for which there is no workflow must not become one, or nothing.

    Costs a few look-ups; a workflow is decoded only to say what is wrong with an id.
    """
    if request.id is None and len(status.set_aside):
        unknown = (each for each in status.set_aside.values() if not each.request_path)
        for each in unknown:
            return _set_aside(request, each.id, "may have been of this request")
    if request.id is not None and request.id in status.set_aside:
        return _set_aside(request, request.id, "is of this request")
    if request.id is not None and request.id in status.workflows:
        return _of_its_id(request.id, request, status)
    here = status.deleted_like(request.digest, key)
    found = here or status.deleted_like(request.digest)
    return None if found is None else _come_back(found, request, status)


def _of_its_id(workflow: WorkflowId, request: WorkflowRequest, status: StatusView) -> Problem:
    entry = status.workflows[workflow]
    is_deleted = entry.context.is_deleted
    if is_deleted and entry.record.request_digest == request.digest:
        return _come_back(workflow, request, status)
    was = "deleted" if is_deleted else f"made of {path_of(entry)}"
    return Problem(
        path=file_of(request.source.path),
        code="workflow.id-taken",
        message=f"workflow {workflow} exists already; it was {was}",
        hint="give the new request an id of its own, or leave the id out",
    )


def _set_aside(request: WorkflowRequest, workflow: WorkflowId, said: str) -> Problem:
    return Problem(
        path=file_of(request.source.path),
        code="workflow.set-aside",
        message=f"workflow {workflow} {said}, and its files on the status branch are damaged",
        hint="mend them (tink status-branch mend), or give the new request an id of its own",
    )


def _come_back(workflow: WorkflowId, request: WorkflowRequest, status: StatusView) -> Problem:
    state = status.workflows[workflow].state
    ended = "" if state is State.CANCELLED else f"ended in {state} and "
    return Problem(
        path=file_of(request.source.path),
        code=CODE,
        message=(
            f"this looks like workflow {workflow}, which {ended}was deleted; it will not run again"
        ),
        hint="to run it again on purpose, give the request a new id: `id:` and what uuidgen prints",
        severity=Severity.WARNING,
    )
