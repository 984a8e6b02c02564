"""Hints: quick when they come, never needed."""

from __future__ import annotations

import threading
import time

import pytest

from provisioner.services.watcher import RefWatcher

pytestmark = pytest.mark.waits
LONG = 20.0  # seconds that no test here takes when hints work


@pytest.fixture
def watcher(site):
    opened = RefWatcher(site.path / ".git", "main")
    yield opened
    opened.close()


def hinted(watcher):
    began = time.monotonic()
    watcher.wait(LONG)
    return time.monotonic() - began < LONG / 2


def test_a_commit_is_hinted_at(site, watcher):
    site("commit", "-q", "--allow-empty", "-m", "one")
    assert hinted(watcher)


def test_packed_refs_are_hinted_at(site, watcher):
    site("pack-refs", "--all")
    assert hinted(watcher)


def test_who_waits_can_be_woken(watcher):
    threading.Timer(0.05, watcher.wake).start()
    assert hinted(watcher)


def test_reading_and_other_branches_are_no_hint(site, watcher):
    site("branch", "other")
    site("log", "-1", "main")
    (site.path / ".git/refs/heads/main").read_text()
    began = time.monotonic()
    watcher.wait(0.3)
    assert time.monotonic() - began >= 0.3


def test_a_branch_in_a_folder_that_is_not_there_yet_is_hinted_at(site):
    watcher = RefWatcher(site.path / ".git", "team/main")
    try:
        site("branch", "team/main")
        assert hinted(watcher)
    finally:
        watcher.close()


def test_without_hints_the_wait_just_ends(site):
    watcher = RefWatcher(site.path / ".git", "main")
    watcher.close()
    site("commit", "-q", "--allow-empty", "-m", "one")
    watcher.wait(0.01)


def test_hints_go_on_while_another_branch_moves_all_the_time(site, watcher):
    commits = site("rev-parse", "main").split()
    for _ in range(60):
        site("update-ref", "refs/heads/other", commits[0])
        site("update-ref", "-d", "refs/heads/other")
    site("commit", "-q", "--allow-empty", "-m", "one")
    assert hinted(watcher)
    watcher.wait(2)  # nothing moves any more: it is watched again
    site("commit", "-q", "--allow-empty", "-m", "two")
    assert hinted(watcher)


def test_a_commit_is_hinted_at_also_behind_a_file_that_left_the_folder(site, watcher):
    heads = site.path / ".git/refs/heads"
    for number in range(3):
        (heads / "status.lock").write_text("x")
        (heads / "status.lock").rename(site.path / "away")  # as the status ref's spare files do
        site("commit", "-q", "--allow-empty", "-m", str(number))
        commit = site("rev-parse", "main")
        began = time.monotonic()
        while time.monotonic() - began < 0.3:
            watcher.wait(0.3)
            if (heads / "main").read_text() == commit:
                break
        assert time.monotonic() - began < 0.3
