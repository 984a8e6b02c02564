"""Reads what machines have begun of a workflow from its two files, without decoding them.

The rule is `boot_history.parts_of`; here it is applied to the few lines that it needs.  Actions
are only read of a workflow that several machines share, or whose record is of before
`installs_os`.
"""

from __future__ import annotations

import json
from typing import Any

from provisioner.model.boot_history import Part
from provisioner.model.ids import HardwareId
from provisioner.model.known_images import is_disk_writer
from provisioner.model.state import State
from provisioner.store.status import json_lines


def read(record: bytes, status: bytes) -> tuple[Part, ...]:
    """As `boot_history.parts_of`; raises ValueError, KeyError or TypeError for other content."""
    context = json_lines.line_of(status, "context")
    now, has_attempt = context["current_action_index"], context["attempt"] > 0
    if now == 0 and not has_attempt:
        return ()
    workers = [HardwareId(each["id"]) for each in json_lines.line_of(record, "workers")]
    installed = json_lines.find_line(record, "installs_os")
    bounds = dict.fromkeys(workers, (0, context["total_number_of_actions"] - 1))
    if installed is None or len(workers) > 1:
        actions = json_lines.line_of(record, "actions")
        bounds = _bounds(actions)
        if installed is None:
            installed = [each["worker_id"] for each in actions if is_disk_writer(each["image"])]
    has_succeeded = context["current_action_state"] == State.SUCCESS
    parts = []
    for worker in workers:
        first, last = bounds[worker]
        if first > now or (first == now and not has_attempt):
            continue
        is_done = last < now or (last == now and has_succeeded)
        installs = worker in installed
        at = _end_of(status, last) if is_done and installs else ""
        parts.append(Part(worker, installs, is_done, at))
    return tuple(parts)


def _bounds(actions: list[dict[str, Any]]) -> dict[HardwareId, tuple[int, int]]:
    """The first and the last action of each machine."""
    bounds: dict[HardwareId, tuple[int, int]] = {}
    for place, action in enumerate(actions):
        worker = HardwareId(action["worker_id"])
        first, _ = bounds.get(worker, (place, place))
        bounds[worker] = (first, place)
    return bounds


def _end_of(status: bytes, action_index: int) -> str:
    """When an action ended in SUCCESS."""
    marks = (b'"action_index": %d,' % action_index, b'"action_status": "STATE_SUCCESS"')
    for line in reversed(status.splitlines()):
        if all(mark in line for mark in marks):
            return str(json.loads(line.rstrip(b","))["at"])
    raise ValueError(f"the events do not hold the end of action {action_index}")
