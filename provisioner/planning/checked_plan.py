"""The plan for a whole state, and everything that is wrong with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from provisioner.model.ids import WorkflowId, new_workflow_id
from provisioner.model.problem import Problem
from provisioner.model.views import DesiredState, StatusView
from provisioner.planning import allowance, planner, template_cache
from provisioner.planning.planner import Plan
from provisioner.planning.template_cache import TemplateCache

_EPOCH = "1970-01-01T00:00:00.000000Z"


def checked_plan(
    desired: DesiredState,
    status: StatusView,
    *,
    new_id: Callable[[], WorkflowId] | None = None,
    cache: TemplateCache | None = None,
) -> tuple[Plan, tuple[Problem, ...]]:
    """Plan for all requests, as a server that starts now; the problems are in reading order."""
    cache = cache or TemplateCache()
    plan = planner.plan(
        desired,
        status,
        changed_paths=None,
        now=_EPOCH,
        new_id=new_id or placeholders(),
        cache=cache,
    )
    found = {problem for problems in desired.problems.values() for problem in problems}
    texts = template_cache.unparsable(desired.templates.values(), cache)
    refused = allowance.problems(desired, status, plan.creations)
    return plan, tuple(sorted(found.union(plan.problems, refused, *texts.values())))


def placeholders() -> Callable[[], WorkflowId]:
    """Ids for requests that name none, each its own; nobody gets to see them."""
    counter = itertools.count(1)
    return lambda: new_workflow_id(0, next(counter).to_bytes(10, "big"))
