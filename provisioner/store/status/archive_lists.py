"""The lists on the tip of the workflows whose files are in the archive branch.

A line that is lost would let a request run again, so of a list that is damaged or gone the
archive branch itself is read: it had the files before the list had the line.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from provisioner.errors import TinkError
from provisioner.git.object_reader import TreeEntry
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.store.status import branch_files, index, layout
from provisioner.store.status.index import Row
from provisioner.store.status.lazy_workflow import Blobs

_DAY_DEPTH = 3  # archived/2026/11/23.jsonl
_OTHER_DEPTH = 2  # archived/other/cf.jsonl


@dataclass(slots=True, kw_only=True)
class Lists:
    """`recovered` are rows, by the path of their list, that only the archive branch has."""

    rows: list[Row] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    recovered: dict[str, list[Row]] = field(default_factory=dict)

    def damage(self, in_tip: Container[WorkflowId]) -> dict[str, Problem]:
        """What is wrong, by path; what the tip has still was only about to be moved."""
        found = dict.fromkeys(self.damaged, "is damaged; the archive is read instead")
        for path, rows in self.recovered.items():
            if path not in self.damaged and any(row.id not in in_tip for row in rows):
                found[path] = "is gone; the archive is read instead"
        return {path: branch_files.damage(path, said) for path, said in found.items()}


def read(repo: GitRepo, commit: CommitId, archives: tuple[CommitId, ...]) -> Lists:
    """Read all lists at a commit; rows of damaged ones come from the archive branch."""
    lists = Lists()
    listing = _listing(repo, commit)
    for path, blob in listing.items():
        rows, is_whole = _rows_of(repo, blob)
        lists.rows += rows
        if not is_whole:
            lists.damaged.add(path)
    days = {path for archive in archives for path in _days(repo, archive)}
    known = {row.id for row in lists.rows}
    for path in lists.damaged | days.difference(listing):
        found = [row for row in _archived(repo, archives, path) if row.id not in known]
        lists.recovered[path] = found
        lists.rows += found
    lists.rows = _with_parts(repo, lists.rows)
    return lists


def _with_parts(repo: GitRepo, rows: list[Row]) -> list[Row]:
    """Look up what machines began, of lists that were written before they said so."""
    blobs = [Blobs(row.id, row.record_blob, row.status_blob) for row in rows if row.parts is None]
    found = {row.id: row.parts for row in index.read_rows(repo, blobs, set_aside=index.unknown)}
    if not found:
        return rows
    return [row if row.parts is not None else row._replace(parts=found[row.id]) for row in rows]


def whole(repo: GitRepo, commit: CommitId, archives: tuple[CommitId, ...], path: str) -> bytes:
    """Return what a damaged list has to say: its good lines, and those that were recovered."""
    lists = read(repo, commit, archives)
    blob = _listing(repo, commit).get(path)
    rows = _rows_of(repo, blob)[0] if blob else []
    return b"".join(map(index.encode_archived, [*rows, *lists.recovered.get(path, ())]))


def _listing(repo: GitRepo, commit: CommitId) -> dict[str, str]:
    words = ("-r", "-z", "--full-tree", "--end-of-options", commit, layout.ARCHIVED)
    listing = repo.run("ls-tree", *words).decode("utf-8", "surrogateescape")
    return {line[53:]: line[12:52] for line in listing.split("\0") if line}


def _rows_of(repo: GitRepo, blob: str) -> tuple[list[Row], bool]:
    """The rows of the lines that can be read, and whether those are all."""
    try:
        content = repo.blob(blob)
    except TinkError:
        return [], False
    try:
        return index.decode_archived(content), content.endswith(b"\n")
    except (ValueError, TypeError, KeyError):
        rows = []
        for line in content.splitlines():
            try:
                rows += index.decode_archived(line)
            except (ValueError, TypeError, KeyError):
                continue
        return rows, False


def _days(repo: GitRepo, archive: CommitId) -> set[str]:
    """The lists that there must be, by the folders of the archive."""
    root = repo.entry_at(archive, layout.STATUS)
    found: set[str] = set()

    def walk(entry: TreeEntry, path: str, depth: int) -> None:
        for each in repo.tree(entry.id) if entry.is_tree else ():
            below = f"{path}/{each.name.decode('utf-8', 'surrogateescape')}"
            if depth == (_OTHER_DEPTH if below.startswith("/other/") else _DAY_DEPTH):
                found.add(f"{layout.ARCHIVED}{below}.jsonl")
            else:
                walk(each, below, depth + 1)

    if root is not None:
        walk(root, "", 1)
    return found


def _archived(repo: GitRepo, archives: tuple[CommitId, ...], path: str) -> list[Row]:
    """The workflows of a list's day that the archive branch holds."""
    day = path.removeprefix(f"{layout.ARCHIVED}/").removesuffix(".jsonl")
    rows: dict[WorkflowId, Row] = {}
    for archive in archives:
        files = branch_files.list_all(repo, archive, {}, below=day)
        for row in index.read_rows(repo, files.blobs, set_aside=index.unknown):
            rows.setdefault(row.id, row._replace(workers=()))
    return list(rows.values())
