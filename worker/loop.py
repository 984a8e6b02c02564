"""The main loop of a worker, from its start to its end.

Ask; bring the data in line; report RUNNING; run; push the data; report the end; ask again.
Nothing that must survive a crash is stored here: the server knows what was reported, the engine
what runs.  Reports carry ids that follow from the run, so a repeated one counts once.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import Protocol

from worker import action, data, hand_over, wire
from worker.action import ActionFailed, Cancelled, HeldRun, Interrupted, Leaving, Outcome, Run
from worker.config import Config
from worker.data import DataRefused
from worker.hand_over import Held
from worker.heartbeat import UNWANTED_STATUSES, HeartbeatThread
from worker.transport import ServerApi, ServerRefused, ServerUnreachable
from worker.watch import Watch
from worker.wire import Acknowledgement, Heartbeat, Offer, Report

log = logging.getLogger(__name__)

HELD_LINE_SECONDS = 1.0  # an answer sooner than this means: the server does not hold the line
POLL_PAUSE_SECONDS = 3.0  # classic tink's, for a server that does not
INTERRUPTION_LIMIT = 3  # runs of one action that an engine may break off, before it has failed
NO_DATA_SHA256 = wire.sha256(wire.pack(()))


class Runtime(Protocol):
    """What runs actions."""

    def await_engine(self, watch: Watch) -> None: ...
    def held_runs(self, asked_as: tuple[str, ...], watch: Watch) -> tuple[HeldRun, ...]: ...
    def holds(self, run: Run, watch: Watch) -> bool: ...
    def run(self, run: Run, watch: Watch) -> Outcome: ...
    def clean_up(self, run: Run) -> bool: ...
    def drop(self, held: HeldRun) -> bool: ...
    def prepare(self, run: Run, watch: Watch) -> None: ...
    def handed_over(self, held: HeldRun, watch: Watch) -> Held | None: ...
    def start_handed_over(self, held: HeldRun) -> None: ...


class Worker:
    """One machine's worker.  `leaving` ends it; what runs then goes on without it."""

    def __init__(
        self, config: Config, api: ServerApi, runtime: Runtime, *, leaving: threading.Event
    ) -> None:
        self._config = config
        self._api = api
        self._runtime = runtime
        self._leaving = leaving
        self._may_have_leftovers = True
        # Set while the server is asked for work: whoever sets `leaving` from a signal may then
        # raise Leaving into the wait, for an offer that nobody reads is no loss.
        self.is_asking = threading.Event()
        self._known_as = config.ids[0] if len(config.ids) == 1 else ""

    def work(self) -> None:
        """Work until asked to shut down."""
        log.info("requesting work from %s as %s", self._config.server, ", ".join(self._config.ids))
        failures = 0
        try:
            while not self._leaving.is_set():
                after_seconds = 0.0
                try:
                    self._work_once()
                    failures = 0
                    continue
                except ServerUnreachable as error:
                    log.warning("the server does not answer, trying again: %s", error)
                    after_seconds = error.after_seconds
                except ServerRefused as error:
                    log.error("the server refuses to offer work: %s", error)
                except Interrupted as error:
                    log.warning("the Docker engine is not available, trying again: %s", error)
                    self._may_have_leftovers = True
                except Leaving:
                    raise
                except Exception:  # a fault of ours in one workflow must not strand the machine
                    log.exception("an error in the worker itself, will go on")
                self.is_asking.clear()
                self._api.pause(failures, at_least_seconds=after_seconds)
                failures += 1
        except Leaving:
            pass
        log.info("shutting down; the running container continues and is resumed at the next start")

    def _work_once(self) -> None:
        if self._may_have_leftovers:
            self._drop_unwanted()
        self.is_asking.set()
        if self._leaving.is_set():  # the signal came just before it could be raised
            raise Leaving
        asked_as, offer = self._ask()
        self.is_asking.clear()
        if offer is not None:
            self._perform(offer, asked_as)

    def _ask(self) -> tuple[str, Offer | None]:
        """Ask for every id; wait for work as the one that had some before."""
        began = time.monotonic()
        for one in sorted(self._config.ids, key=lambda one: one != self._known_as):
            wait_seconds = self._config.wait_seconds if one == self._known_as else 0
            offer = self._api.poll(one, wait_seconds)
            if offer is not None:
                self._known_as = one
                return one, offer
        if time.monotonic() - began < HELD_LINE_SECONDS:
            self._leaving.wait(POLL_PAUSE_SECONDS)
        return "", None

    # One action.

    def _perform(self, offer: Offer, asked_as: str) -> None:
        try:
            folder = data.folder_of(self._config.workflow_dir, offer.workflow_id)
        except DataRefused as error:
            log.error("invalid offer: %s", error)
            self._api.pause(0)
            return
        self._remove_others(offer)
        run = Run(offer=offer, asked_as=asked_as, attempt=offer.attempt, folder=folder)
        watch = Watch(leaving=self._leaving)
        try:
            is_held = offer.action_status == action.RUNNING and self._holds(run, watch)
            if not is_held:
                run = replace(run, attempt=offer.attempt + 1)
            self._run_to_its_end(run, is_held)
        except Cancelled:
            log.warning("%s: cancelled", run)
            self._forget(run)
        except ServerRefused as error:
            log.error("%s: the server refused a report: %s", run, error)
            self._forget(run)
            self._api.pause(0)

    def _holds(self, run: Run, watch: Watch) -> bool:
        if not run.offer.background:
            return self._runtime.holds(run, watch)
        held = self._runtime.handed_over(hand_over.held_of(run), watch)
        return held is not None and held.is_of_this_boot

    def _run_to_its_end(self, run: Run, is_held: bool) -> None:
        for interruptions in range(1, INTERRUPTION_LIMIT + 1):
            watch = Watch(leaving=self._leaving)
            try:
                acknowledged = self._run_once(run, watch, is_held)
                break
            except Interrupted as error:
                log.warning("%s: interrupted: %s", run, error)
                if interruptions == INTERRUPTION_LIMIT:
                    reason = f"{action.FAILED_MESSAGE}: interrupted {interruptions} times, {error}"
                    failed = Outcome(action_status=action.FAILED, message=reason)
                    acknowledged = self._report_end(run, failed)
                    break
                self._api.pause(interruptions)
                self._runtime.await_engine(watch)
                run, is_held = replace(run, attempt=run.attempt + 1), False
        self._tidy(self._runtime.clean_up(run))
        log.info("%s: reported; the workflow is in %s", run, acknowledged.workflow_state)
        if acknowledged.workflow_state in action.FINAL_STATES:
            self._remove_folder(run)

    def _run_once(self, run: Run, watch: Watch, is_held: bool) -> Acknowledgement:
        had_sha256 = run.offer.data_sha256 if run.offer.data_version else NO_DATA_SHA256
        problem = ""
        if not is_held:
            try:
                had_sha256 = self._bring_data(run)
            except (DataRefused, OSError, wire.WireError, ServerRefused) as error:
                problem = f"{action.FAILED_MESSAGE}: the ephemeral data did not arrive: {error}"
            begun = self._report(
                run,
                action.RUNNING,
                "start",
                Outcome(action_status=action.RUNNING, message=action.STARTED_MESSAGE),
            )
            if begun.workflow_state in action.FINAL_STATES:
                raise Cancelled  # it ended before the answer came
        if not problem and run.offer.background:
            return self._hand_over(run, watch)
        if problem:
            return self._report_end(run, Outcome(action_status=action.FAILED, message=problem))
        seconds = self._config.heartbeat_seconds
        with HeartbeatThread(self._api, run, watch, seconds=seconds):
            outcome = self._runtime.run(run, watch)
            outcome = self._push_data(run, outcome, had_sha256)
        return self._report_end(run, outcome)

    def _hand_over(self, run: Run, watch: Watch) -> Acknowledgement:
        """Create the container, report SUCCESS, start it, and wait for its end."""
        try:
            with HeartbeatThread(self._api, run, watch, seconds=self._config.heartbeat_seconds):
                self._runtime.prepare(run, watch)
        except ActionFailed as failure:
            return self._report_end(run, hand_over.failed(failure))
        acknowledged = hand_over.finish(hand_over.held_of(run), self._runtime, self._api, watch)
        if acknowledged is None:
            raise Cancelled
        return acknowledged

    def _report(self, run: Run, status: str, what: str, outcome: Outcome) -> Acknowledgement:
        log.info("%s: %s %s", run, status, outcome.message)
        return self._api.report(
            run.offer.workflow_id,
            Report(
                report_id=run.report_id(what),
                worker=run.asked_as,
                task_name=run.offer.task_name,
                action_name=run.offer.action_name,
                action_index=run.offer.action_index,
                attempt=run.attempt,
                action_status=status,
                seconds=outcome.seconds,
                message=action.shortened(outcome.message),
                exit_code=outcome.exit_code,
                log_tail=outcome.log_tail,
            ),
        )

    def _report_end(self, run: Run, outcome: Outcome) -> Acknowledgement:
        return self._report(run, outcome.action_status, "end", outcome)

    # Its data.

    def _bring_data(self, run: Run) -> str:
        """Make the folder what the server has; returns the sha256 of that."""
        wanted = run.offer.data_sha256 if run.offer.data_version else NO_DATA_SHA256
        try:
            if run.folder.is_dir() and wire.sha256(wire.pack(data.read(run.folder))) == wanted:
                return wanted
        except (DataRefused, OSError, wire.WireError) as error:
            log.info("%s: replacing the workflow folder: %s", run, error)
        if not run.offer.data_version:
            data.mirror(run.folder, ())
            return wanted
        archive = self._api.fetch_data(run.offer.workflow_id, run.asked_as)
        files = wire.unpack(archive.content) if archive else ()
        data.mirror(run.folder, files)
        return archive.sha256 if archive else NO_DATA_SHA256

    def _push_data(self, run: Run, outcome: Outcome, had_sha256: str) -> Outcome:
        """Send what changed; data that can't be shared makes a success a failure."""
        try:
            files = data.read(run.folder, limit_bytes=self._config.max_file_size_bytes)
            archive = wire.pack(files)
            if wire.sha256(archive) == had_sha256:
                return outcome
            answer = self._api.push_data(
                run.offer.workflow_id,
                run.asked_as,
                archive,
                action_index=run.offer.action_index,
                attempt=run.attempt,
                report_id=run.report_id("data"),
            )
            log.info("%s: ephemeral data version %d, %d files", run, answer.version, len(files))
            return outcome
        except (DataRefused, OSError, wire.WireError) as error:
            problem = str(error)
        except ServerRefused as error:
            problem = error.message
        log.warning("%s: the ephemeral data was not shared: %s", run, problem)
        if outcome.action_status != action.SUCCESS:
            return outcome
        message = f"{action.FAILED_MESSAGE}: {problem}"
        return replace(outcome, action_status=action.FAILED, message=message)

    # What is left over.

    def _drop_unwanted(self) -> None:
        """Remove what an earlier life of this worker, or an engine that was away, left behind
        and nobody wants any more."""
        watch = Watch(leaving=self._leaving)
        self._may_have_leftovers = False
        for held in self._runtime.held_runs(self._config.ids, watch):
            if held.handover is not None:
                hand_over.finish(held, self._runtime, self._api, watch)
            elif not self._is_wanted(held):
                log.warning(
                    "removing the container of workflow %s, which has ended", held.workflow_id
                )
                self._tidy(self._runtime.drop(held))

    def _tidy(self, is_all_gone: bool) -> None:
        self._may_have_leftovers = self._may_have_leftovers or not is_all_gone

    def _is_wanted(self, held: HeldRun) -> bool:
        heartbeat = Heartbeat(
            worker=held.asked_as, action_index=held.action_index, attempt=held.attempt
        )
        try:
            return not self._api.heartbeat(held.workflow_id, heartbeat).cancel
        except ServerUnreachable:
            self._may_have_leftovers = True  # undecided: ask again
            return True
        except ServerRefused as error:
            return error.status not in UNWANTED_STATUSES

    def _forget(self, run: Run) -> None:
        self._tidy(self._runtime.clean_up(run))
        self._remove_folder(run)

    def _remove_folder(self, run: Run) -> None:
        try:
            data.remove(run.folder)
        except OSError as error:
            log.warning("%s could not be removed: %s", run.folder, error)

    def _remove_others(self, offer: Offer) -> None:
        """One workflow at a time: what other folders hold, the server has."""
        for folder in data.others(self._config.workflow_dir, offer.workflow_id):
            try:
                data.remove(folder)
            except OSError as error:
                log.warning("%s could not be removed: %s", folder, error)
