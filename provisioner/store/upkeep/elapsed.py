"""How long each workflow had been running when the server ended.

No clock that a person can set shows that, so the server notes it every few seconds, in one
small file beside the repository.  It is not synced: what a lost note costs is that a few
seconds, or after a power cut some more, count again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from provisioner.model.ids import WorkflowId

FILE = "elapsed.json"
_VERSION = 1
_LONGEST_SECONDS = 2**31  # longer than any time-out

_LOG = logging.getLogger(__name__)


class Elapsed(NamedTuple):
    """Seconds of the step that is under way (`attempt` 0: due), and of the whole workflow."""

    action_index: int
    attempt: int
    step_seconds: float
    workflow_seconds: float


def read(folder: Path) -> dict[WorkflowId, Elapsed]:
    """What was noted last; nothing when that can't be read, for then all counts anew."""
    try:
        stored = json.loads((folder / FILE).read_bytes())
        if stored["version"] != _VERSION:
            raise ValueError("it is of another version")
        return {WorkflowId(each): _elapsed(*found) for each, found in stored["workflows"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _LOG.warning("%s can't be read, timeouts count from now: %s", folder / FILE, error)
        return {}


def write(folder: Path, elapsed: Mapping[WorkflowId, Elapsed]) -> None:
    """Replace the note; one of 10,000 workflows takes some 20 ms."""
    stored = {"version": _VERSION, "workflows": elapsed}
    new = folder / f"{FILE}.new"
    try:
        new.write_text(json.dumps(stored))
        new.replace(folder / FILE)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def _elapsed(index: int, attempt: int, step: float, workflow: float) -> Elapsed:
    numbers = (index, attempt, step, workflow)
    if not all(type(each) in (int, float) and 0 <= each < _LONGEST_SECONDS for each in numbers):
        raise ValueError(f"{numbers} is no time of a workflow")
    return Elapsed(int(index), int(attempt), step, workflow)
