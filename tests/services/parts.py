"""A clock that is set by hand, and a status branch in memory."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from contextlib import contextmanager

from provisioner.model.ephemeral import DataFile
from provisioner.model.ids import BlobId, CommitId, TreeId, WorkflowId
from provisioner.model.state import State
from provisioner.model.summary import summary_of
from provisioner.model.views import DesiredState, Receipt, Snapshot, StatusView
from provisioner.services.snapshots import Snapshots
from tests import builders
from tests.builders import HELLO, MACS, ONE, TWO
from worker import wire

HARDWARE = """\
id: {id}
network:
  interfaces:
    - dhcp:
        mac: {mac}
        ip:
          address: {ip}
      netboot:
        allow_pxe: true
        allow_workflow: true
"""


def hardware_file(worker=ONE, *, mac="", ip="192.168.1.5"):
    return HARDWARE.format(id=worker, mac=mac or MACS[worker], ip=ip)


def request_file(template="hello_world_workflow", **devices):
    lines = [f'  {name}: "{value}"' for name, value in (devices or {"device_1": MACS[ONE]}).items()]
    return "\n".join([f"template: {template}", "hardware:", *lines, ""])


SITE = {
    "hardware/one.yaml": hardware_file(),
    "hardware/two.yaml": hardware_file(TWO, ip="192.168.1.6"),
    "templates/hello.yaml": HELLO,
}


class HandClock:
    """Has two hands: one that anybody may set, and one that only goes on."""

    def __init__(self, now: float = 1_795_435_200.0) -> None:
        self._now = now
        self._monotonic = 5_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_seconds(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds

    def set_wall(self, seconds: float) -> None:
        """As NTP or an operator does it: by so many seconds, forwards or back."""
        self._now += seconds


class MemoryWriter:
    """Runs each proposal at once; keeps the view in `snapshots`."""

    def __init__(self, view: StatusView | None = None) -> None:
        self.snapshots = Snapshots(Snapshot(desired=DesiredState(), status=view or StatusView()))
        self.followers = []
        self.trees = {}
        self._commits = 0

    @property
    def view(self) -> StatusView:
        return self.snapshots.current.status

    def propose(self, proposal, *, is_bulk=False) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        try:
            changes = proposal(self.view)
        except Exception as error:
            future.set_exception(error)
            return future
        view = builders.after(self.view, changes)
        if changes:
            self._commits += 1
            view = view.at(CommitId(f"{self._commits:040x}"))
            changed = tuple({each.workflow_id for each in changes if hasattr(each, "workflow_id")})
            self.snapshots.swap_status(view, changed)
            for follow in self.followers:
                follow(view, changed)
        future.set_result(Receipt(commit=view.commit, changes=changes, view=view))
        return future

    @contextmanager
    def write_data_files(self, files, *, known):
        kept = tuple(files)
        tree_id = TreeId(hashlib.sha1(repr(kept).encode()).hexdigest())
        self.trees[tree_id] = kept
        yield (
            tree_id,
            tuple(
                DataFile(path=each.path, blob_id=BlobId("b"), size_bytes=len(each.content))
                for each in kept
            ),
        )

    # What is read back from the branch (services.provisioner.StoredFiles):

    def read_data(self, workflow, tree_id):
        return self.trees[tree_id]

    def read_summaries(self, entries):
        return map(summary_of, entries)

    def read_rendered(self, workflow):
        return HELLO

    def read_log(self, workflow, *, action_index, attempt):
        return b"the end\n" if (action_index, attempt) == (0, 1) else None


def told(index, state, *, attempt=1, worker=MACS[ONE], report_id="", **changes):
    """A report as a worker sends it."""
    plain = {
        "task_name": "install",
        "action_name": f"action_{index}",
        "action_index": index,
        "attempt": attempt,
        "action_status": State(state).value,
        "worker": worker,
        "report_id": report_id or f"{index}:{attempt}:{state}",
    }
    return wire.Report(**{**plain, **changes})


FIRST = WorkflowId("0190a5c0-0000-7000-8000-0000000000a1")
SECOND = WorkflowId("0190a5c0-0000-7000-8000-0000000000a2")
