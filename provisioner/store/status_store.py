"""What the status branch says, read as values.

`load` and `catch_up` give a server the whole view; `read_*` give a command line one
workflow by its path, without looking at any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from provisioner.errors import NotFound, Unavailable
from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import DataPushed
from provisioner.model.ids import BlobId, CommitId, TreeId, WorkflowId
from provisioner.model.views import (
    LiveWorkflow,
    ReconcileReport,
    StatusView,
)
from provisioner.store import (
    data_names,
    durable,
    git_stream,
    layout,
    record_codec,
    row_changes,
    status_codec,
    status_columns,
    status_index,
    tree,
)
from provisioner.store.object_reader import TreeEntry
from provisioner.store.repo import GitRepo
from provisioner.store.status_index import Blobs, Row
from provisioner.store.stored_workflow import StoredWorkflow, WorkflowReader
from provisioner.store.tree import EMPTY_TREE, EXECUTABLE_MODE


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of ephemeral data with its content; `path` as `DataFile.path`."""

    path: str
    blob_id: BlobId
    content: bytes
    executable: bool


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
                durable.sync(path)
            durable.sync(path.parent)
        except OSError as error:
            raise Unavailable(f"{path} can't be synced: {error.strerror}") from error

    def load(self, commit: CommitId | None = None) -> StatusView:
        """Read the whole branch at a commit (its tip); an empty view when there is none."""
        commit = commit or self.tip()
        if commit is None:
            return StatusView()
        columns, _ = status_columns.columns_of(self.read_rows(commit))
        report = self.read_reconcile(commit)
        return status_columns.view_of(columns, self.reader, commit=commit, report=report)

    def catch_up(self, view: StatusView, commit: CommitId | None = None) -> StatusView:
        """Bring a view to a commit (the tip); costs what changed, not what is there."""
        commit = commit or self.tip()
        if commit is None or view.commit is None:
            return self.load(commit)
        if commit == view.commit:
            return view
        rows = self._changed_rows(view.commit, commit, _known_record(view))
        if rows is None:
            return self.load(commit)
        view = replace(view, commit=commit, reconcile=self.read_reconcile(commit))
        for row in sorted(rows.values(), key=status_index.order_of):
            view = row_changes.with_row(view, row, self.reader)
        return view

    def read_rows(self, commit: CommitId) -> list[Row]:
        """Read what is to be known of every workflow (see status_index)."""
        self.read_format(commit)
        archived = {row.id: row for row in self.read_archived(commit)}
        rows = status_index.read_rows(self.repo, self._list_blobs(commit, archived))
        return list((archived | {row.id: row for row in rows}).values())

    def read_tip_rows(self, commit: CommitId, is_wanted: Callable[[WorkflowId], bool]) -> list[Row]:
        """Read the rows of some of the workflows that no archive has as they are now."""
        archived = {row.id: row for row in self.read_archived(commit)}
        blobs = (each for each in self._list_blobs(commit, archived) if is_wanted(each.id))
        return list(status_index.read_rows(self.repo, blobs))

    def read_archived(self, commit: CommitId) -> list[Row]:
        """Read the lists of the workflows whose files were moved to the archive branch."""
        words = ("-r", "-z", "--full-tree", "--end-of-options", commit, layout.ARCHIVED)
        listing = self.repo.run("ls-tree", *words).decode("utf-8", "surrogateescape")
        blobs = [line[12:52] for line in listing.split("\0") if line]
        lists = (status_index.decode_archived(each.content) for each in self.repo.objects(blobs))
        return [row for rows in lists for row in rows]

    def update_rows(self, rows: list[Row], old: CommitId, new: CommitId) -> list[Row] | None:
        """Bring rows from one commit to another; None when only a fresh reading helps."""
        known = {row.id: row for row in rows}

        def record_of(workflow: WorkflowId) -> str | None:
            return known[workflow].record_blob if workflow in known else None

        try:
            changed = self._changed_rows(old, new, record_of)
        except NotFound:
            return None
        return None if changed is None else list((known | changed).values())

    def _changed_rows(
        self, old: CommitId, new: CommitId, record_of: Callable[[WorkflowId], str | None]
    ) -> dict[WorkflowId, Row] | None:
        """Read the rows that differ; None when some vanished: history was rewritten.

        `record_of` is asked for the blob of a record that did not change.
        """
        self.read_format(new)
        trees = (self.repo.commit(each).tree for each in (old, new))
        records: dict[WorkflowId, str] = {}
        statuses: dict[WorkflowId, str] = {}
        gone: set[WorkflowId] = set()
        for change in tree.compare(self.repo.tree, *trees):
            folder, _, rest = change.path.partition("/")
            name = rest.rpartition("/")[2]
            if folder == layout.STATUS and name.endswith(".json"):
                if change.new is None:
                    gone.add(WorkflowId(name.removesuffix(".json")))
                else:
                    statuses[WorkflowId(name.removesuffix(".json"))] = change.new.id
            elif folder == layout.RECORDS and name == "record.json":
                workflow = WorkflowId(rest.split("/")[-2])
                if change.old is None and change.new is not None:
                    records[workflow] = change.new.id
                elif change.new is not None:
                    return None
                else:
                    gone.add(workflow)
        archived = {row.id: row for row in self.read_archived(new)} if gone else {}
        if not gone <= archived.keys():
            return None
        blobs = []
        for each, status in statuses.items():
            record = records.get(each) or record_of(each)
            try:
                blobs.append(Blobs(each, record, status) if record else self._blobs(new, each))
            except NotFound:
                return None
        moved = {each: archived[each] for each in gone if each not in statuses}
        found = status_index.read_rows(self.repo, blobs, with_workers_of_final=True)
        return moved | {row.id: row for row in found}

    def read_reconcile(self, commit: CommitId | None = None) -> ReconcileReport:
        content = self._find_blob(commit, layout.RECONCILE)
        return ReconcileReport() if content is None else status_codec.decode_reconcile(content)

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
        """Return the kept end of an action's output, or None when it had none."""
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
        return tuple(each.id for each in self._all_blobs(commit)) if commit else ()

    def iterate_workflows(self, commit: CommitId | None = None) -> Iterator[LiveWorkflow]:
        """Decode all workflows in one stream, without keeping them."""
        commit = commit or self.tip()
        blobs = self._all_blobs(commit) if commit else []
        wanted = [each for row in blobs for each in (row.record, row.status)]
        contents = git_stream.objects(self.repo.common_dir, wanted)
        for row in blobs:
            path = layout.record(row.id)
            record = record_codec.decode_record(next(contents).content, path)
            status = next(contents).content
            path = layout.status(row.id)
            yield status_codec.decode_status(status, record, path, BlobId(row.record))

    def read_format(self, commit: CommitId) -> int:
        """Return the format's version at a commit; refuse one that is not known here."""
        return status_codec.read_format(self.repo.blob_at(commit, layout.FORMAT))

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
        refs = [f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"]
        found = {commit: None for each in refs if (commit := self.repo.resolve(each))}
        return tuple(found)

    def _blobs(self, commit: CommitId, workflow: WorkflowId) -> Blobs:
        record = self._find(commit, layout.record(workflow))
        status = self._find(commit, layout.status(workflow))
        if record is None or status is None:
            raise NotFound("workflow", workflow)
        return Blobs(workflow, record.id, status.id)

    def _all_blobs(self, commit: CommitId) -> list[Blobs]:
        archived = {row.id: row for row in self.read_archived(commit)}
        blobs = {
            row.id: Blobs(row.id, row.record_blob, row.status_blob) for row in archived.values()
        }
        return list(
            (blobs | {each.id: each for each in self._list_blobs(commit, archived)}).values()
        )

    def _list_blobs(self, commit: CommitId, archived: Mapping[WorkflowId, Row]) -> list[Blobs]:
        words = ("-r", "-z", "--full-tree", "--end-of-options", commit)
        listing = self.repo.run("ls-tree", *words, layout.RECORDS, layout.STATUS)
        records: dict[str, str] = {}
        statuses: dict[str, str] = {}
        for line in listing.decode("utf-8", "surrogateescape").split("\0"):
            if line.endswith("/record.json"):
                records[line.rsplit("/", 2)[1]] = line[12:52]
            elif line.endswith(".json"):
                statuses[line.rsplit("/", 1)[1][:-5]] = line[12:52]
        for workflow in statuses.keys() - records.keys():
            if WorkflowId(workflow) in archived:  # something happened to it afterwards
                records[workflow] = archived[WorkflowId(workflow)].record_blob
        return [
            Blobs(WorkflowId(each), records[each], status)
            for each, status in statuses.items()
            if each in records
        ]


def _known_record(view: StatusView) -> Callable[[WorkflowId], str | None]:
    def record_of(workflow: WorkflowId) -> str | None:
        entry = view.workflows.get(workflow)
        return entry.record_blob.hex() if isinstance(entry, StoredWorkflow) else None

    return record_of
