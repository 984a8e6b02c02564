"""Validates a repository: the server's own checks, without a server.

Requests that became workflows already are judged as the server judges them, when the
status branch is there to say so; without it every request is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.model.ids import CommitId
from provisioner.model.problem import Problem
from provisioner.model.views import DesiredState, StatusView
from provisioner.planning.checked_plan import checked_plan
from provisioner.planning.planner import Plan
from provisioner.services import desired_loader
from provisioner.store.desired.reading import DesiredStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`problems` holds everything that is wrong, in reading order."""

    desired: DesiredState
    status: StatusView
    plan: Plan
    problems: tuple[Problem, ...]


def judge(store: DesiredStore, commit: CommitId, status: StatusView | None = None) -> Verdict:
    """Say what a server would do that sees this commit next, and what is wrong with it."""
    status = status or StatusView()
    in_force = status.reconcile.in_force
    return _verdict(desired_loader.load(store, commit, in_force).state, status)


def problems_of(desired: DesiredState, status: StatusView) -> tuple[Problem, ...]:
    """Everything that is wrong, in reading order."""
    return _verdict(desired, status).problems


def _verdict(desired: DesiredState, status: StatusView) -> Verdict:
    plan, problems = checked_plan(desired, status)
    return Verdict(desired=desired, status=status, plan=plan, problems=problems)
