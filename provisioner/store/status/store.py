"""Reads the status branch as values.

`load` and `catch_up` give a server the whole view; `read_*` give a command line one
workflow by its path, without looking at any other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from provisioner.errors import NotFound, Unavailable
from provisioner.git import clones, disk, stream
from provisioner.git.object_reader import TreeEntry
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, EXECUTABLE_MODE
from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import DataPushed
from provisioner.model.ids import BlobId, CommitId, TreeId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.set_aside import SetAside
from provisioner.model.summary import WorkflowSummary
from provisioner.model.views import (
    LiveWorkflow,
    ReconcileReport,
    StatusView,
)
from provisioner.store.status import (
    archive_lists,
    branch_files,
    data_names,
    index,
    layout,
    lazy_workflow,
    row_columns,
    row_updates,
    single_files,
    summaries,
)
from provisioner.store.status.branch_files import Files
from provisioner.store.status.index import Row
from provisioner.store.status.last_known import LastKnown
from provisioner.store.status.lazy_workflow import Blobs, WorkflowReader

OnDamage: TypeAlias = Callable[[Problem], None]
Decoded = TypeVar("Decoded")

_SINGLE_FILES = (layout.FORMAT, layout.RECONCILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of ephemeral data with its content; `path` as `DataFile.path`."""

    path: str
    blob_id: BlobId
    content: bytes
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """`strays` are problems with files of no workflow; `paths` is what changed."""

    rows: list[Row]
    strays: dict[str, Problem]
    paths: set[str] = field(default_factory=set)


class StatusStore:
    """Reads a status branch; thread-safe."""

    def __init__(self, repo: GitRepo, branch: str = "status") -> None:
        self.repo = repo
        self.branch = branch
        self.reader = WorkflowReader(repo)

    def tip(self) -> CommitId | None:
        return self.repo.branch(self.branch)

    def sync_ref(self) -> None:
        """Have the ref on the disk as it is, so that no power cut takes back what it leads to."""
        path = self.repo.common_dir / f"refs/heads/{self.branch}"
        try:
            with suppress(FileNotFoundError):  # packed; git has synced that file
                disk.sync(path)
            disk.sync(path.parent)
        except OSError as error:
            raise Unavailable(f"{path} can't be synced: {error.strerror}") from error

    def load(self, commit: CommitId | None = None) -> StatusView:
        """Read the whole branch at a commit (its tip); an empty view when there is none."""
        commit = commit or self.tip()
        if commit is None:
            return StatusView()
        files = self._read_all(commit)
        columns, _ = row_columns.columns_of(row for row in files.rows if row.damage is None)
        report, damage = self._read_single_files(commit)
        view = row_columns.view_of(columns, self.reader, commit=commit, report=report)
        view = self._with_rows(view, (row for row in files.rows if row.damage is not None))
        return replace(view, damage=_sorted({**damage, **files.strays}))

    def catch_up(self, view: StatusView, commit: CommitId | None = None) -> StatusView:
        """Bring a view to a commit (the tip); costs what changed, not what is there."""
        commit = commit or self.tip()
        if commit is None or view.commit is None:
            return self.load(commit)
        if commit == view.commit:
            return view
        changed = self._changed_rows(view.commit, commit, _known_record(view), view.set_aside)
        if changed is None:
            return self.load(commit)
        report, damage = self._read_single_files(commit)
        kept = {
            each.path: each
            for each in view.damage
            if each.path not in changed.paths and each.path not in _SINGLE_FILES
        }
        view = replace(
            view,
            commit=commit,
            reconcile=report,
            damage=_sorted({**kept, **damage, **changed.strays}),
        )
        return self._with_rows(view, changed.rows)

    def _with_rows(self, view: StatusView, rows: Iterable[Row]) -> StatusView:
        for row in sorted(rows, key=index.order_of):
            view = row_updates.with_row(view, row, self.reader)
        return view

    def read_rows(self, commit: CommitId) -> list[Row]:
        """Read what is to be known of every workflow (see status_index)."""
        self.read_format(commit)
        return self._read_all(commit).rows

    def _read_all(self, commit: CommitId) -> _Rows:
        lists = archive_lists.read(self.repo, commit, self.archives())
        archived = {row.id: row for row in lists.rows}
        files = branch_files.list_all(self.repo, commit, archived)
        rows = list(self._rows_of(files, LastKnown(self.repo, self.reader, commit)))
        found = archived | {row.id: row for row in rows}
        in_tip = {row.id for row in rows}
        return _Rows(rows=list(found.values()), strays={**lists.damage(in_tip), **files.strays})

    def _rows_of(
        self, files: Files, last_known: LastKnown, *, with_workers_of_final: bool = False
    ) -> Iterator[Row]:
        yield from index.read_rows(
            self.repo,
            files.blobs,
            set_aside=last_known.row,
            with_workers_of_final=with_workers_of_final,
        )
        for workflow, problem in files.damaged.items():
            yield last_known.row(workflow, problem)

    def read_tip_rows(self, commit: CommitId, is_wanted: Callable[[WorkflowId], bool]) -> list[Row]:
        """Read the rows of some of the workflows that no archive has as they are now.

        Those that can't be believed are left out.
        """
        archived = {row.id: row for row in self.read_archived(commit)}
        files = branch_files.list_all(self.repo, commit, archived)
        blobs = [each for each in files.blobs if is_wanted(each.id)]
        last_known = LastKnown(self.repo, self.reader, commit)
        rows = index.read_rows(self.repo, blobs, set_aside=last_known.row)
        return [row for row in rows if row.damage is None]

    def read_archived(self, commit: CommitId) -> list[Row]:
        """Read the lists of the workflows whose files were moved to the archive branch."""
        return archive_lists.read(self.repo, commit, self.archives()).rows

    def update_rows(self, rows: list[Row], old: CommitId, new: CommitId) -> list[Row] | None:
        """Bring rows from one commit to another; None when only a fresh reading helps."""
        known = {row.id: row for row in rows}

        def record_of(workflow: WorkflowId) -> str | None:
            return known[workflow].record_blob if workflow in known else None

        try:
            changed = self._changed_rows(old, new, record_of, ())
        except NotFound:
            return None
        if changed is None:
            return None
        return list((known | {row.id: row for row in changed.rows}).values())

    def _changed_rows(
        self,
        old: CommitId,
        new: CommitId,
        record_of: Callable[[WorkflowId], str | None],
        doubted: Container[WorkflowId],
    ) -> _Rows | None:
        """Read the rows that differ; None when history was rewritten, and things vanished.

        `record_of` is asked for records that did not change.
        """
        self.read_format(new)
        lists: dict[WorkflowId, Row] = {}

        def archived() -> Mapping[WorkflowId, Row]:
            lists.update({row.id: row for row in self.read_archived(new)})
            return lists

        changes = branch_files.compare(
            self.repo, old, new, record_of=record_of, doubted=doubted, archived=archived
        )
        if changes.damaged and not self.repo.is_ancestor(old, new):
            return None
        last_known = LastKnown(self.repo, self.reader, new, before=old)
        rows = list(self._rows_of(changes, last_known, with_workers_of_final=True))
        rows += [lists[each] for each in changes.moved]
        return _Rows(rows=rows, strays=changes.strays, paths=changes.paths)

    def read_reconcile(self, commit: CommitId | None = None) -> ReconcileReport:
        """Read the last report; of one that is damaged, what was in force before it."""
        commit = commit or self.tip()
        return self._read_single_files(commit)[0] if commit else ReconcileReport()

    def _read_single_files(self, commit: CommitId) -> tuple[ReconcileReport, dict[str, Problem]]:
        report = single_files.read_reconcile(self.repo, commit)
        format_file = single_files.read_format(self.repo, commit)
        damage = [each for each in (report.damage, format_file.damage) if each is not None]
        return report.report, {each.path: each for each in damage}

    def read_workflow(self, workflow: WorkflowId, commit: CommitId | None = None) -> LiveWorkflow:
        blobs = self._blobs(self._commit(commit, workflow), workflow)
        return self.reader.read(workflow, bytes.fromhex(blobs.record), bytes.fromhex(blobs.status))

    def read_rendered(self, workflow: WorkflowId, commit: CommitId | None = None) -> str:
        """Return the text that `tink workflow get` prints."""
        content = self._find_blob(commit, layout.rendered(workflow))
        if content is None:
            raise NotFound("workflow", workflow)
        return content.decode("utf-8", "surrogateescape")

    def read_log(
        self,
        workflow: WorkflowId,
        *,
        action_index: int,
        attempt: int,
        commit: CommitId | None = None,
    ) -> bytes | None:
        """Return the stored end of an action's output, or None when it had none."""
        entry = self._find(self._commit(commit, workflow), layout.logs(workflow))
        for each in self.repo.tree(entry.id) if entry else ():
            name = each.name.decode("utf-8", "surrogateescape")
            if layout.is_log_of(name, action_index=action_index, attempt=attempt):
                return self.repo.blob(each.id)
        return None

    def list_data_versions(
        self, workflow: WorkflowId, commit: CommitId | None = None
    ) -> tuple[DataVersion, ...]:
        events = self.read_workflow(workflow, commit).events
        return tuple(event.version for event in events if isinstance(event, DataPushed))

    def read_data(
        self, workflow: WorkflowId, version: int | None = None, commit: CommitId | None = None
    ) -> tuple[DataVersion, tuple[StoredFile, ...]]:
        """Return a version of the ephemeral data (the newest) with its files."""
        for each in reversed(self.list_data_versions(workflow, commit)):
            if version in (None, each.version):
                return each, tuple(self.read_data_tree(each.tree_id))
        raise NotFound("data version", f"{version or 'newest'} of {workflow}")

    def read_data_tree(self, tree_id: TreeId, prefix: str = "") -> Iterator[StoredFile]:
        """Read the files of a data tree, sorted by their git names."""
        if tree_id == EMPTY_TREE:
            return
        entries = self.repo.tree(tree_id)
        for each in entries:
            path = prefix + data_names.unescape(each.name.decode("utf-8", "surrogateescape"))
            if each.is_tree:
                yield from self.read_data_tree(TreeId(each.id), f"{path}/")
            else:
                yield StoredFile(
                    path=path,
                    blob_id=BlobId(each.id),
                    content=self.repo.blob(each.id),
                    executable=each.mode == EXECUTABLE_MODE,
                )

    def list_workflows(self, commit: CommitId | None = None) -> tuple[WorkflowId, ...]:
        """Return the ids of all workflows, in the order of their paths."""
        commit = commit or self.tip()
        return tuple(each.id for each in self._all_blobs(commit)[0]) if commit else ()

    def iterate_workflows(
        self, commit: CommitId | None = None, *, on_damage: OnDamage = lambda _: None
    ) -> Iterator[LiveWorkflow]:
        """Decode all workflows in one stream, without keeping them.

        Those that can't be believed are left out, and `on_damage` is called for each.
        """
        return self._iterate(commit, lazy_workflow.decode, on_damage)

    def iterate_summaries(
        self, commit: CommitId | None = None, *, on_damage: OnDamage = lambda _: None
    ) -> Iterator[WorkflowSummary]:
        """As `iterate_workflows`, of each workflow only what a list shows."""
        return self._iterate(commit, summaries.decode, on_damage)

    def _iterate(
        self,
        commit: CommitId | None,
        decode: Callable[[Blobs, bytes | None, bytes | None], Decoded],
        on_damage: OnDamage,
    ) -> Iterator[Decoded]:
        commit = commit or self.tip()
        if commit is None:
            return
        blobs, damaged = self._all_blobs(commit)
        for problem in damaged:
            on_damage(problem)
        wanted = [each for row in blobs for each in (row.record, row.status)]
        contents = stream.found_although_damaged(self.repo.common_dir, wanted)
        for row in blobs:
            record, status = next(contents), next(contents)
            try:
                yield decode(row, record, status)
            except InvalidInput as invalid:
                on_damage(invalid.problems[0])

    def read_format(self, commit: CommitId) -> int:
        """Return the format's version at a commit; refuse one that is not known here.

        0 where the file is damaged and must be written again.
        """
        found = single_files.read_format(self.repo, commit)
        return found.version if found.damage is None else 0

    def _commit(self, commit: CommitId | None, workflow: WorkflowId) -> CommitId:
        found = commit or self.tip()
        if found is None:
            raise NotFound("workflow", workflow)
        return found

    def _find_blob(self, commit: CommitId | None, path: str) -> bytes | None:
        commit = commit or self.tip()
        entry = self._find(commit, path) if commit else None
        return self.repo.blob(entry.id) if entry else None

    def _find(self, commit: CommitId, path: str) -> TreeEntry | None:
        """Find a path in a commit, or where retention moved it to."""
        entry = self.repo.entry_at(commit, path)
        if entry is not None:
            return entry
        for archive in self.archives():
            entry = self.repo.entry_at(archive, path)
            if entry is not None:
                return entry
        return None

    def archives(self) -> tuple[CommitId, ...]:
        """The archive branch: ours, and in a clone what was fetched of the remote's."""
        branch = layout.archive_branch(self.branch)
        both = (self.repo.branch(branch), clones.tracked(self.repo, branch))
        return tuple(dict.fromkeys(commit for commit in both if commit))

    def _blobs(self, commit: CommitId, workflow: WorkflowId) -> Blobs:
        record = self._find(commit, layout.record(workflow))
        status = self._find(commit, layout.status(workflow))
        if record is None or status is None:
            raise NotFound("workflow", workflow)
        return Blobs(workflow, record.id, status.id)

    def _all_blobs(self, commit: CommitId) -> tuple[list[Blobs], Iterable[Problem]]:
        """Those that are whole, and what is wrong with the others."""
        archived = {row.id: row for row in self.read_archived(commit)}
        blobs = {
            row.id: Blobs(row.id, row.record_blob, row.status_blob) for row in archived.values()
        }
        files = branch_files.list_all(self.repo, commit, archived)
        found = list((blobs | {each.id: each for each in files.blobs}).values())
        return found, files.damaged.values()


def _sorted(problems: Mapping[str, Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems.values()))


def _known_record(view: StatusView) -> Callable[[WorkflowId], str | None]:
    def record_of(workflow: WorkflowId) -> str | None:
        entry = view.workflows.get(workflow)
        if isinstance(entry, SetAside):
            entry = entry.last
        return (entry.record_id or None) if entry is not None else None

    return record_of
