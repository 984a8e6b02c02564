"""The states of an action and of a workflow, spelt as classic tink spells them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    PENDING = "STATE_PENDING"
    RUNNING = "STATE_RUNNING"
    SUCCESS = "STATE_SUCCESS"
    FAILED = "STATE_FAILED"
    TIMEOUT = "STATE_TIMEOUT"
    CANCELLED = "STATE_CANCELLED"

    __hash__ = str.__hash__  # Enum's own is a Python function: ten calls of it for each report


# What ends an action badly ends its workflow.
ENDED_BADLY = frozenset({State.FAILED, State.TIMEOUT, State.CANCELLED})
# What ends a workflow.
FINAL = ENDED_BADLY | {State.SUCCESS}
# What a worker may report.
REPORTABLE = frozenset({State.RUNNING, State.SUCCESS, State.FAILED, State.TIMEOUT})

# tink v0.1 to v0.6: the number of each state in `-o json` of the classic commands.
CLASSIC_NUMBER = {
    State.PENDING: 0,
    State.RUNNING: 1,
    State.FAILED: 2,
    State.TIMEOUT: 3,
    State.SUCCESS: 4,
    State.CANCELLED: 5,
}
