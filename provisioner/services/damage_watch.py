"""Reports what of the status branch can't be believed: one condition, one line in the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from provisioner.model.ids import WorkflowId
from provisioner.model.problem import Problem
from provisioner.model.set_aside import HINT
from provisioner.model.views import StatusView
from provisioner.services.conditions import Condition, Conditions
from provisioner.store.status.lazy_workflow import WorkflowReader

NAME = "status-damaged"
_NAMED = 3  # problems in a message; `tink fsck` shows all


class DamageWatch:
    """Thread-safe.  `published` costs two comparisons while nothing is damaged."""

    def __init__(self, conditions: Conditions, view: Callable[[], StatusView]) -> None:
        self._conditions = conditions
        self._view = view
        self._found: Callable[[], Mapping[WorkflowId, Problem]] = dict
        self._lock = threading.Lock()  # guards the two below
        self._problems: tuple[Problem, ...] = ()
        self._workflows = 0
        self._seen: tuple[object, object] = (None, None)  # of `published`

    @property
    def workflows(self) -> int:
        """How many are set aside."""
        return self._workflows

    def begin(self, reader: WorkflowReader) -> None:
        """Look at what is there, and at what turns out to be damaged when it is read."""
        self._found = lambda: {**reader.damaged_beside, **reader.damaged}
        reader.on_damage = self.look
        self.look()

    def published(self, view: StatusView) -> None:
        """Look at a new view, if its damage is another than the last one's."""
        seen = (view.set_aside, view.damage)
        if seen[0] is not self._seen[0] or seen[1] is not self._seen[1]:
            self._seen = seen
            self.look()

    def look(self) -> None:
        """Compare what is damaged with what was reported."""
        with self._lock:
            view = self._view()
            problems = dict(self._found())
            problems |= {id: each.problem for id, each in view.set_aside.items()}
            self._workflows = len(problems)
            now = tuple(sorted({*problems.values(), *view.damage}))
            if now == self._problems:
                return
            self._problems = now
            if not now:
                self._conditions.clear(NAME)
                return
            named = "; ".join(f"{each.path} {each.message}" for each in now[:_NAMED])
            more = f"; and {len(now) - _NAMED} more" if len(now) > _NAMED else ""
            self._conditions.set(
                Condition(
                    name=NAME,
                    message=f"{self._workflows} workflows are set aside: {named}{more}",
                    hint=HINT,
                    is_partial=True,
                )
            )
