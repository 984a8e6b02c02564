"""A folder as a commit, so that its files are checked before they are committed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provisioner.git.repo import NOBODY, GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.desired.reading import DesiredStore


@contextlib.contextmanager
def as_commit(folder: Path, own: GitRepo | None = None) -> Iterator[tuple[DesiredStore, CommitId]]:
    """Commit the folder into a temporary repository: links, modes and names stay what they are.

    What git ignores is left out, as it would be from a real commit.  Where the folder is the work
    tree of the repository `own`, its filters and line ends are applied, as git would at a commit;
    nothing is written to it.
    """
    with tempfile.TemporaryDirectory(prefix="tink-") as temporary:
        at = Path(temporary) / "folder.git"
        repo = GitRepo.create(at, bare=True) if own is None else GitRepo.create_borrowing(at, own)
        try:
            tree_at = f"--work-tree={folder.resolve()}"
            aside = {}
            if own is not None:
                aside = {
                    "GIT_INDEX_FILE": str(repo.git_dir / "index"),
                    "GIT_OBJECT_DIRECTORY": str(repo.objects_dir),
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(own.objects_dir),
                }
            adding = own or repo
            words = ("add", "--all", "--", ".")
            adding.run(tree_at, *words, directory=folder.resolve(), extra_environment=aside)
            tree = adding.run("write-tree", extra_environment=aside).decode().strip()
            commit = repo.commit_tree(tree, message="to be checked\n", who=NOBODY)
            yield DesiredStore(repo), commit
        finally:
            repo.close()
