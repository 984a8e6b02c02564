"""The commit that takes finished workflows out of the tip (see retention.py)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from provisioner.git.commit import FileChange
from provisioner.model.views import Change, StatusView
from provisioner.store.status import index, layout
from provisioner.store.status.index import Row
from provisioner.store.status.lazy_workflow import StoredWorkflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiving:
    """A proposal that changes no workflow, only where its files are."""

    rows: tuple[Row, ...]

    def __call__(self, _: StatusView) -> tuple[Change, ...]:
        return ()

    def unchanged(self, view: StatusView) -> list[Row]:
        """Return the rows of workflows to which nothing happened since they were archived."""
        found = []
        for row in self.rows:
            entry = view.workflows.get(row.id)
            if isinstance(entry, StoredWorkflow) and entry.status_blob.hex() == row.status_blob:
                found.append(row)
        return found


def files_of(rows: Iterable[Row], read: Callable[[str], bytes]) -> tuple[FileChange, ...]:
    """Remove the files of workflows and add a line for each to the list of its day.

    `read` gives the content of a path on the tip, empty where there is none.
    """
    lists: dict[str, list[bytes]] = {}
    files: list[FileChange] = []
    for row in rows:
        files += (FileChange(path=path) for path in layout.all_of(row.id))
        lists.setdefault(layout.archived(row.id), []).append(index.encode_archived(row))
    for path, lines in lists.items():
        known = read(path)
        if known and not known.endswith(b"\n"):
            known += b"\n"  # it was damaged; the new lines must not be
        files.append(FileChange(path=path, content=known + b"".join(lines)))
    return tuple(files)


def message(rows: Collection[Row]) -> str:
    """Return the message of that commit."""
    return f"{len(rows)} finished workflow{'s' * (len(rows) != 1)} archived\n"
