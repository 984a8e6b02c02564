"""Two files that claim one address: whoever had it first keeps it."""

from __future__ import annotations

import pytest

from tests.builders import MACS, ONE, TWO
from tests.services.parts import SITE, hardware_file
from tests.services.reconciled_site import Site


@pytest.fixture
def site(site):
    opened = Site(site)
    yield opened
    opened.stop()


@pytest.mark.parametrize("is_down", [False, True])
def test_of_two_files_that_claim_one_address_the_newcomer_is_refused_whatever_its_name(
    site, is_down
):
    """Also where nobody has seen the commits one by one."""
    files = {path: text for path, text in SITE.items() if path != "hardware/two.yaml"}
    if is_down:
        site.commit(files)
        site.stop()
    else:
        site.write(files)
    thief = hardware_file(TWO, mac=MACS[ONE], ip="192.168.1.7")
    site.write({"hardware/a.yaml": thief})
    site.write({"hardware/one.yaml": "# described\n" + SITE["hardware/one.yaml"]})
    if is_down:
        site.start()
    outcome = site.reconciler.reconcile()
    assert [(each.path, each.code) for each in outcome.report.problems] == [
        ("hardware/a.yaml", "hardware.mac-taken")
    ]
    assert site.snapshots.current.desired.hardware_by_mac[MACS[ONE]] == ONE


def test_the_owner_of_an_address_keeps_it_when_its_file_and_a_newcomer_change_in_one_commit(
    site,
):
    site.commit(SITE)
    other = "    - dhcp: {mac: '08:00:27:00:00:77', ip: {address: 192.168.1.77}}\n"
    more = SITE["hardware/two.yaml"] + other
    thief = hardware_file("33333333-3333-4333-8333-333333333333", mac=MACS[TWO], ip="192.168.1.9")
    outcome = site.commit({"hardware/two.yaml": more, "hardware/a.yaml": thief})
    assert [each.path for each in outcome.report.problems] == ["hardware/a.yaml"]
