"""The condition that holds while nothing can be written, and how it goes."""

from __future__ import annotations

from provisioner.services.conditions import Condition, Conditions

NAME = "write-failing"


def report(reason: str | None, conditions: Conditions) -> None:
    """Let the condition hold for a reason; with None it is over.

    It does not stop writing: each report that comes is a try, and one that works ends it.  The
    writer tries by itself too, each second.
    """
    if reason is None:
        conditions.clear(NAME)
        return
    message = f"the status branch can't be written: {reason}"
    hint = "look after the disk; it is tried again each second"
    conditions.set(Condition(name=NAME, message=message, hint=hint))
