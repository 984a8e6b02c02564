"""Keeps the repository small and quick to read while it is being written.

Each batch is a pack of its own.  They are joined now and then (pack_joining.py), and a
commit graph keeps walks quick.  `git gc` is refused meanwhile (gc_lock.py).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.git import pack_files, pack_joining, stream
from provisioner.git.command import HISTORY_SECONDS, GitFailed
from provisioner.git.pack_files import Owner
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.problem import InvalidInput
from provisioner.store.status import json_lines, layout

PACKS_LIMIT = 64  # a read looks into each of them: 4.5 ms at 100 packs, 18 at 2,000
_STALE_SECONDS = 24 * 3600  # whoever wrote such a temporary file is gone
_STALE = (
    "tmp_*",
    ".tmp-*",
    "pack/tmp_*",
    "pack/.tmp-*",
    f"pack/{Owner.COMMAND}-*",
    "pack/*.lock",
    "info/*.lock",
    "info/commit-graphs/*.lock",
    "info/commit-graphs/tmp_*",
)
_NOTE = "maintenance.json"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What `tink status-branch stats` prints; `last_maintenance_at` is 0 for never."""

    packs: int
    packed_objects: int
    loose_objects: int
    pack_bytes: int
    has_commit_graph: bool
    last_maintenance_at: float
    last_maintenance_seconds: float
    workflows: int = 0
    events: int = 0

    @property
    def bytes_per_event(self) -> float:
        return self.pack_bytes / self.events if self.events else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """What one run did."""

    packs_before: int
    packs_after: int
    bytes_before: int
    bytes_after: int
    stale_files: int
    seconds: float


def is_due(repo: GitRepo) -> bool:
    """Whether enough packs have come together; costs one listing of a folder."""
    folder = repo.objects_dir / "pack"
    names = os.listdir(folder) if folder.is_dir() else ()  # noqa: PTH208  # there may be 10,000
    return sum(name.endswith(".idx") - name.endswith(".keep") for name in names) > PACKS_LIMIT


def run(
    repo: GitRepo,
    *,
    now: float,
    stop: threading.Event | None = None,
) -> Maintained:
    """Join packs, renew the commit graph, remove stale files.

    `stop` ends the git process that is under way, and what it started, within a second.
    Safe while the writer and any number of readers are at work.
    """
    started = time.monotonic()
    before = pack_joining.packs(repo)
    bytes_before = _size(before)
    stale = _remove_stale(repo, now)
    while pack_joining.join(repo, stop=stop) == pack_joining.AT_ONCE:
        continue
    repo.release_packs()
    _write_graph(repo, stop)
    after = pack_joining.packs(repo)
    seconds = time.monotonic() - started
    note(repo, {"at": now, "seconds": round(seconds, 3)})
    return Maintained(
        packs_before=len(before),
        packs_after=len(after),
        bytes_before=bytes_before,
        bytes_after=_size(after),
        stale_files=stale,
        seconds=seconds,
    )


def stats(repo: GitRepo, branch: str = "status", *, tip: CommitId | None = None) -> Stats:
    """Count; the events are read from the status files of a tip of the status branch."""
    packs = pack_joining.packs(repo)
    times = noted(repo)
    workflows, events = _count_events(repo, tip or repo.branch(branch))
    graph = repo.objects_dir / "info"
    return Stats(
        packs=len(packs),
        packed_objects=sum(map(pack_joining.object_count, packs)),
        loose_objects=sum(1 for _ in repo.objects_dir.glob("[0-9a-f][0-9a-f]/*")),
        pack_bytes=_size(packs),
        has_commit_graph=(graph / "commit-graph").exists() or (graph / "commit-graphs").exists(),
        last_maintenance_at=float(times.get("at", 0)),
        last_maintenance_seconds=float(times.get("seconds", 0)),
        workflows=workflows,
        events=events,
    )


def noted(repo: GitRepo) -> dict[str, float]:
    """When something was done last; empty when that is not known."""
    try:
        found = json.loads((repo.own_dir / _NOTE).read_bytes())
        return {str(name): float(value) for name, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def note(repo: GitRepo, times: dict[str, float]) -> None:
    (repo.own_dir / _NOTE).write_text(json.dumps(noted(repo) | times))


def as_dict(found: Stats) -> dict[str, object]:
    return asdict(found) | {"bytes_per_event": round(found.bytes_per_event, 1)}


def _count_events(repo: GitRepo, tip: CommitId | None) -> tuple[int, int]:
    if tip is None:
        return 0, 0
    listing = repo.run("ls-tree", "-r", "-z", "--full-tree", tip, layout.STATUS).decode()
    blobs = [line[12:52] for line in listing.split("\0") if line]
    counts = []
    for content in stream.found_although_damaged(repo.common_dir, blobs):
        with suppress(InvalidInput, ValueError, TypeError, KeyError):  # fsck reports it
            counts.append(int(json_lines.line_of(content or b"", "context")["event_count"]))
    return len(counts), sum(counts)


def _write_graph(repo: GitRepo, stop: threading.Event | None) -> None:
    words = ("commit-graph", "write", "--reachable", "--split", "--no-progress")
    try:
        repo.run(*words, timeout_seconds=HISTORY_SECONDS, stop=stop, is_background=True)
    except GitFailed as failed:
        if ".lock" not in failed.stderr:
            raise
        # Somebody else writes it; or one was killed, and its lock is removed a day later.
        _LOG.info("the commit graph was not updated: %s", failed)


def _size(indexes: list[Path]) -> int:
    """Bytes of packs and their indexes; one that was just joined into another counts 0."""
    size = 0
    for path in (each for index in indexes for each in (index, index.with_suffix(".pack"))):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def _remove_stale(repo: GitRepo, now: float) -> int:
    """Remove what nobody is going to finish: temporary files, locks, keep files."""
    stale = [path for pattern in _STALE for path in repo.objects_dir.glob(pattern)]
    for keep in pack_files.kept_by(repo.objects_dir / "pack", Owner.COMMAND):
        stale += [keep] if keep.with_suffix(".idx").exists() else [keep.with_suffix(".pack"), keep]
    removed = 0
    for path in stale:
        try:
            if now - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed
