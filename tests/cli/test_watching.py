"""`--watch` and `tink hardware watch`: what is new, as it comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from provisioner.cli import watching
from provisioner.cli.options import Where
from provisioner.cli.site import Site
from provisioner.errors import UserError
from tests.cli.repository import EXAMPLES, N1, git
from tests.services.reconciled_site import Site as Reconciled

START_SECONDS = 3.0  # of a program that reads its branch
DEVICES = '{"device_1":"08:00:27:00:00:01"}'


@contextmanager
def watcher(folder, *words):
    """`tink` in a process of its own, that is ended with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "provisioner.cli", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_branch_is_shown_at_once_and_each_time_that_it_moves(home):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            git(home, "commit", "--quiet", "--allow-empty", "-m", "moved")

    with Site.opened(Where(repo=str(home))) as site:
        found = watching.commits(site, lambda: site.desired_commit, sleep=sleep)
        first, second = next(found), next(found)
    assert first != second == git(home, "rev-parse", "main").strip()
    assert waits == [watching.LOOK_SECONDS] * 2


@pytest.mark.waits
def test_a_machine_that_is_pushed_again_is_printed_on_one_line(tink, home):
    text = (EXAMPLES / "hardware" / "n1.yaml").read_text()
    with watcher(home, "hardware", "watch", "n1") as process:
        time.sleep(START_SECONDS)  # a change before its first look is none to it
        piped = text.replace("hostname: n1", "hostname: n1-again")
        assert tink("hardware", "push", piped=piped).code == 0
        found = json.loads(process.stdout.readline())
    assert found["id"] == N1
    assert found["network"]["interfaces"][0]["dhcp"]["hostname"] == "n1-again"


@pytest.mark.waits
def test_events_are_printed_as_they_come_until_the_workflow_has_ended(tink, home):
    assert tink("workflow", "create", "-t", "hello_world_workflow", "-r", DEVICES).code == 0
    server = Reconciled(SimpleNamespace(path=home))
    try:
        server.reconciler.reconcile()
        [workflow] = tink("workflow", "list", "--quiet").out.split()
        with watcher(home, "workflow", "events", "--watch", workflow) as process:
            time.sleep(START_SECONDS)
            [path] = (home / "workflows").glob("*.yaml")
            assert tink("workflow", "delete", workflow).code == 0
            server.reconciler.reconcile()
            line = process.stdout.readline()
            assert process.wait(20) == 0
    finally:
        server.stop()
    assert f"{path.relative_to(home)} was deleted" in line


def test_a_remote_url_is_not_watched(tink, home, tmp_path):
    git(home, "clone", "--quiet", "--mirror", str(home), str(tmp_path / "forge.git"))
    where = Where(repo=f"file://{tmp_path}/forge.git")
    with Site.opened(where) as site, pytest.raises(UserError, match="is fetched once"):
        next(watching.commits(site, lambda: site.desired_commit))


@pytest.mark.parametrize(
    "words", [("hardware", "list"), ("template", "list"), ("workflow", "list"), ("validate",)]
)
def test_where_classic_tink_asks_its_server_may_be_said_and_means_nothing(tink, home, words):
    flags = ("--tinkerbell-cert-url", "http://x/cert", "--tinkerbell-grpc-authority", "x:42113")
    plain = tink(*words)
    assert tink(*words, *flags) == tink(*flags, *words) == plain
