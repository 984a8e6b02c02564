"""Reads git objects through one `git cat-file --batch`, shared by all threads.

A read costs one round trip through a pipe (some 50 µs).  git itself finds objects that
arrive later, and packs that a repack replaced.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from provisioner.errors import NotFound, Unavailable
from provisioner.git import command, process_group

_AHEAD = 256  # ids in the pipe before the answers are read: 10 KB, under every pipe's size
END_SECONDS = 1.0  # that a killed git is waited for


class GitObject(NamedTuple):
    kind: str
    content: bytes


class TreeEntry(NamedTuple):
    """One line of a tree; `name` is bytes because git's names are."""

    mode: int
    name: bytes
    id: str

    @property
    def is_tree(self) -> bool:
        return self.mode == 0o40000


class ObjectReader:
    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._lock = threading.Lock()  # guards _process
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, object_id: str) -> GitObject:
        """Read one object by its full id."""
        return next(self.read_all((object_id,)))

    def find(self, object_id: str) -> GitObject | None:
        try:
            return self.read(object_id)
        except NotFound:
            return None

    def read_all(self, object_ids: Iterable[str]) -> Iterator[GitObject]:
        """Read objects in the order asked for; they are fetched in small groups."""
        ids = iter(object_ids)
        while group := list(islice(ids, _AHEAD)):
            yield from self._read_group(group)

    def close(self) -> None:
        """End git, which holds packs open that were deleted since; a next read starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            end(process)

    def _read_group(self, ids: list[str]) -> list[GitObject]:
        for each in ids:
            if len(each) != 40 or not each.isalnum():
                raise NotFound("object", each)
        with self._lock:
            for last_try in (False, True):
                process = self._started()
                try:
                    return _exchange(process, ids)
                except (OSError, EOFError):
                    self._stop()
                    if last_try:
                        raise Unavailable("git cat-file ended while it was being read") from None
                except NotFound:
                    # git answered for all of them; the pipe holds the other answers still
                    self._stop()
                    raise
        raise AssertionError("unreachable")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = command.start(self._git_dir, "cat-file", "--batch")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process)


def _exchange(process: subprocess.Popen[bytes], ids: list[str]) -> list[GitObject]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("".join(f"{each}\n" for each in ids).encode())
    process.stdin.flush()
    return [_answer(process.stdout, each) for each in ids]


def _answer(pipe: IO[bytes], asked: str) -> GitObject:
    header = pipe.readline().split()
    if not header:
        raise EOFError
    if header[-1] == b"missing":
        raise NotFound("object", asked)
    size = int(header[2])
    content = pipe.read(size + 1)
    if len(content) != size + 1:
        raise EOFError
    return GitObject(header[1].decode(), content[:-1])


def end(process: subprocess.Popen[bytes]) -> None:
    """End a git process of ours and take back its pipes.

    One that has packs open which were joined and deleted since is waited for no longer than a
    second: the kernel was seen to take half a minute to free them.
    """
    process.kill()
    process_group.wait_briefly(process, END_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # unsent bytes for a process that is gone


def parse_tree(content: bytes) -> list[TreeEntry]:
    entries = []
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        nul = content.index(b"\0", space)
        entries.append(
            TreeEntry(
                int(content[at:space], 8),
                content[space + 1 : nul],
                content[nul + 1 : nul + 21].hex(),
            )
        )
        at = nul + 21
    return entries
