"""The newest snapshot, and those who wait for it to change.

Readers take one reference and never wait.  A machine that waits for work leaves a
callback under its names; a change of a workflow wakes only the machines that take part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from provisioner.model.ids import WorkflowId
from provisioner.model.views import DesiredState, Snapshot, StatusView

Wake = Callable[[], None]


class Snapshots:
    """`current` is swapped by the writer's and the reconciler's threads."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._current = snapshot or Snapshot(desired=DesiredState(), status=StatusView())
        self._swapping = threading.Lock()  # guards _current against two swaps at once
        self._lock = threading.Lock()  # guards _waiting
        self._waiting: dict[str, set[Wake]] = {}
        self._is_closed = False

    @property
    def current(self) -> Snapshot:
        return self._current

    def start(self, snapshot: Snapshot) -> None:
        """Set what is there when a server starts, unless a newer one came already."""
        with self._swapping:
            if self._current.status.commit is None:
                self._current = snapshot

    def swap_status(self, status: StatusView, changed: Iterable[WorkflowId]) -> None:
        with self._swapping:
            self._current = Snapshot(desired=self._current.desired, status=status)
        names: set[str] = set()
        for workflow in changed if self._waiting else ():
            entry = status.readable(workflow)
            for worker in entry.record.workers if entry is not None else ():
                names.update((worker.id, *worker.macs, *worker.ips))
        self._wake(names)

    def swap_desired(self, desired: DesiredState, changed: Iterable[str] = ()) -> None:
        """`changed` are the names of machines whose documents changed: ids, MACs, IPs."""
        with self._swapping:
            self._current = Snapshot(desired=desired, status=self._current.status)
        if self._waiting:
            self._wake(changed)

    def wait(self, names: Iterable[str], wake: Wake) -> Callable[[], None]:
        """Have `wake` called, from any thread, when a name's work may have changed.

        Ask again after this call: what changed before it wakes nobody.  Returns how to
        stop waiting.
        """
        waited_for = tuple(names)
        with self._lock:
            is_closed = self._is_closed
            for name in waited_for:
                self._waiting.setdefault(name, set()).add(wake)
        if is_closed:
            wake()
        return lambda: self._forget(waited_for, wake)

    @property
    def is_closed(self) -> bool:
        """Whether those who wait should go home."""
        return self._is_closed

    def close(self) -> None:
        """Wake everybody, once and for all."""
        with self._lock:
            self._is_closed = True
            everybody = {wake for waiting in self._waiting.values() for wake in waiting}
        for wake in everybody:
            wake()

    def is_waiting(self, name: str) -> bool:
        """Whether a machine asks for work under this name just now."""
        return name in self._waiting

    def waiting_count(self) -> int:
        with self._lock:
            return len({wake for waiting in self._waiting.values() for wake in waiting})

    def _wake(self, names: Iterable[str]) -> None:
        with self._lock:
            found = {wake for name in names for wake in self._waiting.get(name, ())}
        for wake in found:
            wake()

    def _forget(self, names: tuple[str, ...], wake: Wake) -> None:
        with self._lock:
            for name in names:
                waiting = self._waiting.get(name, set())
                waiting.discard(wake)
                if not waiting:
                    self._waiting.pop(name, None)
