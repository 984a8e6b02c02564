"""Which requests are old ones under a new name?

A workflow looks for its request where its file is gone, and where its file says something
else by now: `mv a b`, then a new `a`, in one commit.  Found by its id, else by its digest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from provisioner.model.ids import WorkflowId
from provisioner.model.views import DesiredState, StatusView
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning.desired import file_of


class RequestMoves:
    """Moves to some keys; `moves` are in the order in which they have to happen.

    No workflow is decoded, and each key is looked at once or twice.
    """

    def __init__(
        self,
        desired: DesiredState,
        status: StatusView,
        keys: Iterable[str],
        edited: Iterable[str] = (),
    ) -> None:
        """`edited` are keys that did not change now; their workflows may have moved too."""
        self._desired, self._status = desired, status
        self.moves: dict[str, WorkflowId] = {}  # by the new key
        self._lost: dict[WorkflowId, str] = {}  # whose request is not where it was, by its key
        self._moved: set[WorkflowId] = set()
        self.touched: set[str] = set()  # the keys, old and new
        free: deque[tuple[str, WorkflowRequest]] = deque()
        for key in keys:
            request = desired.requests.get(key)
            if request is not None and status.requests.get(key) is None:
                free.append((key, request))
            else:
                self._look_for_lost(key)
        for key in edited:
            self._look_for_lost(key)
        while free:
            key, request = free.popleft()
            found = self._find(request)
            if found is None:
                continue
            self.moves[key] = found
            self._moved.add(found)
            left = self._lost[found]
            self.touched |= {key, left}
            standing = desired.requests.get(left)
            if standing is not None:  # another request, whose key is free now
                free.append((left, standing))

    def workflow_at(self, key: str) -> WorkflowId | None:
        """The workflow of a key, after the moves."""
        workflow = self.moves.get(key) or self._status.requests.get(key)
        if workflow is None or (workflow in self._moved and key not in self.moves):
            return None
        return workflow

    def is_gone(self, key: str) -> bool:
        """A bad file is not gone: its last good version is in force."""
        path = file_of(key)
        if path not in self._desired.paths:
            return True
        return key not in self._desired.requests and path not in self._desired.in_force

    def _look_for_lost(self, key: str) -> None:
        request, workflow = self._desired.requests.get(key), self._status.requests.get(key)
        if workflow is None:
            return
        if self.is_gone(key) or (request is not None and not self._is_of(request, workflow)):
            self._lost[workflow] = key

    def _is_of(self, request: WorkflowRequest, workflow: WorkflowId) -> bool:
        if request.id is not None and request.id == workflow:
            return True
        return workflow in (self._status.by_digest.get(request.digest) or ())

    def _find(self, request: WorkflowRequest) -> WorkflowId | None:
        if request.id is not None:
            candidates: tuple[WorkflowId, ...] = (request.id,)
        else:
            candidates = self._status.by_digest.get(request.digest) or ()
        found = (each for each in candidates if each in self._lost and each not in self._moved)
        return next(found, None)
