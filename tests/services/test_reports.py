"""What workers tell, on a real status branch."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import LimitExceeded, NotFound, Refused, UserError
from provisioner.git.repo import GitRepo
from provisioner.model.state import State
from provisioner.model.views import DesiredState, Snapshot, WorkflowCreated
from provisioner.services.reports import Push, Reports, Unpacked, check_begun
from provisioner.services.snapshots import Snapshots
from provisioner.store.fsck import fsck
from provisioner.store.writer.status_writer import StatusWriter
from tests.builders import IPS, MACS, ONE, TWO, record
from tests.services.parts import FIRST, SECOND, HandClock, told
from tests.store import sites
from worker import wire

RUNNING, SUCCESS, FAILED = State.RUNNING, State.SUCCESS, State.FAILED


class Branch:
    """A status branch with a writer and what takes reports for it."""

    def __init__(self, folder: Path, *records):
        self.repo = GitRepo(folder)
        self.snapshots = Snapshots()
        self.writer = StatusWriter(self.repo, on_published=self.snapshots.swap_status)
        self.threads = ThreadPoolExecutor(1)
        self.contacts = []
        self.snapshots.start(Snapshot(desired=DesiredState(), status=self.writer.view))
        self.reports = Reports(
            writer=self.writer,
            snapshots=self.snapshots,
            clock=HandClock(),
            threads=self.threads,
            contact=self.contacts.append,
        )
        made = tuple(WorkflowCreated(record=each, rendered="") for each in records)
        if made:
            self.writer.propose(lambda view: made).result()

    def late(self):
        """From now on everything comes too late."""
        self.reports = Reports(
            writer=self.writer,
            snapshots=self.snapshots,
            clock=HandClock(),
            threads=self.threads,
            deadlines=Passed(),
        )

    def tell(self, report, workflow=FIRST):
        return self.reports.report(workflow, report).result()

    def push(self, *files, index=0, attempt=1, worker=MACS[ONE], report_id="p1", workflow=FIRST):
        push = Push(report_id=report_id, worker=worker, action_index=index, attempt=attempt)
        archive = wire.pack(files)
        unpacked = Unpacked(files=files, sha256=wire.sha256(archive))
        return self.reports.push(workflow, push, lambda: unpacked).result()

    @property
    def context(self):
        return self.snapshots.current.status.workflows[FIRST].context

    def close(self):
        if self.threads is None:
            return
        self.threads.shutdown()
        self.writer.close()
        self.repo.close()
        self.threads = None


@pytest.fixture
def branch(tmp_path):
    sites.bare(tmp_path / "site").close()
    opened = Branch(
        tmp_path / "site", record(ONE, TWO, workflow=FIRST), record(ONE, workflow=SECOND)
    )
    yield opened
    opened.close()


def file(path="data.json", content=b"{}"):
    return wire.ArchivedFile(path=path, content=content)


def test_a_report_is_answered_with_the_commit_that_holds_it(branch):
    receipt = branch.tell(told(0, RUNNING))
    assert receipt.commit == branch.writer.store.tip()
    kept = branch.writer.store.read_workflow(FIRST)
    assert kept.context.state is RUNNING
    assert [each.report_id for each in kept.events] == ["0:1:STATE_RUNNING"]


def test_a_repeated_report_counts_once_and_moves_nothing(branch):
    first = branch.tell(told(0, RUNNING))
    again = branch.tell(told(0, RUNNING))
    assert again.commit == first.commit
    assert again.changes == ()
    assert branch.context.event_count == 1


def test_of_a_machine_that_boots_twice_at_once_each_step_is_taken_once(branch):
    """Both lives report with the ids that a worker gives its reports; the first end counts."""
    start, end = (wire.report_id(FIRST, 0, 1, what) for what in ("start", "end"))
    assert branch.tell(told(0, RUNNING, report_id=start)).changes
    assert not branch.tell(told(0, RUNNING, report_id=start)).changes
    assert branch.tell(told(0, SUCCESS, report_id=end)).changes
    assert not branch.tell(told(0, FAILED, report_id=end)).changes
    assert branch.context.event_count == 2 and branch.context.state is RUNNING
    with pytest.raises(Refused, match="action 1 is due"):
        branch.tell(told(0, RUNNING, report_id="another"))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (told(0, RUNNING, worker=MACS[TWO]), "belongs to another worker"),
        (told(0, RUNNING, worker="52:54:00:ff:ff:ff"), "belongs to another worker"),
        (told(0, RUNNING, action_name="other"), "action name does not match"),
        (told(0, RUNNING, task_name="other"), "task name does not match"),
        (told(1, RUNNING), "action 0 is due"),
        (told(7, RUNNING), "action 0 is due"),
        (told(-1, RUNNING, report_id="r"), "action 0 is due"),
        (told(0, SUCCESS), "has not started"),
        (told(0, RUNNING, attempt=3), "is attempt 1"),
        (told(0, "STATE_CANCELLED"), "can't report"),
    ],
)
def test_what_the_rules_forbid_is_refused_and_nothing_is_written(branch, report, words):
    before = branch.writer.store.tip()
    with pytest.raises(Refused, match=words):
        branch.tell(report)
    assert branch.writer.store.tip() == before


def test_a_report_for_no_workflow_of_ours_is_not_found(branch):
    with pytest.raises(NotFound):
        branch.tell(told(0, RUNNING), workflow="../../etc/passwd")


def test_a_report_for_a_finished_workflow_is_refused(branch):
    branch.tell(told(0, RUNNING))
    branch.tell(told(0, FAILED))
    with pytest.raises(Refused, match="has ended in STATE_FAILED"):
        branch.tell(told(0, RUNNING, attempt=2))


def test_a_second_workflow_may_not_be_started_out_of_turn(branch):
    with pytest.raises(Refused, match=f"busy with workflow {FIRST}"):
        branch.tell(told(0, RUNNING), workflow=SECOND)


def test_an_action_that_reboots_its_machine_is_not_begun_for_ever(branch):
    for attempt in range(1, 6):
        assert branch.tell(told(0, RUNNING, attempt=attempt)).changes
    one_more = told(0, RUNNING, attempt=6)
    receipt = branch.tell(one_more)
    assert branch.context.state is FAILED
    assert "max_attempts is 5" in receipt.changes[0].message
    entry = branch.snapshots.current.status.workflows[FIRST]
    for _ in range(2):
        with pytest.raises(Refused, match=r"has ended in STATE_FAILED: .*max_attempts is 5"):
            check_begun(entry, one_more.report_id)
        branch.tell(one_more)
    check_begun(entry, told(0, RUNNING, attempt=5).report_id)
    assert branch.context.event_count == 6
    assert fsck.check(branch.repo).problems == ()


def test_a_repeated_report_is_no_attempt(branch):
    for attempt in range(1, 6):
        for _ in range(3):
            branch.tell(told(0, RUNNING, attempt=attempt))
    branch.tell(told(0, SUCCESS, attempt=5))
    assert branch.context.state is RUNNING


class Passed:
    """A deadline that has passed."""

    def arrival(self):
        return 5.0

    def check(self, view, workflow, arrival):
        assert (workflow, arrival) == (FIRST, 5.0)
        raise Refused("out of time")


def test_what_comes_after_the_deadline_is_refused_but_a_repeated_report_is_not(branch):
    branch.tell(told(0, RUNNING))
    branch.late()
    with pytest.raises(Refused, match="out of time"):
        branch.tell(told(0, SUCCESS))
    with pytest.raises(Refused, match="out of time"):
        branch.push(file())
    assert branch.tell(told(0, RUNNING)).changes == ()
    assert branch.context.event_count == 1


def test_a_worker_may_tell_by_its_address(branch):
    assert branch.tell(told(0, RUNNING, worker=IPS[ONE])).changes
    assert branch.contacts == [ONE]


@pytest.mark.parametrize(
    "report",
    [
        told(0, RUNNING, report_id="a/b"),
        told(0, RUNNING, report_id="-x"),
        told(0, RUNNING, worker="?"),
        replace(told(0, RUNNING), action_status="DONE"),
    ],
)
def test_what_is_not_of_the_contract_is_refused(branch, report):
    with pytest.raises(UserError):
        branch.tell(report)


def test_long_and_dirty_words_are_bounded(branch):
    branch.tell(told(0, RUNNING))
    message = "\x1b[31mred\nSigned-off-by: me" + "x" * 300
    tail = "y" * 70_000 + "end"
    branch.tell(told(0, FAILED, message=message, log_tail=tail, exit_code=2**70, seconds=-5))
    event = branch.writer.store.read_workflow(FIRST).events[-1]
    assert event.message.startswith("[31mred Signed-off-by: me")
    assert len(event.message) == 200
    assert event.exit_code == 2**31 - 1
    assert event.seconds == 0
    log = branch.writer.store.read_log(FIRST, action_index=0, attempt=1)
    assert len(log) == 65_536
    assert log.endswith(b"end")


def test_data_is_kept_as_files_with_who_and_when(branch):
    branch.tell(told(0, RUNNING))
    kept = branch.push(file(content=b'{"a": 1}'), file("dir/blob", b"\0\xff"))
    assert kept.version.version == 1
    assert kept.version.worker_id == ONE
    assert (kept.version.task_name, kept.version.action_name) == ("install", "action_0")
    assert kept.version.size_bytes == 10
    assert kept.commit == branch.writer.store.tip()
    _, files = branch.writer.store.read_data(FIRST)
    assert {each.path: each.content for each in files} == {
        "data.json": b'{"a": 1}',
        "dir/blob": b"\0\xff",
    }


def test_a_push_that_is_repeated_or_changes_nothing_makes_no_version(branch):
    branch.tell(told(0, RUNNING))
    first = branch.push(file())
    tip = branch.writer.store.tip()
    assert branch.push(file()).version == first.version
    assert branch.push(file(), report_id="p2").version == first.version
    assert branch.writer.store.tip() == tip
    assert branch.push(file(content=b"new"), report_id="p3").version.version == 2


def test_a_push_by_another_worker_or_out_of_turn_is_refused_before_it_is_read(branch):
    push = Push(report_id="p", worker=MACS[TWO], action_index=0, attempt=1)

    def unread():
        raise AssertionError("the archive was read")

    branch.tell(told(0, RUNNING))
    with pytest.raises(Refused, match="belongs to another worker"):
        branch.reports.push(FIRST, push, unread).result()
    with pytest.raises(Refused, match="action 0 is due"):
        branch.push(file(), index=1)
    with pytest.raises(Refused, match="attempt 4"):
        branch.push(file(), attempt=4)
    with pytest.raises(NotFound):
        branch.push(file(), workflow="nothing")


def test_data_over_the_limit_leaves_the_last_good_version(branch):
    branch.tell(told(0, RUNNING))
    branch.push(file())
    with pytest.raises((LimitExceeded, wire.DataTooLarge), match="10485760"):
        branch.push(file("big", b"x" * 10_485_761), report_id="p2")
    assert branch.context.data_version.version == 1


def test_the_last_report_is_still_recognised_after_a_restart(branch, tmp_path):
    branch.tell(told(0, RUNNING))
    last = branch.tell(told(0, FAILED))
    branch.close()
    again = Branch(tmp_path / "site")
    try:
        repeated = again.tell(told(0, FAILED))
        assert (repeated.changes, repeated.commit) == ((), last.commit)
    finally:
        again.close()


def test_nothing_of_a_refusal_is_logged_as_a_fault(branch, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(Refused):
        branch.tell(told(1, RUNNING))
    assert not caplog.records
