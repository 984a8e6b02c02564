"""Joins small packs into larger ones, as a geometric repack does.

As `git repack --geometric=2` does it, but for one thing: the new pack holds all that the old
ones held.  git's leaves out what a larger pack has as well and then deletes the small one;
beside a `git gc` that counts on the small one and deletes the larger, both go.

There is no index over all packs (`git multi-pack-index`): where a repack of somebody else
deletes a pack that it names, readers miss objects that are there.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from provisioner.git import disk, pack
from provisioner.git.command import HISTORY_SECONDS, GitFailed
from provisioner.git.repo import GitRepo

AT_ONCE = 1_024  # packs: so that a server that often restarts comes to an end with something
_FACTOR = 2  # each pack has that many times the objects of the next smaller one
_LISTED_LIMIT = 1_000_000  # objects, whose ids are in memory meanwhile: 100 MB
# Kept by somebody; objects that nothing leads to (newer gits); of a partial clone.
_SPECIAL = (".keep", ".mtimes", ".promisor")


def packs(repo: GitRepo) -> list[Path]:
    """The indexes of all packs."""
    return list((repo.objects_dir / "pack").glob("pack-*.idx"))


def object_count(index: Path) -> int:
    """The last entry of the index's fan-out table; 0 for one that is gone."""
    try:
        with index.open("rb") as file:
            file.seek(8 + 255 * 4)
            (count,) = struct.unpack(">L", file.read(4))
            return int(count)
    except (FileNotFoundError, struct.error):
        return 0


def join(repo: GitRepo, *, stop: threading.Event | None = None) -> int:
    """Join some of those that should be joined; return how many.

    Costs some 4 ms a pack, whatever the history holds (measured among 17,000 packs).
    """
    plain = [
        each
        for each in packs(repo)
        if not any(each.with_suffix(suffix).exists() for suffix in _SPECIAL)
    ]
    counts = sorted((object_count(each), each) for each in plain)
    number = min(choose([count for count, _ in counts]), AT_ONCE)
    old = [index for _, index in counts[:number]]
    if len(old) < 2:
        return 0
    joined = sum(count for count, _ in counts[:number])
    others = sum(count for count, _ in counts[number:])
    write = _write_listed if joined < min(others, _LISTED_LIMIT) else _write_walked
    folder = repo.objects_dir / "pack"
    try:
        out = write(repo, old, stop)
    except (GitFailed, FileNotFoundError):
        if all(each.exists() for each in old):
            raise
        return 0  # somebody else's repack was first
    new = {f"pack-{name}" for name in out.decode().split()}
    disk.sync(folder)
    remove(folder, [each.stem for each in old if each.stem not in new])
    repo.run("prune-packed", "--quiet", stop=stop)
    return len(old)


def _write_walked(repo: GitRepo, old: Sequence[Path], stop: threading.Event | None) -> bytes:
    """Join packs that hold most of the history: git walks all of it for the objects' paths."""
    names = "".join(f"{each.with_suffix('.pack').name}\n" for each in old)
    return _write(repo, names.encode(), stop, "--stdin-packs", "--unpacked")


def _write_listed(repo: GitRepo, old: Sequence[Path], stop: threading.Event | None) -> bytes:
    """Join packs that hold a small part of the history, without a walk through the rest.

    Among 17,000 packs such a walk took 40 s for 256 of them; this takes less than two.
    """
    # The newest first: so git finds each object in the pack that it looked at last, and stores
    # the older version of a file as its difference from the newer.
    newest_first = sorted(old, key=lambda index: index.stat().st_mtime_ns, reverse=True)
    ids = [each for index in newest_first for each in _object_ids(index)]
    ids += _loose_ids(repo)
    paths = _paths(repo, ids, stop)
    listing = "".join(f"{each} {paths.get(each, '')}\n" for each in ids)
    return _write(repo, listing.encode(errors="surrogateescape"), stop)


def _write(repo: GitRepo, stdin: bytes, stop: threading.Event | None, *flags: str) -> bytes:
    words = ("pack-objects", "--quiet", "--non-empty", "--delta-base-offset", *flags)
    return repo.run(
        *(*words, str(repo.objects_dir / "pack" / "pack")),
        stdin=stdin,
        timeout_seconds=HISTORY_SECONDS,
        stop=stop,
        is_background=True,
    )


def _paths(repo: GitRepo, ids: Sequence[str], stop: threading.Event | None) -> dict[str, str]:
    """Where objects stand in the tree, as far as their commits say it.

    Only a hint: objects of one path are compared with each other, to be stored as differences.
    """
    run = partial(repo.run, timeout_seconds=HISTORY_SECONDS, stop=stop, is_background=True)
    try:
        kinds = run("cat-file", "--batch-check=%(objecttype)", stdin=_lines(ids)).splitlines()
        commits = [each for each, kind in zip(ids, kinds, strict=True) if kind == b"commit"]
        words = ("diff-tree", "--stdin", "-r", "-t", "-z", "--root", "--no-renames")
        changes = run(*words, "--no-commit-id", stdin=_lines(commits))
    except GitFailed:
        if stop is not None and stop.is_set():
            raise
        return {}  # a shallow clone lacks parents, a damaged repository more
    tokens = changes.decode("utf-8", "surrogateescape").split("\0")
    pairs = zip(tokens[::2], tokens[1::2], strict=False)
    # Of `:100644 100644 <old id> <new id> M`.  A path with a line's end would be two objects.
    return {head[56:96]: path for head, path in pairs if "\n" not in path}


def _object_ids(index: Path) -> list[str]:
    try:
        return pack.ids_in(index.read_bytes())
    except ValueError as error:
        raise GitFailed("pack-objects", 1, f"{index.name}: {error}") from None


def _loose_ids(repo: GitRepo) -> list[str]:
    found = repo.objects_dir.glob("[0-9a-f][0-9a-f]/*")
    return [path.parent.name + path.name for path in found if len(path.name) == 38]


def _lines(words: Iterable[str]) -> bytes:
    return "".join(f"{each}\n" for each in words).encode()


def choose(counts: Sequence[int]) -> int:
    """Of packs, the smallest first, how many to join so that each is twice the one before."""
    joined = 0
    for at in range(len(counts) - 1, 0, -1):
        if counts[at] < _FACTOR * counts[at - 1]:
            joined = at + 1
            break
    total = sum(counts[:joined])
    while 0 < joined < len(counts) and counts[joined] < _FACTOR * total:
        total += counts[joined]
        joined += 1
    return joined


def remove(folder: Path, names: Sequence[str]) -> None:
    """Remove packs whose objects another pack has, durably."""
    # One of somebody's making may name them; without it git looks into each pack.
    (folder / "multi-pack-index").unlink(missing_ok=True)
    for name in names:
        if (folder / f"{name}.keep").exists():
            continue  # a person's, created meanwhile
        for suffix in (".idx", ".rev", ".bitmap", ".pack"):  # without its index nobody sees it
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
