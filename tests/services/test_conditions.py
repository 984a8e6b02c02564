"""What keeps a server from its work is named, until it is over."""

from __future__ import annotations

import logging

import pytest

from provisioner.errors import Unavailable
from provisioner.services.conditions import Condition, Conditions

STOPPED = Condition(
    name="status-diverged", message="two histories", hint="tink …", stops_writing=True
)
NOTED = Condition(name="remote-unreachable", message="no answer")


def test_a_condition_holds_until_it_is_cleared(caplog):
    caplog.set_level(logging.INFO)
    changes = []
    conditions = Conditions(lambda: changes.append(1))
    conditions.set(STOPPED)
    conditions.set(NOTED)
    conditions.set(NOTED)
    assert conditions.current == (NOTED, STOPPED)
    conditions.clear(NOTED.name)
    conditions.clear(NOTED.name)
    assert list(conditions.current) == [STOPPED]
    assert len(changes) == 3
    assert [each.message for each in caplog.records] == [
        "status-diverged: two histories (tink …)",
        "remote-unreachable: no answer",
        "remote-unreachable: over",
    ]


def test_a_condition_is_replaced_by_one_of_its_name():
    conditions = Conditions()
    conditions.set(NOTED)
    conditions.set(Condition(name=NOTED.name, message="refused"))
    assert [each.message for each in conditions.current] == ["refused"]


def test_only_a_condition_that_says_so_stops_writing():
    conditions = Conditions()
    conditions.set(NOTED)
    conditions.check_writable()
    conditions.set(STOPPED)
    with pytest.raises(Unavailable, match="two histories"):
        conditions.check_writable()
