"""How small packs become one, now and then, and large ones rarely.

As `git repack --geometric=2` does it, but for one thing: the new pack holds all that the old
ones held.  git's leaves out what a larger pack has as well and then deletes the small one;
beside a `git gc` that counts on the small one and deletes the larger, both go.

There is no index over all packs (`git multi-pack-index`): where a repack of somebody else
deletes a pack that it names, readers miss objects that are there.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from pathlib import Path

from provisioner.git import disk
from provisioner.git.command import GitFailed
from provisioner.git.repo import GitRepo

AT_ONCE = 256  # packs: so that a server that often restarts comes to an end with something
_FACTOR = 2  # each pack has that many times the objects of the next smaller one
_JOIN_SECONDS = 3600
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
    """Join some of those that should be joined; return how many."""
    plain = [
        each
        for each in packs(repo)
        if not any(each.with_suffix(suffix).exists() for suffix in _SPECIAL)
    ]
    counts = sorted((object_count(each), each) for each in plain)
    number = choose([count for count, _ in counts])
    old = [index for _, index in counts[: min(number, AT_ONCE)]]
    if len(old) < 2:
        return 0
    folder = repo.objects_dir / "pack"
    names = "".join(f"{each.with_suffix('.pack').name}\n" for each in old)
    words = ("pack-objects", "--quiet", "--non-empty", "--delta-base-offset", "--stdin-packs")
    try:
        out = repo.run(
            *(*words, "--unpacked", str(folder / "pack")),
            stdin=names.encode(),
            timeout_seconds=_JOIN_SECONDS,
            stop=stop,
            is_background=True,
        )
    except GitFailed:
        if all(each.exists() for each in old):
            raise
        return 0  # somebody else's repack was first
    made = {f"pack-{name}" for name in out.decode().split()}
    disk.sync(folder)
    remove(folder, [each.stem for each in old if each.stem not in made])
    repo.run("prune-packed", "--quiet", stop=stop)
    return len(old)


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
            continue  # a person's, made meanwhile
        for suffix in (".idx", ".rev", ".bitmap", ".pack"):  # without its index nobody sees it
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
