"""The server's own clone of a remote: created, found again, and freed of leftovers.

Nobody else works in it.  So what a killed git left there (locks, half a pack) can be
removed, and every step of making it is one that can be repeated after `kill -9`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from provisioner.errors import Conflict, UserError
from provisioner.git import ref_lock
from provisioner.git.remote_url import RemoteUrl
from provisioner.git.repo import OWN_DIR, GitRepo
from provisioner.store.desired import protection

# git holds a lock for milliseconds; one that did not change for so long has nobody.
PATIENCE_SECONDS = 3.0
_MAKING_SECONDS = 10.0  # for another server that creates the same clone just now
_LOOK_SECONDS = 0.05
_MARK = "tink.clone"  # in the configuration of what we cloned, once that is whole
_OF_GIT = frozenset(
    {"HEAD", "config", "description", "objects", "refs", "branches", "hooks", "packed-refs"}
)
_LOCKS = ("*.lock", "refs/**/*.lock", "logs/**/*.lock", "objects/info/**/*.lock")
_HALVES = ("objects/pack/tmp_pack_*", "objects/pack/tmp_idx_*", "objects/??/tmp_obj_*")
_PACK_LOCKS = ("objects/pack/*.lock",)

_LOG = logging.getLogger(__name__)


def open_clone(
    folder: Path, url: RemoteUrl, *, branch: str, status_branch: str, remote: str
) -> GitRepo:
    """Open the clone of a remote, without asking that; make it where there is none.

    A URL that differs from the one it was cloned from replaces that.
    """
    _check_folder(folder)
    own = folder / OWN_DIR
    own.mkdir(parents=True, exist_ok=True)
    with _locked(own / "clone.lock", folder):
        repo = _opened(folder, remote) or _made(folder, branch)
        try:
            _configure(repo, url, remote)
            _free(repo.common_dir / "config.lock")
            protection.look(repo, desired=branch, status=status_branch, is_ours=True)
        except BaseException:
            repo.close()
            raise
    return repo


def is_our_clone(repo: GitRepo) -> bool:
    return _MARK in _settings(repo)


class Leftovers:
    """Removes what git processes of an earlier life left in our own clone.

    `handle` is for the git processes of this life: as long as one of an earlier life keeps
    the same file open, nothing is removed.
    """

    def __init__(self, repo: GitRepo) -> None:
        self._git_dir = repo.common_dir
        self.handle = os.open(repo.own_dir / "network.lock", os.O_RDWR | os.O_CREAT, 0o644)
        self._is_alone = False
        self._look_whether_alone()

    def close(self) -> None:
        os.close(self.handle)

    def remove(self, wait: Callable[[float], bool]) -> tuple[Path, ...]:
        """Remove what did not change for a while; `wait` returns True when we are to end.

        Only while no git process of ours is at work.  Costs a walk through `refs/`, and the
        wait only where something is found.
        """
        before = self._found()
        if not before or wait(PATIENCE_SECONDS) or not self._look_whether_alone():
            return ()
        removed = []
        for path, stamp in self._found().items():
            if before.get(path) == stamp:
                with suppress(FileNotFoundError):
                    path.unlink()
                    removed.append(path)
        if removed:
            names = ", ".join(str(each.relative_to(self._git_dir)) for each in removed[:5])
            _LOG.warning("removed %d files that a killed git left: %s", len(removed), names)
        return tuple(removed)

    def _look_whether_alone(self) -> bool:
        """Whether no git of an earlier life is left; from then on all are ours."""
        if not self._is_alone:
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._is_alone = True
        return True

    def _found(self) -> dict[Path, tuple[int, int, int]]:
        found = {}
        for pattern in (*_LOCKS, *_PACK_LOCKS, *_HALVES):
            for path in self._git_dir.glob(pattern):
                with suppress(FileNotFoundError):
                    state = path.lstat()
                    if not ref_lock.is_writers(state):
                        found[path] = (state.st_ino, state.st_size, state.st_mtime_ns)
        for path in self._git_dir.glob("refs/remotes/**/*"):
            with suppress(FileNotFoundError):
                state = path.lstat()
                # git writes a lock and renames it: a power cut may leave a ref that is empty.
                if path.is_file() and state.st_size == 0:
                    found[path] = (state.st_ino, state.st_size, state.st_mtime_ns)
        return found


def _check_folder(folder: Path) -> None:
    if (folder / ".git").exists():
        raise UserError(
            f"{folder} is a clone with a work tree, and --clone-into keeps a bare one",
            hint="give another folder, or serve this one: --repo DIR --remote origin",
        )
    if not folder.is_dir() or (folder / "HEAD").exists():
        return
    names = {path.name.removesuffix(".lock") for path in folder.iterdir()}
    if names - _OF_GIT - {OWN_DIR}:
        raise UserError(f"{folder} is not empty and holds no clone", hint="give an empty folder")


def _opened(folder: Path, remote: str) -> GitRepo | None:
    """The clone, when it is whole."""
    if not (folder / "HEAD").exists() or not (folder / "config").exists():
        return None
    try:
        repo = GitRepo(folder)
    except UserError:
        return None
    if is_our_clone(repo):
        return repo
    is_foreign = remote not in repo.remotes() and bool(repo.refs("refs/"))
    repo.close()
    if is_foreign:
        raise UserError(
            f"{folder} is a repository of its own, and no clone", hint="give an empty folder"
        )
    return None


def _made(folder: Path, branch: str) -> GitRepo:
    """Make it, or what is missing of it: `git init` leaves alone what is there."""
    for name in ("HEAD", "config"):
        (folder / f"{name}.lock").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            if not (folder / name).stat().st_size:
                (folder / name).unlink()
    return GitRepo.create(folder, bare=True, branch=branch)


def _configure(repo: GitRepo, url: RemoteUrl, remote: str) -> None:
    wanted = {
        f"remote.{remote}.url": url.plain,
        f"remote.{remote}.fetch": f"+refs/heads/*:refs/remotes/{remote}/*",
        _MARK: "true",  # the last: what is marked is whole
    }
    found = _settings(repo)
    changed = {name: value for name, value in wanted.items() if found.get(name) != value}
    if changed:
        _free(repo.common_dir / "config.lock")
    for name, value in changed.items():
        repo.run("config", "--replace-all", name, value)
    if _MARK in found and found.get(f"remote.{remote}.url") != url.plain:
        _LOG.info("the remote of %s is %s from now on", repo.git_dir, url.plain)


def _free(lock: Path) -> None:
    """Wait for whoever holds a lock; one that does not change was left by a killed git."""
    end = time.monotonic() + PATIENCE_SECONDS
    while lock.exists():
        if time.monotonic() > end:
            lock.unlink(missing_ok=True)
        time.sleep(_LOOK_SECONDS)


def _settings(repo: GitRepo) -> dict[str, str]:
    listing = repo.run("config", "--local", "--null", "--list").decode("utf-8", "replace")
    entries = (entry.partition("\n") for entry in listing.split("\0") if entry)
    return {name: value for name, _, value in entries}


@contextmanager
def _locked(path: Path, folder: Path) -> Iterator[None]:
    """Let one process at a time make a clone."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = time.monotonic() + _MAKING_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Conflict(f"another process is creating the clone in {folder}") from None
                time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(handle)
