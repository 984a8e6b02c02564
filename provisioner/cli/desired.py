"""What does the desired branch say at a commit, as the server reads it?"""

from __future__ import annotations

from provisioner.documents import decode, layout
from provisioner.documents.decode import Decoded
from provisioner.model.ids import CommitId
from provisioner.model.views import DesiredState
from provisioner.planning import desired as desired_planning
from provisioner.store.desired_store import DesiredStore


def load(store: DesiredStore, commit: CommitId) -> DesiredState:
    """Of a bad file there are its problems and nothing else: no older version is looked for."""
    files = {path: file for path, file in store.files(commit).items() if layout.kind_of(path)}
    changed: dict[str, desired_planning.ChangedFile | None] = {}
    readable = [file for file in files.values() if file.problem is None]
    contents = store.read_all(file.blob_id for file in readable)
    for file, content in zip(readable, contents, strict=True):
        decoded = decode.decode_file(path=file.path, blob_id=file.blob_id, content=content)
        changed[file.path] = desired_planning.ChangedFile(blob_id=file.blob_id, decoded=decoded)
    for path, file in files.items():
        if file.problem is not None:
            refused = Decoded(problems=(file.problem,))
            changed[path] = desired_planning.ChangedFile(blob_id=file.blob_id, decoded=refused)
    return desired_planning.update(DesiredState(), changed, commit=commit).state
