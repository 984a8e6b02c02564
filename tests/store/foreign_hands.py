"""What somebody else may do to a status branch, with plain git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.status import layout
from tests.store import sites
from tests.store.sites import workflow_id

STATUS = "refs/heads/status"
Edit = Callable[[bytes], bytes | None]


def commit(
    repo: GitRepo, tmp_path: Path, parent: str | None, edits: dict[str, Edit], message: str = "hand"
) -> CommitId:
    """Commit edits of files (None removes one) on top of a commit, and move no ref."""
    index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    (tmp_path / "index").unlink(missing_ok=True)
    if parent:
        repo.run("read-tree", parent, extra_environment=index)
    for path, edit in edits.items():
        new = edit((repo.blob_at(CommitId(parent), path) or b"") if parent else b"")
        mode, blob = ("0", "0" * 40) if new is None else ("100644", sites.write_blob(repo, new))
        line = f"{mode} {blob}\t{path}"
        repo.run("update-index", "--index-info", stdin=line.encode(), extra_environment=index)
    tree = repo.run("write-tree", extra_environment=index).decode().strip()
    parents = ("-p", parent) if parent else ()
    return CommitId(sites.git(repo.git_dir, "commit-tree", "-m", message, *parents, tree).strip())


def put(repo: GitRepo, ref: str, commit: str | None) -> None:
    """Let a ref be at a commit, whatever it was at."""
    words = ("update-ref", ref, commit) if commit else ("update-ref", "-d", ref)
    sites.git(repo.git_dir, *words)


def status_of(number: int) -> str:
    return layout.status(workflow_id(number))


def without_last_event(content: bytes) -> bytes:
    head, _, rest = content.rpartition(b"\n{")
    return head.removesuffix(b",") + b"\n" + rest.partition(b"\n")[2]


def pending_again(content: bytes) -> bytes:
    return content.replace(b'"state": "STATE_SUCCESS"', b'"state": "STATE_PENDING"')


def gone(_: bytes) -> None:
    return None
