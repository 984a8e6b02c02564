"""Ephemeral data: the files that the workers of one workflow share."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.model.ids import BlobId, HardwareId, TreeId

LIMIT_BYTES = 10_485_760  # classic tink's MAX_FILE_SIZE, here for all files together
LIMIT_FILES = 4_096  # bounds the tree that one push writes


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One file; `path` is relative to `/workflow`, parts joined by `/`, any bytes.

    Bytes that are no UTF-8 are kept by `surrogateescape`.
    """

    path: str
    blob_id: BlobId
    size_bytes: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DataVersion:
    """One push.  `tree_id` is the git tree that holds the files, in history for ever.

    `sha256` is of the canonical archive (worker/wire.py), the same on worker and server.
    """

    version: int
    worker_id: HardwareId
    task_name: str
    action_name: str
    at: str
    sha256: str
    size_bytes: int
    file_count: int
    tree_id: TreeId
