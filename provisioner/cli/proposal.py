"""A change checked by the server's own rules, before anything is committed."""

from __future__ import annotations

import time
from collections.abc import Mapping

from provisioner.documents import decode as decoding
from provisioner.documents.decode import Decoded
from provisioner.model import times
from provisioner.model.ids import BlobId, CommitId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem, Severity
from provisioner.model.views import DesiredState, WorkflowCreated
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning import desired as desired_planning
from provisioner.planning import render_workflow
from provisioner.planning.render_workflow import NewWorkflow
from provisioner.planning.template_cache import TemplateCache

NOT_YET = "0" * 40  # the blob and the commit of what is only proposed
_NO_WORKFLOW = WorkflowId("00000000-0000-7000-8000-000000000000")


def check(desired: DesiredState, changes: Mapping[str, bytes]) -> DesiredState:
    """Return the desired state with the changed files in it; raise for their problems."""
    changed = {
        path: desired_planning.ChangedFile(blob_id=BlobId(NOT_YET), decoded=_decoded(path, content))
        for path, content in changes.items()
    }
    state = desired_planning.update(desired, changed, commit=CommitId(NOT_YET)).state
    problems = [problem for path in changes for problem in state.problems.get(path) or ()]
    _raise_errors(problems)
    return state


def check_request(desired: DesiredState, path: str, content: bytes) -> WorkflowCreated:
    """Return the workflow that a request would become; raise for whatever is in its way."""
    state = check(desired, {path: content})
    return would_become(state.requests[path], state)


def would_become(request: WorkflowRequest, desired: DesiredState) -> WorkflowCreated:
    new = NewWorkflow(
        id=request.id or _NO_WORKFLOW,
        created_at=times.of_event(time.time()),
        desired_commit=CommitId(NOT_YET),
        request_path=request.source.path,
    )
    return render_workflow.render_workflow(request, desired, new=new, cache=TemplateCache())


def _decoded(path: str, content: bytes) -> Decoded:
    decoded = decoding.decode_file(path=path, blob_id=NOT_YET, content=content)
    _raise_errors(decoded.problems)
    return decoded


def _raise_errors(problems: tuple[Problem, ...] | list[Problem]) -> None:
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InvalidInput(problems)
