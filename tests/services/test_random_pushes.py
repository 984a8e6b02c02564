"""Pushes, forced ones too, restarts, checkpoints and archiving in any order, on real git.

The rules without git are in planning/test_come_back.py; here the status branch has to know
after each restart what it knew before.
"""

from __future__ import annotations

import os
import random

import pytest

from provisioner.store.desired.acceptance import Acceptance
from provisioner.store.fsck import fsck
from provisioner.store.status import checkpoint
from provisioner.store.upkeep import retention
from tests.builders import MACS, ONE, TWO
from tests.services.parts import SITE, request_file
from tests.services.reconciled_site import Site
from tests.services.test_desired_head import look, names, tip
from tests.store.sites import same_content

ROUNDS = 60 if os.environ.get("TINK_SLOW") else 3
STEPS = 20
PATHS = [f"workflows/{name}.yaml" for name in "abcd"]
CONTENTS = [request_file(device_1=MACS[ONE], number=number) for number in range(3)]
CONTENTS.append(f"id: a8984b09-566d-47ba-b6c5-fbe482d8ad7f\n{CONTENTS[0]}")
# Else the folder would be emptied often, and wait for a person.
STAYS = {"workflows/stays.yaml": request_file(device_1=MACS[TWO])}


def change(site, rng):
    there = [path for path in PATHS if (site.folder / path).exists()]
    match rng.choice(["write", "rename", "delete", "take back"]):
        case "write":
            (site.folder / rng.choice(PATHS)).write_text(rng.choice(CONTENTS))
        case "rename" if there:
            (site.folder / rng.choice(there)).rename(site.folder / rng.choice(PATHS))
        case "delete" if there:
            (site.folder / rng.choice(there)).unlink()
        case "take back":
            past = site.git("rev-list", "main").split()[:5]
            site.git("restore", "--source", rng.choice(past[:-1] or past), "workflows")


def push(site, rng, message):
    for _ in range(rng.choice((1, 1, 2, 3))):
        change(site, rng)
    site.git("add", "--all")
    site.git("commit", "-q", "--allow-empty", "-m", message)
    if rng.random() < 0.1 and len(site.git("rev-list", "main").split()) > 3:
        site.git("reset", "-q", "--hard", "HEAD~1")


def pause(site, rng):
    """What happens to a server between two pushes."""
    match rng.choice(["nothing", "restart", "checkpoint", "archive", "nothing"]):
        case "restart":
            site.restart()
        case "checkpoint":
            checkpoint.save(site.writer.store)
        case "archive":
            retention.run(site.writer, ended_before="9999", at_seconds=1_795_435_300)
    look(site)
    same_content(site.status, site.writer.store.load())


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_runs_twice_whatever_is_pushed_between_restarts(site, seed):
    rng = random.Random(seed)
    site = Site(site)
    try:
        site.commit({**SITE, **STAYS})
        ran = set()
        for step in range(STEPS):
            push(site, rng, f"push {step}")
            known = set(site.status.workflows)
            look(site)
            if names(site):
                Acceptance(site.repo, "main").accept(tip(site))
                look(site)
                assert not names(site)
            files = [(site.folder / path) for path in PATHS]
            contents = [path.read_text() for path in files if path.exists()]
            for workflow in site.status.workflows.keys() - known:
                path = site.status.workflows[workflow].record.request_path
                content = (site.folder / path).read_text()
                assert content not in ran or contents.count(content) > 1
                ran.add(content)
            pause(site, rng)
        assert not fsck.check(site.repo).problems
    finally:
        site.stop()
