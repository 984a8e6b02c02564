"""Turns the files of a commit into a desired state.

Only files that differ are read and decoded.  After a restart the last good versions of bad
files come from the blobs that `reconcile.json` names.  Where files that come together claim
the same, the history of the branch says which one claimed it first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from provisioner.documents import layout
from provisioner.documents.decode import Decoded, decode_file
from provisioner.errors import TinkError
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.problem import Problem, Severity
from provisioner.model.views import Claim, DesiredState
from provisioner.planning import desired as planning
from provisioner.planning.desired import ChangedFile, Update
from provisioner.store.desired.reading import DesiredFile, DesiredStore


def load(
    store: DesiredStore, commit: CommitId, in_force: Iterable[tuple[str, BlobId]] = ()
) -> Update:
    """Read a whole commit, with what was in force of its bad files before."""
    files = {path: file for path, file in store.files(commit).items() if _is_ours(path, file)}
    paths = {path: file.blob_id for path, file in files.items()}
    versions = planning.versions_in_force(in_force, paths)
    others = {path: blob for path, blob in versions.items() if blob != paths[path]}
    old = _read_kept(store, others)
    newest = _decoded(store, files)
    before = {path: old.get(path, newest[path]) for path in versions}
    after = {path: file for path, file in newest.items() if before.get(path) is not file}

    def restore(ages: Mapping[str, int]) -> Update:
        return planning.restore(before, after, commit=commit, ages=ages)

    return _oldest_first(store, commit, restore, before.keys())


def follow(store: DesiredStore, state: DesiredState, commit: CommitId) -> Update:
    """Bring a state to another commit, a descendant or not."""
    changes = _changes(store, state, commit)
    files = {path: file for path, file in changes.items() if file is not None}
    changed: dict[str, ChangedFile | None] = dict.fromkeys(
        path for path, file in changes.items() if file is None
    )
    changed.update(_decoded(store, files))

    def update(ages: Mapping[str, int]) -> Update:
        return planning.update(state, changed, commit=commit, ages=ages)

    return _oldest_first(store, commit, update, changed.keys())


def _oldest_first(
    store: DesiredStore,
    commit: CommitId,
    update: Callable[[Mapping[str, int]], Update],
    changed: Collection[str],
) -> Update:
    """Update in the order in which the files of `changed` that are rivals claimed what they claim.

    The history is read only when there are any: an order may bring out more of them.
    """
    ages: dict[str, int] = {}
    while True:
        found = update(ages)
        rivals = planning.rivals(found.state, changed)
        if rivals.keys() <= ages.keys():
            return found
        ages |= _ages(store, commit, rivals)


def _ages(
    store: DesiredStore, commit: CommitId, rivals: Mapping[str, frozenset[Claim]]
) -> dict[str, int]:
    """When each file came to claim the last of its claims there, as a place in the history."""
    versions: dict[str, list[tuple[int, str]]] = {path: [] for path in rivals}
    for place, change in store.versions(commit, rivals):
        versions[change.path].append((place, change.new))
    ages = {}
    for path, found in versions.items():
        age = 0
        for place, blob in reversed(found):
            if not blob or not _claims_all(store, path, BlobId(blob), rivals[path]):
                break
            age = place
        ages[path] = age
    return ages


def _claims_all(store: DesiredStore, path: str, blob: BlobId, claims: frozenset[Claim]) -> bool:
    decoded = decode_file(path=path, blob_id=blob, content=store.read(blob))
    return claims.issubset(planning.claims_of(decoded))


def _changes(
    store: DesiredStore, state: DesiredState, commit: CommitId
) -> dict[str, DesiredFile | None]:
    try:
        found = store.changes(state.commit, commit)
    except TinkError:  # a forced push and then a gc took the old commit away
        now = store.files(commit)
        found = {p: file for p, file in now.items() if state.paths.get(p) != file.blob_id}
        found.update(dict.fromkeys(path for path in state.paths if path not in now))
    return {
        path: file
        for path, file in found.items()
        if _is_ours(path, file) or (file is None and path in state.paths)
    }


def _is_ours(path: str, file: DesiredFile | None) -> bool:
    """Whether a file is a document, or hides some: what is there must not just be missing."""
    if layout.kind_of(path) is not None:
        return True
    return file is not None and file.hides_files and not layout.is_hidden(path)


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
            refused = Decoded(problems=(_said_of(file, file.problem),))
            found[path] = ChangedFile(blob_id=file.blob_id, decoded=refused)
    return found


def _said_of(file: DesiredFile, problem: Problem) -> Problem:
    """A link that is not called like a document may lead to a folder, or to nothing of ours."""
    if file.is_link and "/" in file.path and layout.kind_of(file.path) is None:
        text = "is a symbolic link; what it leads to is not read"
        return replace(problem, message=text, severity=Severity.WARNING)
    return problem


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
