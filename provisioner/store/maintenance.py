"""How the repository stays small and quick to read while it is being written.

Each group is a pack of its own.  A geometric repack joins the small ones now and then,
and rarely the large ones; an index over all packs and a commit graph keep reading quick.
`git gc` is never used: it packs refs away below a running writer.
"""

from __future__ import annotations

import json
import struct
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.store import durable, git_stream, json_lines, layout
from provisioner.store.repo import GitRepo

PACKS_LIMIT = 64  # a read looks into each of them: 4.5 ms at 100 packs, 18 at 2,000
_STALE_SECONDS = 24 * 3600  # whoever wrote such a temporary file is gone
_REPACK_SECONDS = 3600
_STALE = ("tmp_*", ".tmp-*")
_NOTE = "maintenance.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What `tink status-branch stats` prints; `last_maintenance_at` is 0 for never."""

    packs: int
    packed_objects: int
    loose_objects: int
    pack_bytes: int
    has_multi_pack_index: bool
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
    return len(_packs(repo)) > PACKS_LIMIT


def run(
    repo: GitRepo,
    *,
    now: float,
    stop: threading.Event | None = None,
) -> Maintained:
    """Join packs, renew their common index and the commit graph, remove stale files.

    `stop` ends the git process that is under way, and what it started, within a second.
    Safe while the writer and any number of readers are at work.
    """
    started = time.monotonic()
    before = _packs(repo)
    bytes_before = _size(before)
    stale = _remove_stale(repo, now)
    words = ("repack", "--quiet", "--geometric=2", "-d", "--write-midx", "--no-write-bitmap-index")
    repo.run(*words, timeout_seconds=_REPACK_SECONDS, stop=stop, is_background=True)
    graph_words = ("commit-graph", "write", "--reachable", "--split", "--no-progress")
    repo.run(*graph_words, timeout_seconds=_REPACK_SECONDS, stop=stop, is_background=True)
    durable.sync(repo.objects_dir / "pack")
    after = _packs(repo)
    seconds = time.monotonic() - started
    note = {"at": now, "seconds": round(seconds, 3)}
    (repo.own_dir / _NOTE).write_text(json.dumps(note))
    return Maintained(
        packs_before=len(before),
        packs_after=len(after),
        bytes_before=bytes_before,
        bytes_after=_size(after),
        stale_files=stale,
        seconds=seconds,
    )


def stats(repo: GitRepo, branch: str = "status") -> Stats:
    """Count; the events are read from the status files of the tip."""
    packs = _packs(repo)
    try:
        note = json.loads((repo.own_dir / _NOTE).read_bytes())
    except (OSError, ValueError):
        note = {}
    workflows, events = _count_events(repo, branch)
    graph = repo.objects_dir / "info"
    return Stats(
        packs=len(packs),
        packed_objects=sum(map(_object_count, packs)),
        loose_objects=sum(1 for _ in repo.objects_dir.glob("[0-9a-f][0-9a-f]/*")),
        pack_bytes=_size(packs),
        has_multi_pack_index=(repo.objects_dir / "pack/multi-pack-index").exists(),
        has_commit_graph=(graph / "commit-graph").exists() or (graph / "commit-graphs").exists(),
        last_maintenance_at=float(note.get("at", 0)),
        last_maintenance_seconds=float(note.get("seconds", 0)),
        workflows=workflows,
        events=events,
    )


def as_dict(found: Stats) -> dict[str, object]:
    return asdict(found) | {"bytes_per_event": round(found.bytes_per_event, 1)}


def _count_events(repo: GitRepo, branch: str) -> tuple[int, int]:
    tip = repo.branch(branch)
    if tip is None:
        return 0, 0
    listing = repo.run("ls-tree", "-r", "-z", "--full-tree", tip, layout.STATUS).decode()
    blobs = [line[12:52] for line in listing.split("\0") if line]
    contents = git_stream.objects(repo.common_dir, blobs)
    counts = [json_lines.line_of(each.content, "context")["event_count"] for each in contents]
    return len(counts), sum(counts)


def _packs(repo: GitRepo) -> list[Path]:
    return list((repo.objects_dir / "pack").glob("pack-*.idx"))


def _size(indexes: list[Path]) -> int:
    """Bytes of packs and their indexes; one that was just joined into another counts 0."""
    size = 0
    for path in (each for index in indexes for each in (index, index.with_suffix(".pack"))):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def _object_count(index: Path) -> int:
    """The last entry of the index's fan-out table."""
    try:
        with index.open("rb") as file:
            file.seek(8 + 255 * 4)
            (count,) = struct.unpack(">L", file.read(4))
            return int(count)
    except FileNotFoundError:
        return 0


def _remove_stale(repo: GitRepo, now: float) -> int:
    """Remove temporary files that nobody is going to finish."""
    removed = 0
    for folder in (repo.objects_dir, repo.objects_dir / "pack"):
        for pattern in _STALE:
            for path in folder.glob(pattern):
                try:
                    if now - path.stat().st_mtime > _STALE_SECONDS:
                        path.unlink()
                        removed += 1
                except FileNotFoundError:
                    continue
    return removed
