"""Restores damaged files of the status branch to what was known last.

A commit like any other: history is not rewritten, and goes on showing what happened.  Where
the disk lost what was written last, nothing older is put back: it stays set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from provisioner.git.commit import FileChange
from provisioner.model.ids import CommitId
from provisioner.model.problem import Problem
from provisioner.model.set_aside import SetAside
from provisioner.model.views import Change, Proposal, Receipt, StatusView
from provisioner.store.status import archive_lists, codec, index, layout, single_files
from provisioner.store.status.last_known import LOST, LastKnown
from provisioner.store.status.lazy_workflow import StoredWorkflow
from provisioner.store.status.store import StatusStore

_PATIENCE_SECONDS = 600


class Writer(Protocol):
    """Holds the writer's lock (store.writer.status_writer)."""

    @property
    def store(self) -> StatusStore: ...
    @property
    def view(self) -> StatusView: ...
    def propose(self, proposal: Proposal, *, is_bulk: bool = False) -> Future[Receipt]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """A proposal that changes no workflow, only files."""

    files: tuple[FileChange, ...]

    def __call__(self, _: StatusView) -> tuple[Change, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    paths: tuple[str, ...]  # that were written
    left: tuple[Problem, ...]  # of what is lost
    commit: CommitId | None


def run(writer: Writer) -> Mended:
    """Put back what is damaged at the tip of a writer's branch; reads all of it."""
    store, view = writer.store, writer.view
    assert view.commit is not None  # or there would be no writer
    files: list[FileChange] = []
    left: list[Problem] = []
    for entry in (*view.set_aside.values(), *_found_by_reading(store, view, view.commit)):
        if isinstance(entry.last, StoredWorkflow) and entry.problem.code != LOST:
            files += _files_of(store, entry, entry.last)
        else:
            left.append(entry.problem)
    files += _single_files(store, view.commit, view.damage)
    if not files:
        return Mended(paths=(), left=tuple(left), commit=None)
    receipt = writer.propose(Mending(files=tuple(files)), is_bulk=True).result(_PATIENCE_SECONDS)
    paths = tuple(sorted(each.path for each in files))
    return Mended(paths=paths, left=tuple(left), commit=receipt.commit)


def _found_by_reading(store: StatusStore, view: StatusView, commit: CommitId) -> Iterator[SetAside]:
    last_known = LastKnown(store.repo, store.reader, commit)
    for workflow in view.workflows:
        if workflow in view.set_aside or view.readable(workflow) is not None:
            continue
        row = last_known.row(workflow, store.reader.damaged[workflow])
        entry = index.entry_of(row, store.reader)
        assert isinstance(entry, SetAside)
        yield entry


def message(files: Iterable[FileChange]) -> str:
    return "damaged files put back\n\n" + "".join(f"{each.path}\n" for each in files)


def _files_of(store: StatusStore, entry: SetAside, last: StoredWorkflow) -> Iterator[FileChange]:
    yield FileChange(path=layout.record(entry.id), content=store.repo.blob(last.record_id))
    yield FileChange(path=layout.status(entry.id), content=store.repo.blob(last.status_blob.hex()))


def _single_files(
    store: StatusStore, commit: CommitId, damage: Iterable[Problem]
) -> Iterator[FileChange]:
    for problem in damage:
        if problem.path == layout.FORMAT:
            yield FileChange(path=layout.FORMAT, content=codec.encode_format())
        elif problem.path == layout.RECONCILE:
            report = single_files.read_reconcile(store.repo, commit).report
            yield FileChange(path=layout.RECONCILE, content=codec.encode_reconcile(report))
        elif problem.path.startswith(f"{layout.ARCHIVED}/"):
            content = archive_lists.whole(store.repo, commit, store.archives(), problem.path)
            yield FileChange(path=problem.path, content=content)
        else:
            yield FileChange(path=problem.path)  # no file of ours
