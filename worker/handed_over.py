"""Finds and starts the containers of runs that were handed over (hand_over.py)."""

from __future__ import annotations

import logging

from worker import action
from worker.action import HeldRun, Interrupted
from worker.hand_over import Held
from worker.run_clock import RunClock
from worker.runtime_engine import ContainerState, Engine, EngineGone, EngineSaidNo

log = logging.getLogger(__name__)


class HandedOver:
    """On one engine."""

    def __init__(self, engine: Engine, clock: RunClock) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, held: HeldRun) -> Held | None:
        """How far the container is; None when it is gone."""
        state = self._container_of(held)
        if state is None:
            return None
        timeout_seconds = held.handover.timeout_seconds if held.handover else 0
        return Held(
            is_of_this_boot=state.labels.get(action.LABEL_BOOT) == self._clock.boot_id,
            has_started=state.has_started,
            has_ended=state.has_ended,
            exit_code=state.exit_code,
            left_seconds=self._clock.began(state) + timeout_seconds - self._clock.now(),
        )

    def start(self, held: HeldRun) -> None:
        """Start the container, unless it was started before; one that can't be is removed."""
        state = self._container_of(held)
        if state is None or state.has_started:
            return
        try:
            self._engine.start(state.id)
        except EngineSaidNo as error:
            log.error("workflow %s: the container can't be started: %s", held.workflow_id, error)
            self._engine.remove(state.id)
        except EngineGone as error:
            raise Interrupted(f"the Docker engine went away: {error}") from error

    def _container_of(self, held: HeldRun) -> ContainerState | None:
        try:
            found = self._engine.find(action.labels_of(held))
        except (EngineSaidNo, EngineGone) as error:
            raise Interrupted(f"the Docker engine does not list its containers: {error}") from error
        return found[0] if found else None
