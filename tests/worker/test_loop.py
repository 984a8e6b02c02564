"""Does the loop keep its promises to server and engine?  With an engine that is played."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tests.worker.fake_server import WORKER, FakeServer, Refusal, an_action
from worker.action import (
    FAILED,
    SUCCESS,
    TIMEOUT,
    Cancelled,
    HeldRun,
    Interrupted,
    Outcome,
    Run,
)
from worker.config import Config
from worker.loop import Worker
from worker.transport import ServerApi
from worker.watch import Watch

pytestmark = pytest.mark.network

DONE = Outcome(action_status=SUCCESS, message="finished execution successfully", exit_code=0)


@dataclass
class FakeRuntime:
    """Plays what `acts` says for each action's name; remembers what was asked of it."""

    acts: dict[str, Callable[[Run, Watch], Outcome]] = field(default_factory=dict)
    held: list[HeldRun] = field(default_factory=list)
    ran: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[HeldRun] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)

    def await_engine(self, watch: Watch) -> None:
        pass

    def held_runs(self, asked_as: tuple[str, ...], watch: Watch) -> tuple[HeldRun, ...]:
        return tuple(one for one in self.held if one.asked_as in asked_as)

    def holds(self, run: Run, watch: Watch) -> bool:
        mine = (run.offer.workflow_id, run.offer.action_index, run.attempt)
        return any((one.workflow_id, one.action_index, one.attempt) == mine for one in self.held)

    def run(self, run: Run, watch: Watch) -> Outcome:
        self.ran.append((run.offer.action_name, run.attempt))
        return self.acts.get(run.offer.action_name, lambda run, watch: DONE)(run, watch)

    def clean_up(self, run: Run) -> bool:
        self.cleaned.append(run.offer.action_name)
        return True

    def drop(self, held: HeldRun) -> bool:
        self.dropped.append(held)
        self.held.remove(held)
        return True


@dataclass
class Machine:
    runtime: FakeRuntime
    folder: Path
    start: Callable[..., None]


@pytest.fixture
def machine(server: FakeServer, tmp_path: Path) -> Iterator[Machine]:
    leaving = threading.Event()
    runtime = FakeRuntime()
    threads: list[threading.Thread] = []

    def start(*ids: str) -> None:
        config = Config(
            server=server.url,
            ids=ids or (WORKER,),
            workflow_dir=tmp_path / "workflow",
            wait_seconds=5,
            heartbeat_seconds=0.05,
        )
        api = ServerApi(
            server.url, stop=leaving, first_pause_seconds=0.01, pause_limit_seconds=0.05
        )
        worker = Worker(config, api, cast(Any, runtime), leaving=leaving)
        threads.append(threading.Thread(target=worker.work))
        threads[-1].start()

    yield Machine(runtime=runtime, folder=tmp_path / "workflow", start=start)
    leaving.set()
    with server.changed:
        server.swallow = lambda method, path: True
        server.add(an_action())  # ends a long poll
    for one in threads:
        one.join(10)
        assert not one.is_alive()


def writes(name: str, content: str) -> Callable[[Run, Watch], Outcome]:
    def act(run: Run, watch: Watch) -> Outcome:
        (run.folder / name).write_text(content)
        return DONE

    return act


def test_every_action_is_reported_running_and_ended(server, machine):
    workflow = server.add(an_action("one"), an_action("two"))
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert workflow.story() == [
        ("one", "STATE_RUNNING", 1),
        ("one", "STATE_SUCCESS", 1),
        ("two", "STATE_RUNNING", 1),
        ("two", "STATE_SUCCESS", 1),
    ]


@pytest.mark.parametrize("status", [FAILED, TIMEOUT])
def test_a_bad_end_ends_the_workflow_and_not_the_worker(server, machine, status):
    machine.runtime.acts["bad"] = lambda run, watch: Outcome(action_status=status, message="why")
    bad = server.add(an_action("bad"), an_action("never"))
    after = server.add(an_action("after"))
    machine.start()
    assert server.wait_for_end(after) == "STATE_SUCCESS"
    assert bad.story()[-1] == ("bad", status, 1)
    assert machine.runtime.ran == [("bad", 1), ("after", 1)]


def test_data_is_there_before_the_action_and_at_the_server_before_its_end(server, machine):
    seen: list[dict[str, bytes]] = []

    def look(run: Run, watch: Watch) -> Outcome:
        seen.append({one.name: one.read_bytes() for one in run.folder.iterdir()})
        return DONE

    machine.runtime.acts |= {"write": writes("a", "1"), "look": look}
    workflow = server.add(an_action("look"), an_action("write"), an_action("look"))
    machine.start()
    server.wait_for_end(workflow)
    assert seen == [{}, {"a": b"1"}]
    puts = [line.split("?")[0] for line in server.requests if "heartbeat" not in line]
    put = next(number for number, line in enumerate(puts) if line.startswith("PUT"))
    assert puts[put + 1].endswith("/reports")


def test_a_held_run_goes_on_without_a_new_start(server, machine):
    workflow = server.add(an_action())
    workflow.state = workflow.status = "STATE_RUNNING"
    workflow.attempt = 3
    (machine.folder / workflow.id).mkdir(parents=True)
    machine.runtime.held.append(
        HeldRun(workflow_id=workflow.id, action_index=0, attempt=3, asked_as=WORKER)
    )
    machine.start()
    server.wait_for_end(workflow)
    assert workflow.story() == [("hello", "STATE_SUCCESS", 3)]
    assert machine.runtime.dropped == []


def test_a_run_that_nobody_holds_starts_again_as_the_next_attempt(server, machine):
    workflow = server.add(an_action())
    workflow.state = workflow.status = "STATE_RUNNING"
    workflow.attempt = 3
    machine.start()
    server.wait_for_end(workflow)
    assert workflow.story() == [("hello", "STATE_RUNNING", 4), ("hello", "STATE_SUCCESS", 4)]


def test_what_is_held_and_over_is_dropped_at_the_start(server, machine):
    over = server.add(an_action())
    server.cancel(over)
    held = HeldRun(workflow_id=over.id, action_index=0, attempt=1, asked_as=WORKER)
    other = HeldRun(workflow_id=over.id, action_index=0, attempt=1, asked_as="another worker")
    machine.runtime.held += [held, other]
    after = server.add(an_action())
    machine.start()
    server.wait_for_end(after)
    assert machine.runtime.dropped == [held]


def test_what_is_held_is_asked_about_until_the_server_answers(server, machine):
    left = [503, 503]

    def refuse(method: str, path: str) -> None:
        if path.endswith("/heartbeat") and left:
            raise Refusal(left.pop(), "not now")

    server.before = refuse
    over = server.add(an_action())
    server.cancel(over)
    held = HeldRun(workflow_id=over.id, action_index=0, attempt=1, asked_as=WORKER)
    machine.runtime.held.append(held)
    after = [server.add(an_action()) for _ in range(3)]
    machine.start()
    for workflow in after:
        server.wait_for_end(workflow)
    assert machine.runtime.dropped == [held]


def test_a_run_broken_off_is_tried_three_times_and_then_failed(server, machine):
    def break_off(run: Run, watch: Watch) -> Outcome:
        raise Interrupted("no engine")

    machine.runtime.acts["weak"] = break_off
    workflow = server.add(an_action("weak"))
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert workflow.story() == [
        ("weak", "STATE_RUNNING", 1),
        ("weak", "STATE_RUNNING", 2),
        ("weak", "STATE_RUNNING", 3),
        ("weak", "STATE_FAILED", 3),
    ]
    assert workflow.events[-1].message == "Action Failed: interrupted 3 times, no engine"


def test_a_cancelled_run_is_told_and_not_reported(server, machine):
    def until_cancelled(run: Run, watch: Watch) -> Outcome:
        assert watch.cancelled.wait(30)
        raise Cancelled

    machine.runtime.acts["long"] = until_cancelled
    workflow = server.add(an_action("long"))
    after = server.add(an_action("after"))
    machine.start()
    server.wait_for_status(workflow, "STATE_RUNNING")
    server.cancel(workflow)
    assert server.wait_for_end(after) == "STATE_SUCCESS"
    assert workflow.story() == [("long", "STATE_RUNNING", 1)]
    assert not (machine.folder / workflow.id).exists()


def test_a_run_goes_on_while_its_heartbeats_fail(server, machine):
    def enough_failures(method: str, path: str) -> None:
        if path.endswith("/heartbeat"):
            failed.set()
            raise Refusal(next(statuses, 503), "no")

    def act(run: Run, watch: Watch) -> Outcome:
        assert failed.wait(30)
        return DONE

    failed, statuses = threading.Event(), iter([404, 500])
    server.before = enough_failures
    machine.runtime.acts["hello"] = act
    workflow = server.add(an_action())
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"


def test_data_that_the_server_refuses_fails_the_action_with_its_words(server, machine):
    def refuse(method: str, path: str) -> None:
        if method == "PUT":
            raise Refusal(413, "ephemeral data is 11 bytes, the limit is 10 bytes")

    server.before = refuse
    machine.runtime.acts["write"] = writes("a", "x" * 11)
    workflow = server.add(an_action("write"))
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert workflow.events[-1].message == (
        "Action Failed: ephemeral data is 11 bytes, the limit is 10 bytes"
    )


def test_data_that_can_not_be_written_fails_the_action(server, machine):
    machine.folder.write_text("a file where the folder should be")
    workflow = server.add(an_action())
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_FAILED"
    assert "the ephemeral data did not arrive" in workflow.events[-1].message
    assert machine.runtime.ran == []


def test_a_refused_start_runs_nothing(server, machine):
    refused = threading.Event()

    def refuse(method: str, path: str) -> None:
        if path.endswith("/reports") and not refused.is_set():
            refused.set()
            raise Refusal(409, "another worker was first")

    server.before = refuse
    workflow = server.add(an_action())
    machine.start()
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert machine.runtime.ran == [("hello", 1)]


def test_a_machine_with_several_cards_is_found_by_any_of_them(server, machine):
    workflow = server.add(an_action("one"), an_action("two"))
    machine.start("08:00:27:00:00:0a", WORKER)
    assert server.wait_for_end(workflow) == "STATE_SUCCESS"
    assert {one.worker for one in workflow.events} == {WORKER}


def test_an_offer_for_a_folder_outside_is_not_taken(server, machine):
    workflow = server.add(an_action("evil"))
    workflow.id = "../evil"
    after = server.add(an_action("after"))
    machine.start()
    server.wait_for(lambda: len(server.requests) > 2, "more questions")
    server.cancel(workflow)
    assert server.wait_for_end(after) == "STATE_SUCCESS"
    assert machine.runtime.ran == [("after", 1)]


def test_a_fault_of_our_own_in_one_workflow_does_not_end_the_worker(server, machine):
    def stumble(run: Run, watch: Watch) -> Outcome:
        raise ZeroDivisionError

    machine.runtime.acts["stumbles"] = stumble
    workflow = server.add(an_action("stumbles"))
    after = server.add(an_action("after"))
    machine.start()
    server.wait_for(lambda: workflow.attempt > 1, "another try")
    server.cancel(workflow)
    assert server.wait_for_end(after) == "STATE_SUCCESS"


def test_messages_are_cut_to_what_an_event_holds(server, machine):
    machine.runtime.acts["bad"] = lambda run, watch: Outcome(
        action_status=FAILED, message="x" * 999
    )
    workflow = server.add(an_action("bad"))
    machine.start()
    server.wait_for_end(workflow)
    assert len(workflow.events[-1].message) == 200
