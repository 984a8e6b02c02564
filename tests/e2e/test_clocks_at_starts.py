"""The server's clock is anywhere at each start: what was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.e2e import reporting
from tests.e2e.site import Site
from tests.faketime import FakeClock

IS_SLOW = bool(os.environ.get("TINK_SLOW"))
ROUNDS = 200 if IS_SLOW else 20
SHIFTS = ("+0", "+10h", "-10h", "+1d", "-400d", "+20y")

pytestmark = [pytest.mark.kill, pytest.mark.timeout(3600 if IS_SLOW else 280)]


def test_rounds_with_any_clock_and_any_end_lose_nothing(place: Site) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    clock = FakeClock(place.folder / "clock")
    place.environment = dict(clock.environment)
    fleet = reporting.add_fleet(place, 4, workflows_each=100 if IS_SLOW else 20)
    fleet.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.05, 0.4))
            clock.set(chance.choice(SHIFTS))  # the one that runs sees it too, for a moment
            if chance.random() < 0.5:
                place.kill(place.server)
            else:
                place.end(place.server)
            place.serve()
    finally:
        fleet.stop()
    place.kill(place.server)
    place.serve()
    print(f"{len(fleet.acknowledged)} reports acknowledged")
    assert len(fleet.acknowledged) > 2 * ROUNDS, "the load was real"
    reporting.check(place, fleet)
