"""All parts of a server together: they start, they work, they end."""

from __future__ import annotations

import signal
import threading
import time
from functools import partial

import pytest

from provisioner import wiring
from provisioner.cli import main
from provisioner.config import ServerSettings
from provisioner.errors import TinkError, UserError
from provisioner.model.state import State
from provisioner.store.guard.begin import NoStatusBranch
from provisioner.store.upkeep import upkeep
from provisioner.store.upkeep.upkeep import Upkeep
from tests.builders import MACS, ONE
from tests.services.parts import SITE, request_file, told

pytestmark = pytest.mark.waits
A, B = "workflows/a.yaml", "workflows/b.yaml"


class QuietFace:
    """Answers nobody; notes that it was closed."""

    def __init__(self, provisioner, settings):
        self.provisioner = provisioner
        self.is_closed = False

    def close(self):
        self.is_closed = True


def commit(git, files, gone=()):
    for path, text in files.items():
        target = git.path / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    for path in gone:
        (git.path / path).unlink()
    git("add", "--all")
    git("commit", "-q", "-m", "change")


def own_threads():
    """All but the timers that bound git processes: they end a moment after these."""
    return {each for each in threading.enumerate() if not isinstance(each, threading.Timer)}


@pytest.fixture
def serving():
    """Start servers; all are closed in the end, and no thread may be left."""
    before = own_threads()
    started = []

    def start(repo, **settings):
        options = {"host": "127.0.0.1", "port": 0, "poll_seconds": 0.1, "fetch_seconds": 0.2}
        server = wiring.Server(ServerSettings(repo=str(repo), **{**options, **settings}), QuietFace)
        started.append(server)
        assert server.reconciler.is_ready.wait(20)
        return server

    yield start
    for each in started:
        each.close()
        assert isinstance(each.face, QuietFace) and each.face.is_closed
    assert own_threads() == before


@pytest.fixture
def waiting_for():
    def wait(holds):
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, "it did not come in twenty seconds"
            time.sleep(0.02)

    return wait


def wait_for_work(server, worker=MACS[ONE]):
    """Wait as a long poll does."""
    woken = threading.Event()
    stop = server.provisioner.snapshots.wait(
        server.provisioner.queries().names_of(worker), woken.set
    )
    try:
        for _ in range(200):
            due = server.provisioner.queries().offer(worker)
            if due is not None:
                return due
            woken.wait(0.1)
    finally:
        stop()
    raise AssertionError("no work came in twenty seconds")


def test_a_commit_becomes_work_for_a_machine_and_its_report_a_commit(site, serving):
    commit(site, SITE)
    server = serving(site.path)
    assert server.provisioner.is_ready()
    commit(site, {A: request_file()})
    due = wait_for_work(server)
    report = told(0, State.RUNNING, task_name=due.action.task_name, action_name=due.action.name)
    receipt = server.provisioner.reports.report(due.record.id, report).result(20)
    assert site("rev-parse", "status").strip() == receipt.commit
    assert receipt.view.workflows[due.record.id].context.state is State.RUNNING


def test_another_history_waits_until_it_is_accepted_beside_the_server(site, serving, waiting_for):
    commit(site, SITE | {A: request_file()})
    server = serving(site.path)
    due = wait_for_work(server)
    site("checkout", "-q", "--orphan", "fresh")
    commit(site, {B: request_file(device_1=MACS[ONE], another="yes")}, gone=[A])
    site("branch", "-q", "-M", "fresh", "main")
    conditions = server.provisioner.conditions
    waiting_for(lambda: [each.name for each in conditions.current] == ["desired-not-accepted"])
    assert wait_for_work(server).record.id == due.record.id
    assert main.run(["--repo", str(site.path), "accept", "main"]) == 0
    waiting_for(lambda: not conditions.current)
    assert wait_for_work(server).record.id != due.record.id


def test_what_ended_long_ago_is_archived_when_the_settings_say_so(site, serving, monkeypatch):
    monkeypatch.setattr(wiring, "Upkeep", partial(Upkeep, interval_seconds=0.05))
    monkeypatch.setattr(upkeep, "RETENTION_SECONDS", 0.1)
    commit(site, SITE | {A: request_file()})
    server = serving(site.path, archive_after_days=1e-9)
    due = wait_for_work(server)
    for state in (State.RUNNING, State.SUCCESS):
        action = {"task_name": due.action.task_name, "action_name": due.action.name}
        report = told(0, state, **action)
        server.provisioner.reports.report(due.record.id, report).result(20)
    moved = f"{due.record.id}/record.json"
    waited = threading.Event()
    for _ in range(200):
        refs = site("for-each-ref", "--format=%(refname:short)", "refs/heads/").split()
        if "status-archive" in refs and moved not in site("ls-tree", "-r", "status"):
            break
        waited.wait(0.1)
    assert moved in site("ls-tree", "-r", "status-archive")
    commit(site, {B: request_file()})  # it is known that the first was run
    assert wait_for_work(server).record.id != due.record.id
    assert len(server.provisioner.snapshots.current.status.workflows) == 2


def test_a_second_server_on_one_repository_is_refused_and_leaves_nothing(site, serving):
    commit(site, SITE)
    serving(site.path)
    before = own_threads()
    with pytest.raises(TinkError):
        serving(site.path)
    assert own_threads() == before


def test_a_face_that_does_not_open_ends_all_the_rest(site):
    commit(site, SITE)
    before = own_threads()

    def broken(provisioner, settings):
        raise UserError("the port is taken")

    with pytest.raises(UserError):
        wiring.Server(ServerSettings(repo=str(site.path)), broken)
    assert own_threads() == before


def test_what_runs_out_of_time_while_nobody_talks_is_ended(site, serving):
    hasty = SITE["templates/hello.yaml"].replace("600", "1").replace("60\n", "1\n")
    commit(site, {**SITE, "templates/hello.yaml": hasty, A: request_file()})
    server = serving(site.path, grace_seconds=0.1)
    due = wait_for_work(server)
    report = told(0, State.RUNNING, task_name=due.action.task_name, action_name=due.action.name)
    server.provisioner.reports.report(due.record.id, report).result(20)
    ended = threading.Event()
    stop = server.provisioner.snapshots.wait([ONE], ended.set)
    assert ended.wait(20)
    stop()
    assert server.provisioner.queries().workflow(due.record.id).context.state is State.TIMEOUT


def test_a_server_never_begins_a_status_branch_by_itself(site):
    commit(site, {**SITE, A: request_file()})
    site("update-ref", "-d", "refs/heads/status")
    with pytest.raises(NoStatusBranch) as refused:
        wiring.Server(ServerSettings(repo=str(site.path), fetch_seconds=0), QuietFace)
    assert refused.value.hint.endswith(f"tink --repo {site.path} status-branch begin")
    assert site("for-each-ref", "refs/heads/status") == ""


def test_serve_runs_until_it_is_told_to_stop(site):
    commit(site, SITE)
    stop = threading.Event()
    seen = []

    def ready(server):
        seen.append(server)
        stop.set()

    wiring.serve(ServerSettings(repo=str(site.path)), QuietFace, ready=ready, stop=stop, signals=())
    assert seen[0].face.is_closed


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order_and_is_then_pythons_again(site, name):
    commit(site, SITE)
    before = signal.getsignal(name)
    seen = []

    def ready(server):
        seen.append(server)
        signal.raise_signal(name)

    wiring.serve(ServerSettings(repo=str(site.path)), QuietFace, ready=ready)
    assert seen[0].face.is_closed
    assert signal.getsignal(name) is before


def test_a_deleted_request_cancels_the_run_while_serving(site, serving):
    commit(site, {**SITE, A: request_file()})
    server = serving(site.path)
    due = wait_for_work(server)
    report = told(0, State.RUNNING, task_name=due.action.task_name, action_name=due.action.name)
    server.provisioner.reports.report(due.record.id, report).result(20)
    commit(site, {}, gone=[A])
    for _ in range(200):
        verdict = server.provisioner.queries().verdict(
            due.record.id, ONE, action_index=0, attempt=1
        )
        if verdict.cancel:
            break
        threading.Event().wait(0.1)
    assert verdict.reason == "the workflow was deleted"
