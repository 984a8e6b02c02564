"""Reads and replaces the ephemeral data in `/workflow/<workflow_id>`.

An action is root and may have left anything there, so nothing is opened by a path that could
lead elsewhere: every step is relative to a folder that is held open, and no link is followed,
neither in reading nor in writing.  What is not a plain file is reported, never shared.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worker import wire
from worker.wire import ArchivedFile

WORKFLOW_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ENTRIES_LIMIT = 100_000  # an end to counting what is over the limit anyway

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: a fifo put in a file's place between two looks must not stop us.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # follows no link

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a fifo"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class DataRefused(Exception):
    """The folder holds what can't be shared; the message is for the action's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: str
    size: int


def folder_of(workflow_dir: Path, workflow_id: str) -> Path:
    """The folder of one workflow; an id that is no UUID could name another one."""
    if not WORKFLOW_ID.fullmatch(workflow_id):
        raise DataRefused(f"{workflow_id!r} is not a workflow id")
    return workflow_dir / workflow_id.lower()


def read(folder: Path, *, limit_bytes: int = wire.DATA_LIMIT_BYTES) -> tuple[ArchivedFile, ...]:
    """Read every file below `folder`, in the order of their paths."""
    with _opened(folder) as top:
        entries = sorted(itertools.islice(_walk(top), ENTRIES_LIMIT), key=lambda one: one.path)
        _check(sum(one.size for one in entries), len(entries), limit_bytes)
        try:
            wire.check_folders(one.path for one in entries)
        except wire.WireError as error:
            raise DataRefused(str(error)) from None
        files: list[ArchivedFile] = []
        size = 0
        for entry in entries:
            wire_path = entry.path
            try:
                wire.check_path(wire_path)
            except wire.WireError as error:
                raise DataRefused(str(error)) from None
            file = _read_file(top, wire_path, limit_bytes)
            size += len(file.content)
            _check(size, len(entries), limit_bytes)  # it may have grown since
            files.append(file)
        return tuple(files)


def mirror(folder: Path, files: tuple[ArchivedFile, ...]) -> None:
    """Make `folder` hold exactly these files: what is else there goes, what differs is
    written anew.  Folders that only held what went, go too."""
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {file.path: file for file in files}
    with _opened(folder) as top:
        _remove_others(top, "", wanted)
        for file in files:
            _write(top, file)


def remove(folder: Path) -> None:
    """Remove the folder with all that is in it, however deep."""
    with contextlib.suppress(FileNotFoundError), _opened(folder.parent) as parent:
        _remove_entry(parent, folder.name)


def others(workflow_dir: Path, workflow_id: str) -> tuple[Path, ...]:
    """The folders of other workflows in `workflow_dir`."""
    current = workflow_id.lower()
    try:
        names = sorted(one.name for one in workflow_dir.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(
        workflow_dir / name for name in names if WORKFLOW_ID.fullmatch(name) and name != current
    )


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened_below(top: int, parts: list[str], *, make: bool = False) -> Iterator[int]:
    """The folder that `parts` lead to, step by step."""
    descriptor = os.dup(top)
    try:
        for part in parts:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries)


def _check(size: int, count: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise DataRefused(f"ephemeral data is {size} bytes, the limit is {limit_bytes} bytes")
    try:
        wire.check_sizes(size, count)
    except wire.DataTooLarge as error:
        raise DataRefused(str(error)) from None


def _walk(descriptor: int, prefix: str = "", depth: int = 0) -> Iterator[_Entry]:
    if depth > wire.DEPTH_LIMIT:
        raise DataRefused(f"ephemeral data has folders more than {wire.DEPTH_LIMIT} deep")
    for name in _names(descriptor):
        path = f"{prefix}{name}"
        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            below = os.open(name, _FOLDER, dir_fd=descriptor)
            try:
                yield from _walk(below, f"{path}/", depth + 1)
            finally:
                os.close(below)
        elif stat.S_ISREG(found.st_mode):
            yield _Entry(path=path, size=found.st_size)
        else:
            raise DataRefused(_not_a_file(path, found.st_mode))


def _not_a_file(path: str, mode: int) -> str:
    kind = next((name for is_it, name in _KINDS if is_it(mode)), "not a file")
    return f"ephemeral data has {kind} at {path[:80]!r}; only plain files and folders are shared"


def _read_file(top: int, path: str, limit_bytes: int) -> ArchivedFile:
    *parents, name = path.split("/")
    try:
        with _opened_below(top, parents) as parent:
            descriptor = os.open(name, _READ, dir_fd=parent)
    except OSError as error:
        raise DataRefused(f"ephemeral data changed while it was read: {error}") from error
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise DataRefused(_not_a_file(path, mode))
        content = file.read(limit_bytes + 1)
    return ArchivedFile(path=path, content=content, executable=bool(mode & 0o100))


def _remove_others(descriptor: int, prefix: str, wanted: dict[str, ArchivedFile]) -> None:
    """Depth is bounded by the wanted paths: a folder that leads to none is removed whole."""
    for name in _names(descriptor):
        path = f"{prefix}{name}"
        mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
        leads_on = any(one.startswith(f"{path}/") for one in wanted)
        if stat.S_ISDIR(mode) and leads_on:
            below = os.open(name, _FOLDER, dir_fd=descriptor)
            try:
                _remove_others(below, f"{path}/", wanted)
            finally:
                os.close(below)
        elif not (stat.S_ISREG(mode) and path in wanted):
            _remove_entry(descriptor, name)


def _write(top: int, file: ArchivedFile) -> None:
    *parents, name = file.path.split("/")
    mode = 0o755 if file.executable else 0o644
    with _opened_below(top, parents, make=True) as parent:
        if _holds(parent, name, file.content, mode):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)  # a new file: the old may have other names
        descriptor = os.open(name, _CREATE, mode, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as new:
            os.fchmod(descriptor, mode)  # the umask must not matter
            new.write(file.content)


def _holds(parent: int, name: str, content: bytes, mode: int) -> bool:
    try:
        descriptor = os.open(name, _READ, dir_fd=parent)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        same_kind = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        same = same_kind and found.st_size == len(content) and file.read() == content
        if same and stat.S_IMODE(found.st_mode) != mode:
            os.fchmod(descriptor, mode)
        return same


def _remove_entry(parent: int, name: str) -> None:
    """Remove a file, or a folder without recursion: what lies two levels down is moved up
    until nothing is deeper than one, so that no depth is too deep."""
    try:
        os.unlink(name, dir_fd=parent)
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    top = os.open(name, _FOLDER, dir_fd=parent)
    try:
        numbers = itertools.count()
        while inside := _names(top):
            for one in inside:
                if stat.S_ISDIR(os.stat(one, dir_fd=top, follow_symlinks=False).st_mode):
                    _empty_into(top, one, numbers)
                    os.rmdir(one, dir_fd=top)
                else:
                    os.unlink(one, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty_into(top: int, name: str, numbers: Iterator[int]) -> None:
    folder = os.open(name, _FOLDER, dir_fd=top)
    try:
        for one in _names(folder):
            if not stat.S_ISDIR(os.stat(one, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(one, dir_fd=folder)
                continue
            for number in numbers:
                try:
                    os.rename(one, f".removed.{number}", src_dir_fd=folder, dst_dir_fd=top)
                    break
                except OSError as error:  # somebody has that name already: take the next
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        raise
    finally:
        os.close(folder)
