"""What was known last of a workflow of which a file is damaged.

The history has it: its record as it was written once, and the newest status file that is true.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.errors import NotFound, TinkError
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.store.status import branch_files, index, layout, record_codec
from provisioner.store.status.index import Row
from provisioner.store.status.lazy_workflow import Blobs, WorkflowReader

# A second each at most, with a history of years; more that are damaged wait for a person
# without being looked up.
_LOOKED_UP = 100
_VERSIONS_TRIED = 10  # of a status file

# The code of a problem where a newer version than the one that is known is missing: what was
# acknowledged may be in it, so nobody may put the older one back.
LOST = "status.lost"


class LastKnown:
    """Looks workflows up at one commit, or, first, at the one `before` the damage."""

    def __init__(
        self,
        repo: GitRepo,
        reader: WorkflowReader,
        commit: CommitId,
        before: CommitId | None = None,
    ) -> None:
        self._repo = repo
        self._reader = reader
        self._commit = commit
        self._before = before
        self._left = _LOOKED_UP
        self._lost: set[WorkflowId] = set()

    def row(self, workflow: WorkflowId, problem: Problem) -> Row:
        """Return a row that is set aside for a problem, with what is known besides."""
        try:
            blobs = self._just_before(workflow)
            if blobs is None:
                self._left -= 1
                blobs = self._of_history(workflow) if self._left >= 0 else None
            row = self._row(workflow, blobs) if blobs else None
        except TinkError:
            row = None  # the history is damaged, too
        if workflow in self._lost:
            said = f"{problem.message}; what was written last is lost"
            problem = replace(problem, code=LOST, message=said)
        return row._replace(damage=problem) if row else index.unknown(workflow, problem)

    def _of_history(self, workflow: WorkflowId) -> Blobs | None:
        """Find the record and the newest true status file; that one is empty if there is none."""
        records = list(branch_files.versions(self._repo, self._commit, layout.record(workflow)))
        if not records:
            return None
        record = records[-1]
        found = branch_files.versions(self._repo, self._commit, layout.status(workflow))
        for _, status in zip(range(_VERSIONS_TRIED), found, strict=False):
            if self._is_true(workflow, record, status):
                return Blobs(workflow, record, status)
            if not self._reader.has(status):
                self._lost.add(workflow)
        return Blobs(workflow, record, "")

    def _just_before(self, workflow: WorkflowId) -> Blobs | None:
        if self._before is None:
            return None
        record = self._repo.entry_at(self._before, layout.record(workflow))
        status = self._repo.entry_at(self._before, layout.status(workflow))
        if record is None or status is None or not self._is_true(workflow, record.id, status.id):
            return None
        return Blobs(workflow, record.id, status.id)

    def _is_true(self, workflow: WorkflowId, record: str, status: str) -> bool:
        blobs = Blobs(workflow, record, status)
        try:
            self._reader.decode(blobs)
            index.row_of(blobs, *(self._repo.blob(each) for each in (record, status)))
        except (InvalidInput, NotFound):
            return False
        return True

    def _row(self, workflow: WorkflowId, blobs: Blobs) -> Row | None:
        if blobs.status:
            return index.row_of(blobs, self._repo.blob(blobs.record), self._repo.blob(blobs.status))
        try:
            content = self._repo.blob(blobs.record)
            record = record_codec.decode_record(content, layout.record(workflow))
        except InvalidInput:
            return None
        return index.unknown(workflow)._replace(
            request_path=record.request_path,
            request_digest=record.request_digest,
            created_at=record.created_at,
            claimed_at=record.created_at,
            workers=index.workers_of(record),
            arrival=record.arrival or 0,
        )
