"""Whatever ends a round, and whatever the clock says: what was acknowledged is recovered."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.git.commit import FileChange
from provisioner.git.repo import GitRepo
from provisioner.store.journal import file
from provisioner.store.journal.file import JournalFile
from provisioner.store.writer.pack_sink import PackSink
from tests.store import sites

STATUS, STAGING = "refs/heads/status", "refs/heads/staging"
SMALL_BYTES = 64 * 1024  # of a journal file here: turns, and batches that don't fit


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One start of a writer: batches of these sizes, then its end.

    `end` is clean, a kill in mid-record after this share of its bytes, or a power cut that
    takes back all that nobody synced.
    """

    ref: str
    clock: int
    sizes: list[int]
    end: str
    share: float = 0.0


def rounds() -> st.SearchStrategy[list[Round]]:
    small = st.integers(0, 300)  # one block each, so that records of two rounds lie side by side
    size = st.one_of(small, small, small, st.integers(0, 30_000), st.just(2 * SMALL_BYTES))
    one = st.builds(
        Round,
        ref=st.sampled_from([STATUS, STATUS, STATUS, STAGING]),
        clock=st.integers(0, 4_000_000_000),
        sizes=st.lists(size, max_size=7),
        end=st.sampled_from(["clean", "kill", "cut"]),
        # Nothing and all of it are the ends that leave an older round's record right behind.
        share=st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1)),
    )
    return st.lists(one, min_size=1, max_size=6)


@dataclass
class Site:
    """A repository, what was acknowledged by ref, and what may be there besides."""

    repo: GitRepo
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: {STATUS: [], STAGING: []})
    count: int = 0

    def play(self, it: Round, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "time", lambda: float(it.clock))
        monkeypatch.setattr(time, "time_ns", lambda: it.clock * 10**9)
        packs = self.repo.objects_dir / "pack"
        sink = PackSink(self.repo, it.ref)
        self.check()
        tips, synced = self.repo.refs("refs/heads/"), set(packs.iterdir())
        for size in it.sizes:
            self.write(sink, size)
            self.acknowledged[it.ref].append(f"{self.count:06d}")
        if it.end == "clean":
            sink.close()
            return
        with monkeypatch.context() as patch:
            patch.setattr(JournalFile, "append", _torn(it.share))
            with pytest.raises(Killed):
                self.write(sink, 100)
        _die(sink)
        if it.end == "cut" and not any(size > SMALL_BYTES for size in it.sizes):
            for path in set(packs.iterdir()) - synced:
                path.unlink()
            for ref in (STATUS, STAGING):
                (self.repo.common_dir / ref).unlink(missing_ok=True)
                if ref in tips:
                    (self.repo.common_dir / ref).write_text(f"{tips[ref]}\n")

    def write(self, sink: PackSink, size: int) -> None:
        self.count += 1
        change = FileChange(path=f"{self.count:06d}", content=os.urandom(size))
        staged = sink.stage((change,), "a batch\n", at_seconds=1)
        sink.begin(staged)
        sink.sync(staged)
        sink.end(staged)

    def check(self) -> None:
        """Each ref holds what was acknowledged, in order, and at most the last one besides."""
        for ref, wanted in self.acknowledged.items():
            tip = self.repo.resolve(ref)
            found = [] if tip is None else self.repo.tree(self.repo.commit(tip).tree)
            names = [each.name.decode() for each in found]
            assert names[: len(wanted)] == wanted
            assert len(names) <= len(wanted) + 1
            self.acknowledged[ref] = names


def _torn(share: float) -> object:
    def append(self: JournalFile, blocks: bytes) -> None:
        os.pwrite(self.handle, blocks[: int(len(blocks) * share)], self._at)
        raise Killed

    return append


def _die(sink: PackSink) -> None:
    """Let go of what a process that ends lets go of."""
    if sink._journal.current is not None:
        sink._journal.current.abandon()
    sink._files.close()


@contextmanager
def a_site() -> Iterator[Site]:
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(dir=place))
    try:
        with closing(sites.empty(folder / "repo")) as repo:
            yield Site(repo)
    finally:
        shutil.rmtree(folder)


@settings(
    max_examples=400 if os.environ.get("TINK_SLOW") else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(played=rounds())
def test_any_rounds_recover_what_was_acknowledged(played, monkeypatch):
    monkeypatch.setattr(file, "SIZE_BYTES", SMALL_BYTES)
    with a_site() as site:
        for each in played:
            site.play(each, monkeypatch)
        PackSink(site.repo, STATUS).close()
        site.check()
        sites.fsck(site.repo.git_dir)
