"""Pulls an action's image, within the action's timeout.

A registry that takes the question and never answers keeps the engine, and with it a call of
ours, waiting for ever.  So the call has a thread of its own, and is broken off when the time
is over or nobody wants the run any more; the engine then gives the pull up too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from worker import engine_errors
from worker.action import ActionFailed, ActionTimedOut
from worker.config import Config
from worker.runtime_engine import Engine, EngineGone, EngineSaidNo
from worker.watch import LOOK_SECONDS, Watch

log = logging.getLogger(__name__)


class Images:
    """Pulls images for actions, from the registry that the worker is configured to use."""

    def __init__(
        self, config: Config, engine: Engine, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._engine = engine
        self._now = now

    def name(self, image: str) -> str:
        """The image as the engine is asked for it."""
        registry = self._config.docker_registry
        return f"{registry}/{image}" if registry else image

    def pull(self, image: str, watch: Watch, *, seconds: float) -> None:
        """Pull an image, or take the one that is there; raise `ActionFailed` without one."""
        until = self._now() + seconds
        reason = ""
        for number in range(self._config.max_retry):
            if number:
                log.warning("image %s: %s; trying again", image, reason)
                watch.pause(min(self._config.retry_interval_seconds, max(0, until - self._now())))
            try:
                self._pull_once(image, watch, until)
                return
            except (EngineSaidNo, EngineGone) as error:
                reason = str(error)
            if engine_errors.is_final_pull_error(reason) or self._is_there(image):
                break
        if not self._is_there(image):
            raise ActionFailed(f"image {image}: {reason}")
        log.warning("image %s was not pulled, using the local one: %s", image, reason)

    def _pull_once(self, image: str, watch: Watch, until: float) -> None:
        pull = self._engine.image_pull(image, credentials=self._credentials())
        has_ended = threading.Event()
        failures: list[Exception] = []

        def work() -> None:
            try:
                pull.run()
            except Exception as error:
                failures.append(error)
            finally:
                has_ended.set()

        thread = threading.Thread(target=work, name="image pull", daemon=True)
        thread.start()
        try:
            while not has_ended.wait(max(0.0, min(LOOK_SECONDS, until - self._now()))):
                watch.check()
                if self._now() >= until:
                    raise ActionTimedOut(f"while image {image} was being pulled")
        finally:
            if not has_ended.is_set():
                pull.break_off()
                thread.join(LOOK_SECONDS)
        if failures:
            raise failures[0]

    def _credentials(self) -> Mapping[str, str] | None:
        if not self._config.docker_registry or not self._config.registry_username:
            return None
        return {
            "username": self._config.registry_username,
            "password": self._config.registry_password,
            "serveraddress": self._config.docker_registry,
        }

    def _is_there(self, image: str) -> bool:
        try:
            return self._engine.has_image(image)
        except (EngineSaidNo, EngineGone):
            return False
