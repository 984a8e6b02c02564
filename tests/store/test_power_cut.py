"""The power fails at any moment, in mid-commit too: what was acknowledged is there after."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model.ids import ReportId
from provisioner.store.fsck import fsck
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import load, power, sites
from tests.store.power import Disk

CUTS = 20


class Heard:
    """The acknowledgements of a running load, as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._pipe = process.stdout
        self._ids: list[ReportId] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def so_far(self) -> list[ReportId]:
        return list(self._ids)

    def end(self) -> None:
        self._thread.join()

    def _listen(self) -> None:
        assert self._pipe is not None
        for line in self._pipe:
            self._ids.append(ReportId(line.strip()))


def cut_while_writing(disk: Disk, sink: str) -> list[tuple[Path, list[ReportId]]]:
    """Return images of the disk, each with what had been acknowledged before."""
    chance = random.Random(f"{sink} {disk.image}")
    words = [sys.executable, "-m", "tests.store.load", str(disk.folder / "repo"), sink, "1"]
    cuts = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        heard = Heard(process)
        while not heard.so_far():
            assert process.poll() is None, "the load ended by itself"
            time.sleep(0.01)
        for number in range(CUTS):
            time.sleep(chance.uniform(0.02, 0.3))
            acknowledged = heard.so_far()
            cuts.append((disk.cut(f"cut-{number}.img"), acknowledged))
        process.kill()
        heard.end()
    return cuts


@pytest.mark.kill
@pytest.mark.timeout(900)
@pytest.mark.parametrize("sink", ["journal", "files"])
@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_every_acknowledged_report_survives_a_power_cut(tmp_path, kind, sink):
    if reason := power.why_not(kind):
        pytest.skip(reason)
    with power.disk(kind, tmp_path) as image:
        with power.mounted(image, tmp_path / "live") as folder:
            sites.bare(folder / "repo").close()
            subprocess.run(["sync", "-f", str(folder)], check=True)
            cuts = cut_while_writing(Disk(image=image, folder=folder), sink)
        assert len(cuts[-1][1]) > 100, "too little was written to prove anything"
        for cut, acknowledged in cuts:
            with power.mounted(cut, tmp_path / "after") as folder:
                look_after(folder / "repo", sink, acknowledged)
            cut.unlink()


def look_after(repo_path: Path, sink: str, acknowledged: list[ReportId]) -> None:
    if sink == "files":
        # Nothing needs a repair: a plain reader finds it whole.
        sites.fsck(repo_path)
    with closing(GitRepo(repo_path)) as repo:
        with closing(StatusWriter(repo, make_sink=load.SINKS[sink])) as writer:
            load.check(repo, writer.view, acknowledged)
            number = len(writer.view.workflows)
            assert sites.result(writer.propose(sites.create(sites.record(number)))).changes
        assert fsck.check(repo).problems == ()
    sites.fsck(repo_path)
