"""How those who proposed a change are answered, when it is durable and when it can't be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner.errors import Unavailable
from provisioner.git.ref_lock import RefMoved
from provisioner.model.ids import CommitId
from provisioner.model.views import Receipt
from provisioner.store.guard.branch_guard import Diverged
from provisioner.store.writer import failing
from provisioner.store.writer.batch_builder import Group, Waiting

_RACES = 100  # lost compare-and-swaps in a row before the proposals are given up


def answer(group: Group) -> None:
    """Answer each of a group that is durable."""
    for member, outcome in zip(group.members, group.outcomes, strict=True):
        if isinstance(outcome, Exception):
            member.future.set_exception(outcome)
        else:
            commit = group.view.commit or CommitId("")
            receipt = Receipt(commit=commit, changes=outcome, view=group.view)
            member.future.set_result(receipt)


def after(failure: Exception, members: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Return who is tried again after a failure of their group, and who is given up."""
    if not isinstance(failure, RefMoved):
        return [], members
    again: list[Waiting] = []
    tired: list[Waiting] = []
    for member in members:
        rest = again if member.races < _RACES else tired
        rest.append(replace(member, races=member.races + 1))
    return again, tired


def give_up(members: Iterable[Waiting], error: Exception) -> None:
    """Say what kept a group from being written."""
    if isinstance(error, Diverged):
        refuse(members, error)
        return
    for member in members:
        told = Unavailable(f"the status branch can't be written now: {failing.reason(error)}")
        told.__cause__ = error
        member.future.set_exception(told)


def refuse(members: Iterable[Waiting], error: Unavailable) -> None:
    """Say why nothing is written now."""
    for member in members:
        member.future.set_exception(copy_of(error))


def copy_of(error: Unavailable) -> Unavailable:
    """An error of its own for each who raises it: a traceback grows with each of them."""
    return Unavailable(error.message, hint=error.hint)
