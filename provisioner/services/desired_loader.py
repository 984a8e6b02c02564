"""Turns the files of a commit into a desired state.

Only files that differ are read and decoded.  After a restart the last good versions of bad
files come from the blobs that `reconcile.json` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provisioner.documents import layout
from provisioner.documents.decode import Decoded, decode_file
from provisioner.errors import TinkError
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.views import DesiredState
from provisioner.planning import desired as planning
from provisioner.planning.desired import ChangedFile, Update
from provisioner.store.desired.reading import DesiredFile, DesiredStore


def load(
    store: DesiredStore, commit: CommitId, in_force: Iterable[tuple[str, BlobId]] = ()
) -> Update:
    """Read a whole commit, with what was in force of its bad files before."""
    files = {path: file for path, file in store.files(commit).items() if _is_ours(path)}
    paths = {path: file.blob_id for path, file in files.items()}
    versions = planning.versions_in_force(in_force, paths)
    others = {path: blob for path, blob in versions.items() if blob != paths[path]}
    old = _read_kept(store, others)
    newest = _decoded(store, files)
    before = {path: old.get(path, newest[path]) for path in versions}
    after = {path: file for path, file in newest.items() if before.get(path) is not file}
    return planning.restore(before, after, commit=commit)


def follow(store: DesiredStore, state: DesiredState, commit: CommitId) -> Update:
    """Bring a state to another commit, a descendant or not."""
    changes = _changes(store, state, commit)
    files = {path: file for path, file in changes.items() if file is not None}
    changed: dict[str, ChangedFile | None] = dict.fromkeys(
        path for path, file in changes.items() if file is None
    )
    changed.update(_decoded(store, files))
    return planning.update(state, changed, commit=commit)


def _changes(
    store: DesiredStore, state: DesiredState, commit: CommitId
) -> dict[str, DesiredFile | None]:
    try:
        found = store.changes(state.commit, commit)
    except TinkError:  # a forced push and then a gc took the old commit away
        now = store.files(commit)
        found = {p: file for p, file in now.items() if state.paths.get(p) != file.blob_id}
        found.update(dict.fromkeys(path for path in state.paths if path not in now))
    return {path: file for path, file in found.items() if _is_ours(path)}


def _is_ours(path: str) -> bool:
    return layout.kind_of(path) is not None


def _decoded(store: DesiredStore, files: Mapping[str, DesiredFile]) -> dict[str, ChangedFile]:
    readable = [file for file in files.values() if file.problem is None]
    contents = store.read_all(file.blob_id for file in readable)
    found = {
        file.path: ChangedFile(
            blob_id=file.blob_id,
            decoded=decode_file(path=file.path, blob_id=file.blob_id, content=content),
        )
        for file, content in zip(readable, contents, strict=True)
    }
    for path, file in files.items():
        if file.problem is not None:
            refused = Decoded(problems=(file.problem,))
            found[path] = ChangedFile(blob_id=file.blob_id, decoded=refused)
    return found


def _read_kept(store: DesiredStore, versions: Mapping[str, BlobId]) -> dict[str, ChangedFile]:
    """The last good versions; one that a gc took away is as one that never was."""
    known = store.repo.sizes(versions.values()) if versions else {}
    known_paths = {path: blob for path, blob in versions.items() if blob in known}
    contents = store.read_all(known_paths.values())
    return {
        path: ChangedFile(
            blob_id=blob, decoded=decode_file(path=path, blob_id=blob, content=content)
        )
        for (path, blob), content in zip(known_paths.items(), contents, strict=True)
    }
