"""Whatever place of a status file or record is edited, `tink fsck` finds it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model import state_machine
from provisioner.model.event import ActionReported, WorkflowDeleted, WorkflowEvent
from provisioner.model.ids import BlobId, ReportId
from provisioner.model.problem import Problem
from provisioner.model.state import State
from provisioner.model.workflow import WorkflowRecord
from provisioner.store.fsck import fsck, known_workflows
from provisioner.store.status import codec, layout, record_codec
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.builders import ONE, TWO
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id

OWNERS = (ONE, TWO, ONE)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with closing(sites.bare(tmp_path / "repo")) as repo:
        yield repo


def started(repo: GitRepo, *records: WorkflowRecord) -> None:
    """Workflows whose first action runs."""
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(*records)))
        first = [builders.report(0, State.RUNNING, workflow=each.id) for each in records]
        for future in [writer.propose(sites.tell(each)) for each in first]:
            result(future)


def commit(repo: GitRepo, *changes: FileChange) -> None:
    with closing(PackSink(repo, "refs/heads/status")) as sink:
        staged = sink.stage(changes, "by hand\n", at_seconds=1_795_000_000)
        for step in (sink.begin, sink.sync, sink.end):
            step(staged)


def status_file(repo: GitRepo, record: WorkflowRecord, *events: WorkflowEvent) -> FileChange:
    """The status file that follows from events, allowed or not."""
    entry = repo.entry_at(repo.branch("status") or "", layout.record(record.id))
    assert entry is not None
    context = state_machine.replay(state_machine.begin(record.id, len(record.actions)), events)
    lines = [codec.encode_event(each) for each in events]
    content = codec.encode_status(context, lines, BlobId(entry.id))
    return FileChange(path=layout.status(record.id), content=content)


def problems(repo: GitRepo) -> tuple[Problem, ...]:
    """What fsck finds; without room for events it must find the same."""
    found = fsck.check(repo, processes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_workflows, "HELD_BYTES", 0)
        assert fsck.check(repo, processes=1) == found
    return found.problems


def told(index: int, status: State, number: int = 1, **changes: Any) -> ActionReported:
    return builders.report(
        index, status, workflow=workflow_id(number), worker=OWNERS[index % 3], **changes
    )


def mutation(content: bytes, seed: int) -> bytes:
    """A copy of a file with one place changed, left out, doubled or filled."""
    chance = random.Random(seed)
    at, end = sorted(chance.sample(range(len(content) + 1), 2))
    end = min(end, at + chance.choice((1, 1, 1, 2, 40)))
    filler = chance.choice((b"", b" ", b"0", b"1", b'"', b"\\", b"\n", b"\x00", b"\xff", b"e"))
    return content[:at] + chance.choice((filler, 2 * content[at:end])) + content[end:]


def test_reports_of_an_honest_branch_are_counted(repo):
    record = sites.record(1, *OWNERS)
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(record)))
        for index in range(3):
            result(writer.propose(sites.tell(told(index, State.RUNNING))))
            done = told(index, State.SUCCESS, seconds=3, message='it said "no"\n', exit_code=-1)
            result(writer.propose(sites.tell(done)))
    found = fsck.check(repo)
    assert (found.problems, found.events) == ((), 6)


def test_a_workflow_goes_on_after_what_is_no_report(repo):
    record = sites.record(1, *OWNERS)
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(record)))
        result(writer.propose(sites.tell(told(0, State.RUNNING))))
        with writer.write_data_files([]) as (tree, files):
            result(writer.propose(sites.push(1, 1, tree, files)))
        result(writer.propose(sites.tell(told(0, State.RUNNING, attempt=2))))
        result(writer.propose(sites.tell(told(0, State.FAILED, attempt=2))))
        gone = WorkflowDeleted(
            workflow_id=record.id, at=builders.AT, desired_commit=builders.COMMIT, message=""
        )
        result(writer.propose(sites.tell(gone)))
    assert problems(repo) == ()
    assert fsck.check(repo).events == 5


FORGED: dict[str, Callable[[int], tuple[WorkflowEvent, ...]]] = {
    "told twice": lambda n: (told(0, State.RUNNING, n),),
    "an id told twice": lambda n: (
        told(0, State.SUCCESS, n, report_id=told(0, State.RUNNING, n).report_id),
    ),
    "another worker": lambda n: (replace(told(0, State.SUCCESS, n), worker_id=TWO),),
    "another task": lambda n: (told(0, State.SUCCESS, n, task_name="other"),),
    "another action": lambda n: (told(0, State.SUCCESS, n, action_name="other"),),
    "the second attempt ends": lambda n: (told(0, State.SUCCESS, n, attempt=2),),
    "no attempt ends": lambda n: (told(0, State.SUCCESS, n, attempt=0),),
    "the third attempt begins": lambda n: (told(0, State.RUNNING, n, attempt=3),),
    "an action is left out": lambda n: (told(1, State.RUNNING, n),),
    "an end without a beginning": lambda n: (
        told(0, State.SUCCESS, n),
        told(1, State.SUCCESS, n),
    ),
    "after the end": lambda n: (told(0, State.FAILED, n), told(1, State.RUNNING, n)),
    "again after a failure": lambda n: (
        told(0, State.FAILED, n),
        told(0, State.RUNNING, n, report_id=ReportId("again")),
    ),
    "after the last action": lambda n: (
        told(0, State.SUCCESS, n),
        *(told(at, how, n) for at in (1, 2) for how in (State.RUNNING, State.SUCCESS)),
        told(3, State.RUNNING, n),
    ),
    "what nobody may report": lambda n: (told(0, State.CANCELLED, n),),
    "waiting again": lambda n: (told(0, State.PENDING, n),),
    "of two events the first": lambda n: (
        told(0, State.SUCCESS, n, attempt=7),
        told(1, State.RUNNING, n),
    ),
}


def test_events_that_were_not_allowed_are_found_although_all_else_fits(repo):
    records = [sites.record(number, *OWNERS) for number in range(len(FORGED))]
    started(repo, *records)
    assert problems(repo) == ()
    files = [
        status_file(repo, each, told(0, State.RUNNING, number), *forge(number))
        for number, (each, forge) in enumerate(zip(records, FORGED.values(), strict=True))
    ]
    commit(repo, *files)
    found = problems(repo)
    assert {each.code for each in found} == {"fsck.event"}
    assert {each.path for each in found} == {each.path for each in files}


def test_whatever_place_of_a_status_file_is_changed_it_is_found(repo):
    count = 400
    records = [sites.record(number, ONE, TWO) for number in range(count)]
    started(repo, *records)
    files = []
    for number, each in enumerate(records):
        honest = status_file(
            repo, each, told(0, State.RUNNING, number), told(0, State.SUCCESS, number, seconds=5)
        )
        assert honest.content
        files.append(FileChange(path=honest.path, content=mutation(honest.content, number)))
    commit(repo, *files)
    found = problems(repo)
    # A few changes say the same, or what a worker might have said: "seconds", the time.
    assert len({each.path for each in found}) > count * 0.8


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"state": "STATE_RUNNING"', b'"state": "STATE_SUCCESS"'),
        (b'"event_count": 2', b'"event_count": 3'),
        (b'"event_count": 2}', b'"event_count": 2, "data_version": 1}'),
        (b'"attempt": 1, "started_at"', b'"attempt": 2, "started_at"'),
        (b'"started_at": "2026', b'"started_at": "2025'),
        (b'"updated_at": "2026', b'"updated_at": "2027'),
        (b'"total_number_of_actions": 2', b'"total_number_of_actions": 3'),
        (b'"context": {', b'"context":  {'),
        (b'"events": [\n', b'"events": [\n\n'),
        (b"},\n{", b"}, \n{"),
        (b"}\n]\n}\n", b"},\n]\n}\n"),
        (b"}\n]\n}\n", b"}\n]\n}\n\n"),
        (b'"seconds": 5', b'"seconds": 05'),
        (b'"seconds": 5', b'"message": "\\x"'),
    ],
)
def test_a_forged_place_of_a_status_file_is_found(repo, old, new):
    record = sites.record(1, ONE, TWO)
    started(repo, record)
    file = status_file(repo, record, told(0, State.RUNNING), told(0, State.SUCCESS, seconds=5))
    assert file.content and old in file.content
    commit(repo, replace(file, content=file.content.replace(old, new)))
    assert problems(repo)


def test_an_old_event_that_was_changed_while_a_new_one_was_added_is_found(repo):
    record = sites.record(1, ONE, TWO)
    started(repo, record)
    old = told(0, State.RUNNING, report_id=ReportId("another"))
    commit(repo, status_file(repo, record, old, told(0, State.SUCCESS)))
    assert [each.code for each in problems(repo)] == ["fsck.history"]


def test_names_that_files_escape_are_read(repo):
    odd = tuple(
        replace(each, name=name)
        for each, name in zip(builders.actions(ONE, ONE), ("Grüße", '"\\'), strict=True)
    )
    record = replace(sites.record(1), actions=odd)
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(record)))
        for index, each in enumerate(odd):
            for how in (State.RUNNING, State.SUCCESS):
                result(writer.propose(report(1, index, how, action_name=each.name)))
    assert problems(repo) == ()


def test_whatever_place_of_a_record_is_changed_it_is_found(repo):
    count = 400
    good = [sites.record(number, ONE, TWO) for number in range(count)]
    with closing(StatusWriter(repo)) as writer:
        result(writer.propose(create(sites.record(count, ONE, TWO))))
    files = []
    for number, each in enumerate(good):
        forged = mutation(record_codec.encode_record(each), number)
        files.append(FileChange(path=layout.record(each.id), content=forged))
    commit(repo, *files)
    assert len({each.path for each in problems(repo)}) > count * 0.2


@pytest.mark.parametrize("folder", ["one\ntwo", "one\udcfftwo"])
def test_a_folder_with_an_odd_name_does_not_confuse_the_reading(repo, folder):
    started(repo, sites.record(1))
    for content in (b"{}", b"{ }"):
        commit(repo, FileChange(path=f"status/{folder}/{workflow_id(2)}.json", content=content))
    assert [each.code for each in problems(repo)] == ["fsck.path", "fsck.path"]


def test_a_workflow_that_is_met_in_the_middle_goes_on_from_what_was_there(repo):
    records = [sites.record(number, *OWNERS) for number in range(3)]
    started(repo, *records)
    since = repo.branch("status")
    with closing(StatusWriter(repo)) as writer:
        for number in range(3):
            for index in range(2):
                result(writer.propose(sites.tell(told(index, State.SUCCESS, number))))
                result(writer.propose(sites.tell(told(index + 1, State.RUNNING, number))))
    found = fsck.check(repo, since=since)
    assert (found.problems, found.workflows, found.events) == ((), 3, 12)


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_however_a_history_is_cut_each_commit_is_checked_once(repo, processes, monkeypatch):
    monkeypatch.setattr(fsck, "SEGMENT_COMMITS", 1)
    started(repo, *(sites.record(number, *OWNERS) for number in range(4)))
    with closing(StatusWriter(repo)) as writer:
        for number in range(4):
            for index in range(2):
                result(writer.propose(sites.tell(told(index, State.SUCCESS, number))))
                result(writer.propose(sites.tell(told(index + 1, State.RUNNING, number))))
    seen = []
    found = fsck.check(repo, processes=processes, progress=lambda *done: seen.append(done))
    assert (found.problems, found.workflows, found.events) == ((), 4, 20)
    assert seen[-1] == (found.commits, found.commits)
