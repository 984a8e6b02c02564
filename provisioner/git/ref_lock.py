"""Reads refs, and moves them by compare-and-swap under git's own lock protocol.

Our `<ref>.lock` carries the sticky bit, which means nothing for a file.  So the lock that a
killed writer or a power cut left behind can be distinguished from that of a git process at work,
and only ours is ever removed.  (A hard link to a file of our own was tried: btrfs kept one
of the two names in a power cut.)
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from pathlib import Path

from provisioner.errors import Conflict, Unavailable
from provisioner.git import spare_files
from provisioner.model.ids import CommitId

WAIT_SECONDS = 5.0  # for a git process that moves the same ref; it needs milliseconds
_ID = re.compile(r"[0-9a-f]{40}\Z")
_MODE = 0o644 | stat.S_ISVTX
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
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
            raise Unavailable(
                f"{common_dir / ref} is not a ref",
                hint="after a power cut, `tink serve` repairs it when it starts; else: git fsck",
            )
    raise Unavailable(f"symbolic ref loop at {ref}")


def symbolic_target(directory: Path, ref: str) -> str:
    """The full name of the ref that a ref points to by name, or ""."""
    text = _loose(directory, ref) or ""
    return text.removeprefix("ref:").strip() if text.startswith("ref:") else ""


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
    # Unbuffered and past pathlib: it is read for each batch, and this takes half as long.
    try:
        with open(f"{common_dir}/{ref}", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read().decode("utf-8", "replace").strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _packed(common_dir: Path) -> dict[str, CommitId]:
    try:
        lines = (common_dir / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split(" ", 1) for line in lines if line[:1] not in ("#", "^"))
    return {name: CommitId(commit) for commit, name in pairs}


def is_writers(state: os.stat_result) -> bool:
    """Whether a lock file is of our own writer, and no git's."""
    return bool(state.st_mode & stat.S_ISVTX)


class RefLock:
    """Holds `<ref>.lock` from `take` to `move` or `release`."""

    def __init__(self, common_dir: Path, ref: str, *, spares: Path | None = None) -> None:
        """`spares` is a folder for files that take turns as lock and ref.

        For the writer that is never without its journal: after a power cut such a file may
        hold what it held a while ago.
        """
        self.ref = ref
        self._common_dir = common_dir
        self._path = common_dir / ref
        self.path = self._path.with_name(self._path.name + ".lock")
        self.directory = self._path.parent
        self.directory.mkdir(parents=True, exist_ok=True)
        self._spares = spare_files.prepare(spares, _MODE) if spares is not None else None

    def clear_stale(self) -> None:
        """Remove the lock of an earlier life; only for the one who may write the ref."""
        if self._is_ours():
            self.path.unlink()

    def take(self, *, expected: CommitId | None, new: CommitId) -> None:
        """Lock the ref if it is at `expected`, ready to `move` to `new`."""
        patience = time.monotonic() + WAIT_SECONDS
        while not self.try_take(expected=expected, new=new):
            if time.monotonic() > patience:
                raise Unavailable(
                    f"{self.path} is held by another git process",
                    hint="if none is running, one was killed: remove that file",
                )
            time.sleep(0.01)

    def try_take(self, *, expected: CommitId | None, new: CommitId) -> bool:
        """Like `take`; returns False when somebody holds the lock."""
        content = f"{new}\n".encode()
        try:
            self._create(content)
        except FileExistsError:
            if not self._is_ours():
                return False
            self.path.unlink()  # it could not be removed when it was given up
            self._create(content)
        try:
            found = read_ref(self._common_dir, self.ref)
            if found != expected:
                raise RefMoved(self.ref, found)
        except BaseException:
            self.path.unlink()
            raise
        return True

    def move(self) -> None:
        """Let the ref point to the commit that `take` was given."""
        if self._spares is None or not self._spares.exchange(self.path, self._path):
            self.path.rename(self._path)

    def release(self) -> None:
        """Give up what `take` took, if it was not moved."""
        self.clear_stale()

    def _is_ours(self) -> bool:
        try:
            return is_writers(self.path.stat())
        except FileNotFoundError:
            return False

    def _create(self, content: bytes) -> None:
        if self._spares is not None:
            try:
                self._spares.put(content, self.path)
                return
            except FileExistsError:
                raise
            except OSError:
                pass  # the plain way says what is the matter, if anything
        try:
            handle = os.open(self.path, _CREATE, _MODE)
        except FileNotFoundError:  # git packed the refs, and removed the empty folder `a` of `a/b`
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, _CREATE, _MODE)
        try:
            if os.write(handle, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)
