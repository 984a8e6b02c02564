"""How the writer stops and goes on together with the condition that says why."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import Protocol

from provisioner.errors import TinkError, Unavailable
from provisioner.model.views import Receipt
from provisioner.services.conditions import Condition, Conditions

_PATIENCE_SECONDS = 600.0  # to read a branch of a hundred thousand workflows on a slow disk


class Haltable(Protocol):
    def halt(self, error: Unavailable) -> None: ...
    def resume(self) -> None: ...
    def refresh(self) -> Future[Receipt]: ...


class WritingSide:
    """Thread-safe."""

    def __init__(self, writer: Haltable, conditions: Conditions) -> None:
        self._writer = writer
        self._conditions = conditions
        self._lock = threading.Lock()  # guards the two together

    def stop(self, condition: Condition, *, level: int = logging.WARNING) -> None:
        """Let a condition that stops writing hold."""
        with self._lock:
            self._conditions.set(condition, level=level)
            self._writer.halt(Unavailable(condition.message, hint=condition.hint))

    def go_on(self, *names: str) -> None:
        """Let these conditions hold no longer, and go on unless another one stands.

        Nobody is offered anything before the writer has seen where the branch is now.
        """
        with self._lock:
            current = self._conditions.current
            others = [each for each in current if each.stops_writing and each.name not in names]
            if not others:
                self._writer.resume()
                try:
                    self._writer.refresh().result(_PATIENCE_SECONDS)
                except TinkError as error:
                    self._writer.halt(Unavailable(error.message, hint=error.hint))
                    raise
            for name in names:
                self._conditions.clear(name)
