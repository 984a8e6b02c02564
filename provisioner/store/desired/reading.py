"""Reads the files of the desired branch at a commit, and their differences from another one.

Read straight from git objects: nothing is ever checked out, so a symlink is only a blob
that says so.  What can't be a document (links, submodules, odd names, large files) comes
with its problem instead of being read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioner.errors import LimitExceeded, NotFound
from provisioner.git import history, tree
from provisioner.git.history import RawChange
from provisioner.git.object_reader import TreeEntry
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EXECUTABLE_MODE, FILE_MODE, PathChange
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.problem import Problem

FOLDERS = ("hardware", "templates", "workflows")
LIMIT_BYTES = 1_048_576  # a document; real ones have a few kilobytes
LIMIT_FILES = 500_000  # a tree of 30 folders that share content can name a billion files

_LINK_MODE, _SUBMODULE_MODE = 0o120000, 0o160000
_MODES = {
    _LINK_MODE: ("file.symlink", "is a symbolic link", "commit the file itself"),
    _SUBMODULE_MODE: ("file.submodule", "is a submodule", "commit the files themselves"),
    tree.TREE_MODE: (
        "file.depth",
        f"is a folder more than {tree.DEPTH_LIMIT} folders deep",
        "move it up",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredFile:
    """A file at a commit.  One with a `problem` must not be read.

    `path` keeps bytes that are no UTF-8 by surrogateescape.  One that `hides_files` is no
    document itself, whatever it is called: a submodule, or a link that may lead to a folder.
    """

    path: str
    blob_id: BlobId
    mode: int
    problem: Problem | None = None

    @property
    def is_link(self) -> bool:
        return self.mode == _LINK_MODE

    @property
    def hides_files(self) -> bool:
        return self.is_link or self.mode == _SUBMODULE_MODE


class DesiredStore:
    """Reads a desired branch; thread-safe."""

    def __init__(self, repo: GitRepo, branch: str = "main") -> None:
        self.repo = repo
        self.branch = branch

    def tip(self) -> CommitId | None:
        return self.repo.branch(self.branch)

    def files(self, commit: CommitId) -> dict[str, DesiredFile]:
        """Return every file of our folders at a commit, by path."""
        changes = self.changes(None, commit)
        return {path: file for path, file in changes.items() if file is not None}

    def changes(self, old: CommitId | None, new: CommitId) -> dict[str, DesiredFile | None]:
        """Return the files of `new` that `old` has not like that; None means it is gone.

        Costs what differs: folders that both commits share are not read.
        """
        found: dict[str, PathChange] = {}
        for change in self._compare(old, new):
            found[change.path] = change
            if len(found) > LIMIT_FILES:
                raise LimitExceeded(f"more than {LIMIT_FILES} files on branch {self.branch}")
        blobs = {each.new.id for each in found.values() if each.new and each.new.mode not in _MODES}
        sizes = self.repo.sizes(blobs) if blobs else {}
        files = {path: _file(change, sizes) for path, change in found.items()}
        return dict(sorted({**dict(self._no_folders(old, new)), **files}.items()))

    def _no_folders(
        self, old: CommitId | None, new: CommitId
    ) -> Iterator[tuple[str, DesiredFile | None]]:
        """What stands where one of our folders belongs, and is none: a submodule, a link."""
        was, now = (self.roots(each) for each in (old, new))
        for folder in FOLDERS:
            sides = was.get(folder), now.get(folder)
            if sides[0] == sides[1]:
                continue
            if sides[1] is not None and not sides[1].is_tree:
                yield folder, _file(PathChange(path=folder, old=None, new=sides[1]), {})
            elif sides[0] is not None and not sides[0].is_tree:
                yield folder, None

    def versions(self, commit: CommitId, paths: Iterable[str]) -> Iterator[tuple[int, RawChange]]:
        """Return the changes of files up to a commit, oldest first, with their places in the
        first-parent line, from 1 on.  Costs the length of the history."""
        literal = tuple(f":(literal){path}" for path in paths)
        past = history.read(self.repo, None, commit, literal)
        for place, changes in enumerate(past, start=1):
            for change in changes.changes:
                yield place, change

    def has_lost_folder(self, folder: str, *, old: CommitId, new: CommitId) -> bool:
        """Whether a folder is gone that held more than one file or folder."""
        try:
            was, now = (self._folders(each).get(folder) for each in (old, new))
            return was is not None and now is None and len(self.repo.tree(was)) > 1
        except NotFound:  # the old commit is not in this repository any more
            return False

    def read(self, blob_id: BlobId) -> bytes:
        return self.repo.blob(blob_id)

    def read_all(self, blob_ids: Iterable[BlobId]) -> Iterator[bytes]:
        """Read blobs in the order asked for, in one stream."""
        return (each.content for each in self.repo.objects(blob_ids))

    def _compare(self, old: CommitId | None, new: CommitId) -> Iterator[PathChange]:
        was, now = (self._folders(each) for each in (old, new))
        for folder in FOLDERS:
            sides = was.get(folder), now.get(folder)
            yield from tree.compare(self.repo.tree, *sides, prefix=f"{folder}/")

    def _folders(self, commit: CommitId | None) -> dict[str, str]:
        return {name: each.id for name, each in self.roots(commit).items() if each.is_tree}

    def roots(self, commit: CommitId | None) -> dict[str, TreeEntry]:
        """What stands at the root of a commit, by name."""
        if commit is None:
            return {}
        entries = self.repo.tree(self.repo.commit(commit).tree)
        return {each.name.decode(errors="replace"): each for each in entries}


def _file(change: PathChange, sizes: dict[str, int]) -> DesiredFile | None:
    entry = change.new
    if entry is None:
        return None
    problem = _name_problem(change.path) or _mode_problem(change.path, entry.mode)
    size = sizes.get(entry.id, 0)
    if problem is None and size > LIMIT_BYTES:
        problem = Problem(
            path=change.path,
            code="file.size",
            message=f"has {size} bytes; the limit is {LIMIT_BYTES}",
        )
    return DesiredFile(path=change.path, blob_id=BlobId(entry.id), mode=entry.mode, problem=problem)


def _mode_problem(path: str, mode: int) -> Problem | None:
    if mode in (FILE_MODE, EXECUTABLE_MODE):
        return None
    code, message, hint = _MODES.get(mode, ("file.mode", f"has the file mode {mode:o}", ""))
    return Problem(path=path, code=code, message=message, hint=hint)


def _name_problem(path: str) -> Problem | None:
    shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if shown != path:
        said = "has a name that is not UTF-8"
    elif not path.isprintable() or "\\" in path:
        said = "has a name with a control character or a backslash"
        shown = path.encode("unicode_escape").decode() if not path.isprintable() else path
    elif not {"", ".", ".."}.isdisjoint(path.split("/")):
        said = "has a name that leads elsewhere"
    else:
        return None
    return Problem(path=shown, code="file.name", message=said, hint="rename it")
