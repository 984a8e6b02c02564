"""A workflow of which a file on the status branch can't be believed.

It is set aside alone: no machine is offered anything of it, no report changes it, and all
others are served.  What was known of it last still holds its places: that of its request, so
that nothing is run a second time, and those in its machines' queues, so that nothing overtakes
it; both until a person mends the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.errors import Unavailable
from provisioner.model.ids import BlobId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.model.state import State

if TYPE_CHECKING:
    from provisioner.model.event import WorkflowEvent
    from provisioner.model.state_machine import WorkflowContext
    from provisioner.model.views import WorkflowEntry
    from provisioner.model.workflow import WorkflowRecord

HINT = "to put back what is known of it: stop the server, then tink status-branch mend"


class Damaged(Unavailable):
    """Asked for what can't be believed; may go well when the file was mended."""

    def __init__(self, workflow: WorkflowId, problem: Problem) -> None:
        self.workflow = workflow
        self.problem = problem
        reason = f"{problem.path} {problem.message}"
        super().__init__(f"workflow {workflow} is set aside: {reason}", hint=HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Stands where the entry of such a workflow would be.

    `last` is the workflow as it was known last, None where that is not known; `order` as
    `queue_order` of its record; `request_path` is empty where nothing is known but the id.
    """

    id: WorkflowId
    problem: Problem
    order: tuple[int, str, WorkflowId]
    request_path: str
    last: WorkflowEntry | None = None

    @property
    def state(self) -> State:
        return self.last.state if self.last is not None else State.PENDING

    @property
    def record(self) -> WorkflowRecord:
        raise Damaged(self.id, self.problem)

    @property
    def record_id(self) -> BlobId:
        raise Damaged(self.id, self.problem)

    @property
    def context(self) -> WorkflowContext:
        raise Damaged(self.id, self.problem)

    @property
    def events(self) -> tuple[WorkflowEvent, ...]:
        raise Damaged(self.id, self.problem)
