"""Writes ephemeral data into the repository, before the report that names it.

Ten megabytes take 20 to 80 ms to compress, so this is done by the thread that received
them, in a pack of its own, and never in the batch where other machines' reports wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provisioner.errors import LimitExceeded, Unavailable, UserError
from provisioner.git import pack, pack_files
from provisioner.git.pack import Pack, PackBuilder
from provisioner.git.pack_files import PackFiles
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE, EXECUTABLE_MODE, FILE_MODE, TreeEditor
from provisioner.model.ephemeral import LIMIT_BYTES, LIMIT_FILES, DataFile
from provisioner.model.ids import BlobId, TreeId
from provisioner.store.status import data_names


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file as a worker sent it; `path` is relative, its parts separated by slashes."""

    path: str
    content: bytes
    executable: bool = False


Stored = tuple[TreeId, tuple[DataFile, ...]]


class DataWriter:
    """Thread-safe: any number of threads may write at once.  `close` ends its sync threads."""

    def __init__(
        self, repo: GitRepo, on_failed: Callable[[Exception, int], None] = lambda *_: None
    ) -> None:
        """`on_failed` is called with the error and the size of what could not be written."""
        self._on_failed = on_failed
        self._repo = repo
        self._files = PackFiles(repo.objects_dir)
        self._lock = threading.Lock()  # guards no attribute: one pack at a time bounds memory

    def close(self) -> None:
        """End the threads; nothing is being written any more."""
        self._files.close()

    @contextmanager
    def write(self, files: Iterable[NewFile], *, known: TreeId | None = None) -> Iterator[Stored]:
        """Make files durable, outside any commit, and safe from gc until the block ends.

        Gives the id of their tree, and the files sorted by path.  What is in `known`, a tree
        that some branch reaches, is not written again.  Whatever else the repository has is:
        what no ref reaches may go at any moment.  Raises `LimitExceeded` and `UserError` for
        files that can't be stored, `Unavailable` when the disk does not take them.
        """
        ordered = sorted(files, key=lambda file: file.path)
        _check(ordered)
        if not ordered:
            yield TreeId(EMPTY_TREE), ()
            return
        ids = [pack.object_id("blob", file.content) for file in ordered]
        trees = TreeEditor(EMPTY_TREE, lambda _: b"")
        for file, key in zip(ordered, ids, strict=True):
            path = "/".join(data_names.escape(part) for part in file.path.split("/"))
            trees.put(path, EXECUTABLE_MODE if file.executable else FILE_MODE, key)
        contents = {key: ("blob", file.content) for file, key in zip(ordered, ids, strict=True)}

        def add_tree(content: bytes) -> bytes:
            key = pack.object_id("tree", content)
            contents[key] = ("tree", content)
            return key

        tree_id = TreeId(trees.write(add_tree).hex())
        written = self._write_missing(contents, known)
        try:
            yield (
                tree_id,
                tuple(
                    DataFile(
                        path=file.path,
                        blob_id=BlobId(key.hex()),
                        size_bytes=len(file.content),
                        executable=file.executable,
                    )
                    for file, key in zip(ordered, ids, strict=True)
                ),
            )
        finally:
            if written is not None:
                self._files.let_go(written)

    def _write_missing(
        self, contents: dict[bytes, tuple[str, bytes]], known: TreeId | None
    ) -> Pack | None:
        found = self._objects_of(known) if known is not None else set()
        builder = PackBuilder()
        with self._lock:
            for key, (kind, content) in contents.items():
                if key.hex() not in found:
                    builder.add(kind, content)
            if not len(builder):
                return None
            built = builder.build(pack_files.new_name())
            try:
                self._files.add_durably(built)
            except OSError as error:
                self._on_failed(error, len(built.content))
                raise Unavailable(f"ephemeral data can't be stored: {error.strerror}") from error
        return built

    def _objects_of(self, tree_id: str) -> set[str]:
        """Return the ids of a tree and of all that is in it."""
        found, waiting = {EMPTY_TREE}, [tree_id]
        while waiting:
            folder = waiting.pop()
            if folder not in found:
                found.add(folder)
                for entry in self._repo.tree(folder):
                    (waiting.append if entry.is_tree else found.add)(entry.id)
        return found


def _check(files: list[NewFile]) -> None:
    size = sum(len(file.content) for file in files)
    if size > LIMIT_BYTES or len(files) > LIMIT_FILES:
        raise LimitExceeded(
            f"ephemeral data is {size} bytes in {len(files)} files;"
            f" the limit is {LIMIT_BYTES} bytes in {LIMIT_FILES} files"
        )
    paths = {file.path for file in files}
    if len(paths) != len(files):
        raise UserError("ephemeral data names a file twice")
    for path in paths:
        parts = path.split("/")
        if not all(parts) or "\0" in path:
            raise UserError(f"ephemeral data names a file {path!r}")
        if any("/".join(parts[:end]) in paths for end in range(1, len(parts))):
            raise UserError(f"ephemeral data has both a file and a folder on the way to {path!r}")
