"""A folder as a commit, so that its files are checked before they are committed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.desired.reading import DesiredStore


@contextlib.contextmanager
def as_commit(folder: Path) -> Iterator[tuple[DesiredStore, CommitId]]:
    """Commit the folder into a temporary repository: links, modes and names stay what they are.

    What git ignores is left out, as it would be from a real commit.
    """
    with tempfile.TemporaryDirectory(prefix="tink-") as temporary:
        repo = GitRepo.create(Path(temporary) / "folder.git", bare=True)
        try:
            tree_at = f"--work-tree={folder.resolve()}"
            repo.run(tree_at, "add", "--all", "--", ".", directory=folder.resolve())
            tree = repo.run("write-tree").decode().strip()
            who = {
                f"GIT_{role}_{what}": "tink"
                for role in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            }
            words = ("commit-tree", "-m", "to be checked", tree)
            commit = repo.run(*words, extra_environment=who).decode().strip()
            yield DesiredStore(repo), CommitId(commit)
        finally:
            repo.close()
