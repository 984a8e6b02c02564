"""How a ref is read, and moved by compare-and-swap under git's own lock protocol.

`<ref>.lock` is made by hard-linking a file of our own.  A lock that a killed writer left
behind is the same inode as that file, so it can be told from the lock of a git process
that is at work, and only ours is ever removed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from provisioner.errors import Conflict, Unavailable
from provisioner.model.ids import CommitId

WAIT_SECONDS = 5.0  # for a git process that moves the same ref; it needs milliseconds
_ID = re.compile(r"[0-9a-f]{40}\Z")
_LINKS = 5  # a symbolic ref to a symbolic ref to …


class RefMoved(Conflict):
    """The ref is not where the caller thought; `found` is where it is."""

    def __init__(self, ref: str, found: CommitId | None) -> None:
        self.found = found
        super().__init__(f"{ref} moved meanwhile to {found or 'nothing'}")


def read_ref(common_dir: Path, ref: str) -> CommitId | None:
    """Return the commit a full ref name (`refs/heads/main`) points to, or None."""
    for _ in range(_LINKS):
        text = _loose(common_dir, ref)
        if text is None:
            return _packed(common_dir).get(ref)
        if text.startswith("ref: "):
            ref = text[5:].strip()
        elif _ID.match(text):
            return CommitId(text)
        else:
            raise Unavailable(f"{common_dir / ref} is not a ref", hint="run: git fsck")
    raise Unavailable(f"{ref} leads in a circle")


def list_refs(common_dir: Path, prefix: str) -> dict[str, CommitId]:
    """Return every ref below a prefix such as `refs/heads/`."""
    found = {ref: commit for ref, commit in _packed(common_dir).items() if ref.startswith(prefix)}
    for path in sorted((common_dir / prefix).rglob("*")):
        if path.is_file() and not path.name.endswith(".lock"):
            ref = str(path.relative_to(common_dir))
            commit = read_ref(common_dir, ref)
            if commit is not None:
                found[ref] = commit
    return dict(sorted(found.items()))


def _loose(common_dir: Path, ref: str) -> str | None:
    try:
        return (common_dir / ref).read_text().strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _packed(common_dir: Path) -> dict[str, CommitId]:
    try:
        lines = (common_dir / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split(" ", 1) for line in lines if line[:1] not in ("#", "^"))
    return {name: CommitId(commit) for commit, name in pairs}


class RefLock:
    """Holds `<ref>.lock` from `take` to `move` or `release`."""

    def __init__(self, common_dir: Path, ref: str, own_dir: Path) -> None:
        self.ref = ref
        self._common_dir = common_dir
        self._path = common_dir / ref
        self._lock = self._path.with_name(self._path.name + ".lock")
        self._own = own_dir / "ref-lock"
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def clear_stale(self) -> None:
        """Remove the lock of an earlier life; only for the one who may write the ref."""
        try:
            if self._lock.exists() and self._lock.samefile(self._own):
                self._lock.unlink()
            self._own.unlink()
        except FileNotFoundError:
            return

    def take(self, *, expected: CommitId | None, new: CommitId) -> None:
        """Lock the ref if it is at `expected`, ready to `move` to `new`."""
        self._own.unlink(missing_ok=True)
        try:
            self._own.write_text(f"{new}\n")
            self._link()
            found = read_ref(self._common_dir, self.ref)
            if found != expected:
                raise RefMoved(self.ref, found)
        except BaseException:
            self.release()
            raise

    def move(self) -> None:
        """Let the ref point to what `take` was told."""
        self._lock.rename(self._path)
        self._own.unlink()

    def release(self) -> None:
        self.clear_stale()

    @property
    def directory(self) -> Path:
        return self._path.parent

    @property
    def own_file(self) -> Path:
        """The new value, as a file to sync before `move`."""
        return self._own

    def _link(self) -> None:
        patience = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._lock.hardlink_to(self._own)
                return
            except FileExistsError:
                if time.monotonic() > patience:
                    raise Unavailable(
                        f"{self._lock} is held by another git process",
                        hint="if none is running, one was killed: remove that file",
                    ) from None
                time.sleep(0.01)
