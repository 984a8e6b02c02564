"""Archives finished workflows, so that the tip of the status branch stays small for years.

The files of workflows that ended long ago move to the branch `<status>-archive`, and one
line of each stays in a list on the tip: enough to find it, and to know that its request
was run already.  History is not rewritten, and the same commands go on showing them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from provisioner.git import pack_files, stream
from provisioner.git.commit import commit_text
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import PackFiles
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, TreeEditor
from provisioner.model import times
from provisioner.model.ids import CommitId
from provisioner.model.state import FINAL
from provisioner.store.status import json_lines, layout
from provisioner.store.status.index import Row
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter

_AT_ONCE = 2_000  # workflows in one commit, so that reports wait 100 ms at most
_PATIENCE_SECONDS = 600
_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    workflows: int
    commit: CommitId | None  # of the archive branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A server's setting: archive what ended so long ago, whenever it is asked to."""

    writer: StatusWriter
    clock: Callable[[], float]
    days: float

    def __call__(self, is_closing: Callable[[], bool]) -> Archived:
        now = self.clock()
        return run(
            self.writer,
            ended_before=days_before(now, self.days),
            at_seconds=int(now),
            is_closing=is_closing,
        )


def days_before(now: float, days: float) -> str:
    """The time so many days ago, as events hold it."""
    return times.of_event(max(0.0, now - days * _DAY_SECONDS))


def run(
    writer: StatusWriter,
    *,
    ended_before: str,
    at_seconds: int,
    is_closing: Callable[[], bool] = lambda: False,
) -> Archived:
    """Archive the workflows that ended before a time (RFC 3339, UTC).

    Safe to end at any moment: the archive is durable before anything leaves the tip, and
    what is in both is found in the tip.  `is_closing` is asked between two commits.
    """
    store = writer.store
    tip, commit = writer.view.commit, writer.archive_tip()
    if tip is None:
        return Archived(workflows=0, commit=commit)
    rows = _ended(store, tip, ended_before)
    count = 0
    for at in range(0, len(rows), _AT_ONCE):
        if is_closing():
            break
        some = rows[at : at + _AT_ONCE]
        commit = _write_archive(writer, tip, some, at_seconds)
        writer.archive(some).result(_PATIENCE_SECONDS)
        count += len(some)
    return Archived(workflows=count, commit=commit)


def _ended(store: StatusStore, tip: CommitId, ended_before: str) -> list[Row]:
    """Those whose files are in the tip; what began later is not even read."""
    rows = store.read_tip_rows(tip, lambda workflow: layout.day_of(workflow) <= ended_before)
    final = [row for row in rows if row.state in FINAL]
    contents = stream.objects(store.repo.common_dir, [row.status_blob for row in final])
    return [
        row
        for row, status in zip(final, contents, strict=True)
        if json_lines.line_of(status.content, "context")["updated_at"] < ended_before
    ]


def _write_archive(
    writer: StatusWriter, tip: CommitId, rows: list[Row], at_seconds: int
) -> CommitId:
    store, parent = writer.store, writer.archive_tip()
    repo = store.repo
    source = _editor(repo, repo.commit(tip).tree)
    target = _editor(repo, repo.commit(parent).tree if parent else EMPTY_TREE)
    for row in rows:
        for path in layout.all_of(row.id):
            entry = source.get(path)
            if entry is not None:
                target.put(path, entry.mode, bytes.fromhex(entry.id))
    builder = PackBuilder()
    root = target.write(lambda content: builder.add("tree", content)).hex()
    if parent is not None and root == repo.commit(parent).tree:
        return parent
    many = f"{len(rows)} finished workflow{'s' * (len(rows) != 1)}"
    message = f"{many} from {store.branch} at {tip}\n"
    text = commit_text(root, parent, message, at_seconds=at_seconds)
    commit = CommitId(builder.add("commit", text).hex())
    with closing(PackFiles(repo.objects_dir)) as files:
        files.add_durably(builder.build(pack_files.new_name()))
        writer.move_archive(expected=parent, new=commit)
    return commit


def _editor(repo: GitRepo, root: str) -> TreeEditor:
    return TreeEditor(root, lambda each: repo.object(each).content)
