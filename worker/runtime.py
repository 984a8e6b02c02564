"""Runs an action as a container, and turns the container's end into an outcome.

Containers are found by their labels, so a restarted worker resumes where it was; only
the engine has to remember.  The container of a run stays until `clean_up`, which
comes after the last report: until then its end can be read again.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

from worker import action, engine_errors, hand_over
from worker.action import (
    ActionFailed,
    ActionTimedOut,
    Cancelled,
    HeldRun,
    Interrupted,
    Outcome,
    Run,
)
from worker.config import Config
from worker.hand_over import Held
from worker.handed_over import HandedOver
from worker.image_pull import Images
from worker.log_pump import CutOff, LogPump
from worker.log_tail import LogTail
from worker.run_clock import RunClock
from worker.runtime_engine import (
    ContainerSettings,
    ContainerState,
    Engine,
    EngineGone,
    EngineSaidNo,
)
from worker.watch import LOOK_SECONDS, Watch

log = logging.getLogger(__name__)

KILL_SECONDS = 10
ENGINE_GONE_SECONDS = 60  # past an action's timeout, before we stop waiting for the engine
ENGINE_STOP_SECONDS = 15  # from its first kill; dockerd itself gives containers 10
# How a shell reports a process that was killed, and docker of one whose end nobody saw.
KILLED_CODES = frozenset({129, 130, 137, 143, 255})


class DockerRuntime:
    """Runs actions on one engine, one at a time."""

    def __init__(
        self,
        config: Config,
        *,
        engine: Engine | None = None,
        clock: RunClock | None = None,
    ) -> None:
        self._config = config
        self._engine = engine or Engine(config.docker_environment)
        self._clock = clock or RunClock()
        self._images = Images(config, self._engine, self._clock.now)
        self._handed_over = HandedOver(self._engine, self._clock)

    def close(self) -> None:
        self._engine.close()

    def await_engine(self, watch: Watch) -> None:
        """Wait for an engine for as long as it takes."""
        self._await_engine(watch, None)

    def held_runs(self, asked_as: tuple[str, ...], watch: Watch) -> tuple[HeldRun, ...]:
        """The runs of this worker that the engine still has containers of."""
        self._await_engine(watch, None)
        try:
            states = self._engine.find({action.LABEL_WORKER: ""})
        except (EngineSaidNo, EngineGone) as error:
            raise Interrupted(f"the Docker engine does not list its containers: {error}") from error
        held = (action.held_run(dict(state.labels)) for state in states)
        return tuple(dict.fromkeys(one for one in held if one and one.asked_as in asked_as))

    def holds(self, run: Run, watch: Watch) -> bool:
        """Is there a container of this very run, started since this machine's boot?"""
        self._await_engine(watch, None)
        state = self._find(run, action.ROLE_ACTION)
        return (
            state is not None
            and state.has_started
            and state.labels.get(action.LABEL_BOOT) == self._clock.boot_id
        )

    def drop(self, held: HeldRun) -> bool:
        """Remove every container of a run that is over; return whether they are gone."""
        return self._remove_all(action.labels_of(held))

    def clean_up(self, run: Run) -> bool:
        """Remove every container of this action, of earlier attempts too; return whether
        they are gone."""
        labels = action.labels_of(action.held_of(run))
        del labels[action.LABEL_ATTEMPT]
        return self._remove_all(labels)

    def run(self, run: Run, watch: Watch) -> Outcome:
        """Run one attempt to its end, or go on with it when its container is there."""
        began = self._clock.now()
        tail = LogTail()
        try:
            state, can_run_more = self._begun(run, watch), True
            began = min(began, self._clock.began(state))
            outcome = self._ended(run, state, tail, watch)
        except ActionTimedOut as failure:
            reason = f"{action.TIMEOUT_MESSAGE} after {run.timeout_seconds} s, {failure}"
            outcome = Outcome(action_status=action.TIMEOUT, message=action.shortened(reason))
            can_run_more = False
        except ActionFailed as failure:
            reason = action.shortened(f"{action.FAILED_MESSAGE}: {failure}")
            outcome = Outcome(action_status=action.FAILED, message=reason)
            can_run_more = isinstance(failure, _DidNotStart)
        except Cancelled:
            self._clean_up_quietly(run)
            raise
        if can_run_more:
            self._run_afterwards(run, outcome, tail, watch)
        return replace(outcome, seconds=int(self._clock.now() - began), log_tail=tail.text)

    # Runs that are handed over (hand_over.py).

    def prepare(self, run: Run, watch: Watch) -> None:
        """Create the container of a run, or find it created; it is not started."""
        self._await_engine(watch, run.timeout_seconds)
        found = self._find(run, action.ROLE_ACTION)
        if found is not None and found.labels.get(action.LABEL_BOOT) == self._clock.boot_id:
            return
        self.clean_up(run)
        self._images.pull(self._images.name(run.offer.image), watch, seconds=run.timeout_seconds)
        settings = self._settings(run, action.ROLE_ACTION, run.offer.command)
        handover = hand_over.held_of(run).handover
        assert handover is not None
        labels = {**settings.labels, **action.background_label(handover)}
        try:
            self._engine.create(replace(settings, labels=labels))
        except EngineSaidNo as error:
            raise _DidNotStart(error.text) from error
        except EngineGone as error:
            raise Interrupted(f"the Docker engine went away: {error}") from error

    def handed_over(self, held: HeldRun, watch: Watch) -> Held | None:
        return self._handed_over.find(held)

    def start_handed_over(self, held: HeldRun) -> None:
        self._handed_over.start(held)

    # From an action to a started container.

    def _begun(self, run: Run, watch: Watch) -> ContainerState:
        self._await_engine(watch, run.timeout_seconds)
        found = self._find(run, action.ROLE_ACTION)
        if found is not None and found.has_started:
            log.info("%s: resuming container %s", run, found.id[:12])
            return found
        self.clean_up(run)
        image = self._images.name(run.offer.image)
        self._images.pull(image, watch, seconds=run.timeout_seconds)
        return self._started(run, action.ROLE_ACTION, run.offer.command, watch)

    def _started(
        self, run: Run, role: str, command: tuple[str, ...], watch: Watch
    ) -> ContainerState:
        settings = self._settings(run, role, command)
        try:
            return self._create_and_start(settings)
        except EngineSaidNo as error:
            if engine_errors.PRIVILEGED_UNAVAILABLE not in error.text:
                raise _DidNotStart(error.text) from error
            missing = engine_errors.missing_capabilities()
            if not self._config.allow_reduced_privileges:
                raise ActionFailed(engine_errors.privileged_unavailable(missing)) from error
        except EngineGone as error:
            raise Interrupted(f"the Docker engine went away: {error}") from error
        named = tuple(one for one in missing if one not in engine_errors.TOO_NEW_TO_NAME)
        log.warning("%s: runs without --privileged, this machine lacks %s", run, ", ".join(missing))
        try:
            return self._create_and_start(replace(settings, without_capabilities=named))
        except EngineSaidNo as error:
            raise _DidNotStart(error.text) from error
        except EngineGone as error:
            raise Interrupted(f"the Docker engine went away: {error}") from error

    def _settings(self, run: Run, role: str, command: tuple[str, ...]) -> ContainerSettings:
        return ContainerSettings(
            name=action.container_name(run, role),
            image=self._images.name(run.offer.image),
            command=command,
            environment=run.offer.environment,
            binds=(f"{run.folder}:/workflow", *run.offer.volumes),
            pid=run.offer.pid,
            network=run.offer.network,
            labels={**action.labels(run, role, self._clock.boot_id), **self._clock.labels()},
            capture_output=self._config.capture_action_logs,
        )

    def _create_and_start(self, settings: ContainerSettings) -> ContainerState:
        container_id = self._engine.create(settings)
        try:
            self._engine.start(container_id)
            state = self._engine.state(container_id)
        except EngineSaidNo:
            with contextlib.suppress(EngineGone, EngineSaidNo):
                self._engine.remove(container_id)  # docker leaves it there, in `Created`
            raise
        if state is None:
            raise EngineSaidNo("the container vanished at its start")
        return replace(state, has_ended=False)  # whoever follows it sees its end

    # From a started container to its end.

    def _ended(self, run: Run, begun: ContainerState, tail: LogTail, watch: Watch) -> Outcome:
        ended, timed_out = self._follow(run, begun, tail, watch)
        if timed_out:
            message = f"{action.TIMEOUT_MESSAGE} after {run.timeout_seconds} s"
            return Outcome(action_status=action.TIMEOUT, message=message, exit_code=ended.exit_code)
        if ended.exit_code == 0 and not ended.error:
            return Outcome(
                action_status=action.SUCCESS, message=action.SUCCESS_MESSAGE, exit_code=0
            )
        reason = f"exit code {ended.exit_code}"
        if ended.out_of_memory:
            reason = f"out of memory, {reason}"
        if ended.error:
            reason = f"{reason}, {ended.error}"
        return Outcome(
            action_status=action.FAILED,
            message=action.shortened(f"{action.FAILED_MESSAGE}: {reason}"),
            exit_code=ended.exit_code,
        )

    def _follow(
        self, run: Run, begun: ContainerState, tail: LogTail, watch: Watch
    ) -> tuple[ContainerState, bool]:
        """Wait for a container's end; return also whether it timed out."""
        deadline = self._clock.began(begun) + run.timeout_seconds
        pump = LogPump(lambda follow: self._output(begun.id, follow), tail)
        was_watched = not begun.has_ended
        was_cut_off = False  # the engine went away while it ran
        while True:
            watch.check()
            try:
                state = self._engine.state(begun.id)
                if state is None:
                    if was_watched:
                        raise ActionFailed("its container was removed by somebody else")
                    raise Interrupted("the Docker engine lost its container")
                if state.has_ended:
                    break
                left = deadline - self._clock.now()
                if left <= 0:
                    self._note_timeout(state)
                    self._engine.kill(begun.id)
                    self._engine.wait(begun.id, KILL_SECONDS)
                    state = self._engine.state(begun.id) or state
                    pump.finish()
                    return state, True
                self._engine.wait(begun.id, min(LOOK_SECONDS, left))
            except EngineSaidNo as error:
                log.warning("%s: the Docker engine says: %s", run, error)
                watch.pause(LOOK_SECONDS)
            except EngineGone as error:
                log.warning("%s: the Docker engine went away: %s", run, error)
                was_cut_off |= was_watched
                was_watched = False
                left = max(0.0, deadline - self._clock.now())
                self._await_engine(watch, left + ENGINE_GONE_SECONDS)
                pump = pump.resumed()
        pump.finish()
        if self._clock.is_timed_out(run, state) and state.exit_code in KILLED_CODES:
            return state, True  # we killed it, and died before we could report it
        if state.exit_code == 0 or state.out_of_memory:
            return state, False
        # What answers the engine's signal with a code of its own may end after the engine's last
        # word to us; whoever failed by itself meanwhile fails again.
        is_ended = was_cut_off or state.exit_code in KILLED_CODES
        if self._engine_ends(state, watch) if was_watched else is_ended:
            raise Interrupted(f"the Docker engine stopped it with exit code {state.exit_code}")
        return state, False

    def _engine_ends(self, state: ContainerState, watch: Watch) -> bool:
        """Was this container killed because its engine is being stopped?

        An engine that ends kills its containers first and answers until then.
        """
        try:
            if not self._engine.was_killed(state):
                return not self._engine.answers()
        except (EngineGone, EngineSaidNo):
            return True
        give_up = time.monotonic() + ENGINE_STOP_SECONDS
        while time.monotonic() < give_up:
            if not self._engine.answers():
                return True
            watch.pause(LOOK_SECONDS)
        return False

    def _run_afterwards(self, run: Run, outcome: Outcome, tail: LogTail, watch: Watch) -> None:
        """Run `on-timeout` or `on-failure`; what becomes of it is only logged, as in v0.1."""
        role, command = action.ROLE_ON_FAILURE, run.offer.on_failure
        if outcome.action_status == action.TIMEOUT and run.offer.on_timeout:
            role, command = action.ROLE_ON_TIMEOUT, run.offer.on_timeout
        if outcome.action_status == action.SUCCESS or not command:
            return
        tail.note(f"--- {role}: {' '.join(command)}")
        try:
            state = self._find(run, role)
            if state is None or not state.has_started:
                state = self._started(run, role, command, watch)
            ended, timed_out = self._follow(run, state, tail, watch)
            ending = "timed out" if timed_out else f"exit code {ended.exit_code}"
        except (ActionFailed, Interrupted, EngineGone, EngineSaidNo) as error:
            ending = str(error)
        except Cancelled:
            self._clean_up_quietly(run)
            raise
        tail.note(f"--- {role}: {ending}")
        log.info("%s: %s: %s", run, role, ending)

    def _output(self, container_id: str, follow: bool) -> Iterator[bytes]:
        """A container's output until now or its end, or its engine's."""
        if not self._config.capture_action_logs:
            return
        try:
            yield from self._engine.output(container_id, follow=follow)
        except (EngineGone, EngineSaidNo) as error:
            log.debug("output of container %s was cut off: %s", container_id[:12], error)
            raise CutOff from error

    def _note_timeout(self, state: ContainerState) -> None:
        """Have the engine remember why the container is killed, should this worker die now."""
        with contextlib.suppress(EngineSaidNo):  # it has that name already
            self._engine.rename(state.id, f"{state.name}{action.TIMED_OUT_SUFFIX}")

    # Finding and removing.

    def _find(self, run: Run, role: str) -> ContainerState | None:
        labels = {**action.labels_of(action.held_of(run)), action.LABEL_ROLE: role}
        try:
            found = self._engine.find(labels)
        except (EngineSaidNo, EngineGone) as error:
            raise Interrupted(f"the Docker engine does not list its containers: {error}") from error
        return found[0] if found else None

    def _remove_all(self, labels: dict[str, str]) -> bool:
        try:
            for state in self._engine.find(labels):
                self._engine.remove(state.id)
        except (EngineSaidNo, EngineGone) as error:
            log.warning(
                "containers of workflow %s remain: %s", labels[action.LABEL_WORKFLOW], error
            )
            return False
        return True

    def _clean_up_quietly(self, run: Run) -> None:
        log.info("%s: cancelled, its container is removed", run)
        self.clean_up(run)

    def _await_engine(self, watch: Watch, limit_seconds: float | None) -> None:
        """Wait until the engine answers; for ever without a limit, the log says why."""
        began = time.monotonic()
        is_logged = False
        while not self._engine.answers():
            if limit_seconds is not None and time.monotonic() - began > limit_seconds:
                raise ActionFailed("the Docker engine does not answer")
            if not is_logged:
                log.warning("the Docker engine does not answer; waiting for it")
                is_logged = True
            watch.pause(LOOK_SECONDS)


class _DidNotStart(ActionFailed):
    """The image is there, the container is not."""
