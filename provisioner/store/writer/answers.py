"""Answers those who proposed a change: when it is durable, and when it can't be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner.errors import Unavailable
from provisioner.git.ref_lock import RefMoved
from provisioner.model.ids import CommitId
from provisioner.model.views import Receipt
from provisioner.store.guard.branch_guard import Diverged
from provisioner.store.writer import failing
from provisioner.store.writer.batch_builder import Batch, Waiting

_RACES = 100  # lost compare-and-swaps in a row before the proposals are given up


def answer(batch: Batch) -> None:
    """Answer every member of a batch that is durable: with a receipt, or what it raised."""
    for member, outcome in zip(batch.members, batch.outcomes, strict=True):
        if isinstance(outcome, Exception):
            member.future.set_exception(outcome)
        else:
            commit = batch.view.commit or CommitId("")
            receipt = Receipt(commit=commit, changes=outcome, view=batch.view)
            member.future.set_result(receipt)


def after(failure: Exception, members: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Return who is tried again after a failure of their batch, and who is given up."""
    if not isinstance(failure, RefMoved):
        return [], members
    again: list[Waiting] = []
    given_up: list[Waiting] = []
    for member in members:
        rest = again if member.races < _RACES else given_up
        rest.append(replace(member, races=member.races + 1))
    return again, given_up


def give_up(members: Iterable[Waiting], error: Exception) -> None:
    """Fail each with `Unavailable`, which says why their batch could not be written."""
    if isinstance(error, Diverged):
        refuse(members, error)
        return
    for member in members:
        unavailable = Unavailable(
            f"the status branch can't be written now: {failing.reason(error)}"
        )
        unavailable.__cause__ = error
        member.future.set_exception(unavailable)


def refuse(members: Iterable[Waiting], error: Unavailable) -> None:
    """Fail each with the error that says why nothing is written now."""
    for member in members:
        member.future.set_exception(copy_of(error))


def copy_of(error: Unavailable) -> Unavailable:
    """Return an error of its own for one who raises it: a traceback grows with each raise."""
    return Unavailable(error.message, hint=error.hint)
