"""A real disk that is full, or turns read-only: told so, nothing lost, and it goes on after."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from provisioner.errors import Unavailable
from provisioner.model.state import State
from provisioner.store.fsck import fsck
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.data_writer import NewFile
from provisioner.store.writer.pack_sink import PackSink
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, report, result

pytestmark = pytest.mark.skipif(not sites.is_root(), reason="only root can mount")

DISK = "24m"  # two journals of 4 MB, and little more


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    subprocess.run(words, check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


@pytest.mark.parametrize("journal", [True, False])
def test_a_full_disk_takes_nothing_and_loses_nothing(folder, journal):
    filler = folder / "filler"
    with closing(sites.bare(folder / "repo")) as repo:
        with closing(StatusWriter(repo, make_sink=partial(PackSink, journal=journal))) as writer:
            result(writer.propose(create(sites.record(1), sites.record(2))))
            before = result(writer.propose(report(1, 0, State.RUNNING))).commit
            with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(4096))
            for _ in range(2):
                with pytest.raises(Unavailable, match="No space left on device"):
                    result(writer.propose(report(1, 0, State.SUCCESS, log_tail=bytes(60_000))))
            files = [NewFile(path="a", content=b"a" * 100_000)]
            with (
                pytest.raises(Unavailable, match="No space left on device"),
                writer.write_data_files(files),
            ):
                raise AssertionError("there was room")
            assert repo.branch("status") == writer.view.commit == before
            filler.unlink()
            assert result(writer.propose(report(1, 0, State.SUCCESS))).changes
            assert result(writer.propose(report(2, 0, State.RUNNING))).changes
            sites.same_content(StatusStore(repo).load(), writer.view)
        assert fsck.check(repo).problems == ()
        assert not list((repo.objects_dir / "pack").glob("tink-*"))
    sites.fsck(folder / "repo")


@pytest.mark.parametrize("journal", [True, False])
def test_a_disk_that_turns_read_only_and_back(folder, journal):
    with closing(sites.bare(folder / "repo")) as repo:
        # The journal is open for writing, and no disk with such a file turns read-only
        # when asked: the folder of the refs does it instead.
        heads = repo.common_dir / "refs/heads"
        with closing(StatusWriter(repo, make_sink=partial(PackSink, journal=journal))) as writer:
            before = result(writer.propose(create(sites.record(1)))).commit
            subprocess.run(["mount", "--bind", str(heads), str(heads)], check=True)
            try:
                remount(heads, "bind,ro")
                with pytest.raises(Unavailable, match="Read-only file system"):
                    result(writer.propose(report(1, 0, State.RUNNING)))
                assert repo.branch("status") == before
            finally:
                subprocess.run(["umount", str(heads)], check=True)
            assert result(writer.propose(report(1, 0, State.RUNNING))).changes
    sites.fsck(folder / "repo")
