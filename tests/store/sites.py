"""Repositories, proposals and checks that the tests of the store share."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import Future
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.model import state_machine
from provisioner.model.ephemeral import DataFile
from provisioner.model.event import WorkflowEvent
from provisioner.model.ids import BlobId, CommitId, HardwareId, TreeId, WorkflowId, new_workflow_id
from provisioner.model.shard_map import ShardMap
from provisioner.model.state import State
from provisioner.model.views import (
    Change,
    LiveWorkflow,
    Proposal,
    Receipt,
    StatusView,
    WorkflowCreated,
)
from provisioner.model.workflow import WorkflowRecord
from provisioner.store.guard import begin
from provisioner.store.writer.pack_sink import PackSink
from tests import builders

PATIENCE_SECONDS = 60
BEGUN_AT = 1_795_000_000


def git(path: Path, *words: str, stdin: bytes = b"") -> str:
    """Run git as a person would; fail the test when it fails."""
    done = subprocess.run(
        ["git", "-C", str(path), *words], input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="surrogateescape")


def write_blob(repo: GitRepo, content: bytes) -> BlobId:
    return BlobId(git(repo.git_dir, "hash-object", "-w", "--stdin", stdin=content).strip())


def fsck(path: Path) -> None:
    """Assert that git finds nothing to complain about."""
    done = subprocess.run(
        ["git", "-C", str(path), "fsck", "--full", "--strict", "--no-dangling"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if not line.startswith("notice: ")]


def empty(path: Path) -> GitRepo:
    return GitRepo.create(path, bare=True)


def bare(path: Path) -> GitRepo:
    """A repository whose status branch has begun."""
    repo = empty(path)
    begin.begin(repo, at_seconds=BEGUN_AT)
    return repo


def workflow_id(number: int) -> WorkflowId:
    """The id of the n-th workflow: minted at one-second intervals, always the same."""
    randomness = hashlib.sha256(b"%d" % number).digest()
    return new_workflow_id(1_795_000_000_000 + number * 1000, randomness[:10])


def record(number: int, *owners: HardwareId) -> WorkflowRecord:
    return builders.record(*owners, workflow=workflow_id(number))


def create(*records: WorkflowRecord) -> Proposal:
    def proposal(_: StatusView) -> tuple[Change, ...]:
        return tuple(WorkflowCreated(record=each, rendered=builders.HELLO) for each in records)

    return proposal


def tell(event: WorkflowEvent) -> Proposal:
    """Propose an event the way the report service does: judged by the state machine."""

    def proposal(view: StatusView) -> tuple[Change, ...]:
        entry = view.workflows[event.workflow_id]
        return state_machine.decide(entry.context, entry.record.actions, event)

    return proposal


def report(number: int, index: int, told: State, **changes: object) -> Proposal:
    return tell(builders.report(index, told, workflow=workflow_id(number), **changes))  # type: ignore[arg-type]


def push(number: int, version: int, tree: TreeId, files: tuple[DataFile, ...] = ()) -> Proposal:
    plain = builders.push(0, version, workflow=workflow_id(number))
    return tell(replace(plain, version=replace(plain.version, tree_id=tree), files=files))


def result(future: Future[Receipt]) -> Receipt:
    return future.result(PATIENCE_SECONDS)


def tamper(repo: GitRepo, *changes: FileChange) -> CommitId:
    """Commit what nobody should."""
    with closing(PackSink(repo, "refs/heads/status")) as sink:
        staged = sink.stage(changes, "by hand\n", at_seconds=1_795_000_000)
        for step in (sink.begin, sink.sync, sink.end):
            step(staged)
        return staged.commit


def forget(repo: GitRepo) -> None:
    """Have no server remember where it left the branches, as before it was remembered."""
    for ref in repo.refs("refs/tink/"):
        repo.run("update-ref", "-d", ref)
    shutil.rmtree(repo.own_dir)


def unpack(repo: GitRepo) -> None:
    """Turn the packs of a repository into loose objects."""
    folder = repo.objects_dir / "pack"
    packs = [each.read_bytes() for each in sorted(folder.glob("*.pack"))]
    for each in folder.iterdir():
        each.unlink()
    for pack in packs:
        repo.run("unpack-objects", "-q", stdin=pack)


def is_root() -> bool:
    return os.geteuid() == 0


def same_content(one: StatusView, other: StatusView) -> None:
    """Assert that two views say the same, however they hold it."""
    assert set(one.workflows) == set(other.workflows)
    for each in one.workflows:
        mine, theirs = one.workflows[each], other.workflows[each]
        for field in fields(LiveWorkflow):
            assert getattr(mine, field.name) == getattr(theirs, field.name), field.name
    for field in fields(StatusView):
        if field.name != "workflows":
            mine, theirs = getattr(one, field.name), getattr(other, field.name)
            is_map = isinstance(mine, ShardMap)
            assert (dict(mine) if is_map else mine) == (dict(theirs) if is_map else theirs)
