"""A disk that refuses to write: the server says so, and goes on by itself when it is over."""

from __future__ import annotations

import http.client
import json
import os

import pytest

from tests.e2e import reporting
from tests.e2e.site import PATIENCE_SECONDS, Site
from tests.store.faults import ALL, ERRORS, Call, Fault, Faults

pytestmark = [pytest.mark.kill]


def readyz(place: Site) -> tuple[int, list[dict[str, str]]]:
    connection = http.client.HTTPConnection(place.address, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told["conditions"]


@pytest.mark.parametrize("number", ERRORS, ids=os.strerror)
def test_the_server_is_not_ready_while_writes_fail_and_is_again_by_itself(place, number):
    faults = Faults(place.folder, place.repository)
    place.environment = dict(faults.environment)
    fleet = reporting.add_fleet(place, 2, workflows_each=20)
    assert readyz(place)[0] == 200
    fleet.start()
    place.await_that(lambda: len(fleet.acknowledged) > 3, "reports to be acknowledged")
    faults.set(Fault(call=Call.EVERY_WRITE, number=number, times=ALL))
    place.await_that(lambda: readyz(place)[0] == 503, "the server to say that it can't write")
    (condition,) = readyz(place)[1]
    assert condition["name"] == "write-failing"
    assert os.strerror(number) in condition["message"]
    fleet.stop()  # nobody reports any more
    faults.take_back()
    place.await_that(lambda: readyz(place)[0] == 200, "the server to find out that it can write")
    reporting.check(place, fleet)
