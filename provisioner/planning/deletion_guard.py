"""Does a commit delete so much that it looks like a mistake?

A wrong folder, a merge gone wrong, a script with an empty list: machines at work would be
stopped, and nothing brings their workflows back.  So a person is asked first.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.model.event import WorkflowDeleted
from provisioner.model.problem import Problem, Severity
from provisioner.model.state import FINAL
from provisioner.model.views import DesiredState, StatusView

AT_ONCE = 10  # unfinished workflows: what a person may well delete by hand …
SHARE = 5  # … or one fifth of all that are unfinished, where there are many


TRAILER = "Tink-Accept"  # of a commit that names another, which it accepts
ASKED_FIRST = (
    f"a server waits until it is accepted: tink accept COMMIT there, or a later commit with"
    f" the trailer {TRAILER}: <full id>"
)


def warning(why: str) -> Problem:
    """Say before a merge that a server would wait for a person."""
    return Problem(
        path="workflows/",
        code="desired.not-accepted",
        message=why,
        hint=ASKED_FIRST,
        severity=Severity.WARNING,
    )


def objection(
    deletions: Iterable[WorkflowDeleted],
    desired: DesiredState,
    status: StatusView,
    *,
    is_folder_gone: bool = False,
) -> str:
    """Say why these deletions must be confirmed, or nothing.

    `is_folder_gone`: workflows/ is not there any more, with more in it than one request.
    Costs a look at each deletion, and at each live workflow if there are many deletions.
    """
    deleted = [each.workflow_id for each in deletions]
    if not deleted:
        return ""
    if not desired.paths:
        return "it has no file in hardware/, templates/ and workflows/ any more"
    if not desired.requests and (is_folder_gone or len(deleted) > 1):
        many = f"{len(deleted)} workflow{'s' * (len(deleted) != 1)}"
        return f"it empties workflows/, which deletes {many}"
    unfinished = sum(status.workflows[each].state not in FINAL for each in deleted)
    if unfinished <= AT_ONCE:
        return ""
    live = len({each for queue in status.queues.values() for each in queue})
    if unfinished * SHARE <= live:
        return ""
    return f"it deletes {unfinished} of {live} unfinished workflows at once"
