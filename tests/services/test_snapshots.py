"""Who is woken when something changes."""

from __future__ import annotations

from provisioner.services.snapshots import Snapshots
from tests.builders import IPS, MACS, ONE, TWO, record, status
from tests.services.parts import FIRST


def counted():
    calls: list[int] = []
    return calls, lambda: calls.append(1)


def test_a_change_wakes_the_machines_of_the_workflow_under_any_of_their_names():
    for name in (ONE, MACS[ONE], IPS[ONE]):
        snapshots = Snapshots()
        calls, wake = counted()
        snapshots.wait([name], wake)
        snapshots.swap_status(status(record(ONE, workflow=FIRST)), [FIRST])
        assert calls == [1]


def test_others_sleep_on():
    snapshots = Snapshots()
    calls, wake = counted()
    snapshots.wait([MACS[TWO]], wake)
    snapshots.swap_status(status(record(ONE, workflow=FIRST)), [FIRST])
    assert calls == []
    assert snapshots.waiting_count() == 1


def test_who_waits_under_two_names_is_woken_once():
    snapshots = Snapshots()
    calls, wake = counted()
    snapshots.wait([ONE, MACS[ONE]], wake)
    snapshots.swap_status(status(record(ONE, workflow=FIRST)), [FIRST])
    assert calls == [1]


def test_who_has_stopped_waiting_is_forgotten():
    snapshots = Snapshots()
    calls, wake = counted()
    snapshots.wait([ONE], wake)()
    snapshots.swap_status(status(record(ONE, workflow=FIRST)), [FIRST])
    assert calls == []
    assert snapshots.waiting_count() == 0


def test_closing_sends_everybody_home_also_those_who_come_later():
    snapshots = Snapshots()
    calls, wake = counted()
    snapshots.wait([ONE], wake)
    snapshots.close()
    snapshots.wait([TWO], wake)
    assert calls == [1, 1]
    assert snapshots.is_closed
