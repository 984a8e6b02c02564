"""What the server acknowledged is there after `kill -9`, once, whatever the moment."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from tests.e2e import reporting
from tests.e2e.reporting import Machine
from tests.e2e.site import Site, action, mac, template

IS_SLOW = bool(os.environ.get("TINK_SLOW"))
ROUNDS = 200 if IS_SLOW else 20
MACHINES = 64 if IS_SLOW else 12
WORKFLOWS_EACH = 40 if IS_SLOW else 12

pytestmark = [pytest.mark.kill, pytest.mark.timeout(3600 if IS_SLOW else 280)]


def test_kill_minus_nine_at_random_moments_loses_nothing_and_doubles_nothing(place: Site) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    fleet = reporting.add_fleet(place, MACHINES, workflows_each=WORKFLOWS_EACH)
    fleet.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.02, 0.6))
            place.kill(place.server)
            place.serve()
    finally:
        fleet.stop()
    place.kill(place.server)
    place.serve()  # what was cut off is made whole at the start
    print(f"{len(fleet.acknowledged)} reports acknowledged")
    assert len(fleet.acknowledged) > ROUNDS, "the load was real"
    reporting.check(place, fleet)


def test_a_status_branch_moved_by_someone_else_is_followed(place: Site) -> None:
    files = {"templates__one": template("one", (1, [action("a0", "true", "busybox")]))}
    place.commit("Add a template", **files)
    place.serve()
    first, second = (place.create("one", device_1=mac(1)) for _ in range(2))
    place.await_state(second, "STATE_PENDING")
    machine = Machine(1, [first], place.address)
    stop = threading.Event()
    machine.tell(first, 0, "STATE_RUNNING", stop)
    tip = place.git("rev-parse", "status").strip()
    foreign = place.git("commit-tree", "-p", tip, "-m", "somebody was here", f"{tip}^{{tree}}")
    place.git("update-ref", "refs/heads/status", foreign.strip(), tip)
    machine.tell(first, 0, "STATE_SUCCESS", stop)
    assert place.state(first) == "STATE_SUCCESS"
    assert place.state(second) == "STATE_PENDING"
    assert foreign.strip() in place.git("rev-list", "status"), "nobody's commit is thrown away"
    assert len(machine.acknowledged) == 2
    place.tink("fsck")
