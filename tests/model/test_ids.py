"""Identifiers: many spellings come in, one is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model import ids


@pytest.mark.parametrize(
    "text",
    [
        "08:00:27:00:00:01",
        "08-00-27-00-00-01",
        "0800.2700.0001",
        "080027000001",
        "8:0:27:0:0:1",
        "08:00:27:00:00:01".upper(),
    ],
)
def test_every_usual_spelling_of_a_mac_is_the_same_mac(text):
    assert ids.parse_mac(text) == "08:00:27:00:00:01"


def test_a_mac_comes_back_in_lower_case():
    assert ids.parse_mac("AA:BB:CC:DD:EE:FF") == "aa:bb:cc:dd:ee:ff"


@pytest.mark.parametrize(
    "text",
    ["", "08:00:27", "08:00:27:00:00:zz", "08:00-27:00:00:01", "192.168.1.5", "-08:00", "8" * 11],
)
def test_what_is_no_mac_is_refused_with_a_hint(text):
    with pytest.raises(ids.InvalidId) as refusal:
        ids.parse_mac(text)
    assert "08:00:27:00:00:01" in refusal.value.hint


@pytest.mark.parametrize(
    "text", ["08:00:27:00:00:01:02:03", "01:" * 19 + "02", "0102.0304.0506.0708"]
)
def test_eui64_and_infiniband_addresses_are_macs_as_for_classic_tink(text):
    assert ids.parse_mac(text)


def test_an_ipv6_address_has_one_short_spelling():
    assert ids.parse_ip("2001:DB8:0:0::1") == "2001:db8::1"


@pytest.mark.parametrize("text", ["", "192.168.1", "192.168.01.5", "fe80::1/64", "host"])
def test_what_is_no_ip_address_is_refused(text):
    with pytest.raises(ids.InvalidId):
        ids.parse_ip(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "--help",
        "0eba0bf837724b4aab9f6ebe93b90a94",
        "{0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94}",
    ],
)
def test_only_the_usual_spelling_of_a_uuid_is_an_id(text):
    with pytest.raises(ids.InvalidId):
        ids.parse_uuid(text)


@pytest.mark.parametrize("text", ["-x", "", "a/b", "a b", "a\n", "x" * 129])
def test_a_report_id_cannot_be_an_option_a_path_or_a_line(text):
    with pytest.raises(ids.InvalidId):
        ids.parse_report_id(text)


def test_a_new_workflow_id_is_a_uuid_of_version_7_that_tells_its_time():
    value = UUID(ids.new_workflow_id(1_795_435_200_123, b"\xff" * 10))
    assert value.version == 7
    assert value.variant == "specified in RFC 4122"
    assert value.int >> 80 == 1_795_435_200_123


def test_a_minted_id_goes_to_the_folder_of_its_day():
    workflow = ids.new_workflow_id(1_795_435_200_123, bytes(9) + b"\xa8")
    assert ids.shard(workflow) == "2026/11/23/a8"


@settings(deadline=None)
@given(st.integers(0, 200_000_000_000_000), st.binary(min_size=10, max_size=10))
def test_the_folder_is_of_the_day_in_utc_in_any_spelling(milliseconds, randomness):
    workflow = ids.new_workflow_id(milliseconds, randomness)
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert ids.shard(workflow) == f"{day:%Y/%m/%d}/{workflow[-2:]}"
    shouted = ids.WorkflowId(workflow.upper())
    assert ids.shard(shouted) == f"{day:%Y/%m/%d}/{shouted[-2:]}"


def test_what_is_no_uuid_has_no_folder():
    with pytest.raises(ValueError, match="UUID"):
        ids.shard(ids.WorkflowId("../x"))


def test_any_other_uuid_goes_by_a_hash():
    folder = ids.shard(ids.WorkflowId("a8984b09-566d-47ba-b6c5-fbe482d8ad7f"))
    assert folder.startswith("other/")
    assert len(folder) == len("other/aa/bb")


def test_a_template_keeps_its_id_as_long_as_it_keeps_its_name():
    assert ids.template_id("hello") == ids.template_id("hello")
    assert ids.template_id("hello") != ids.template_id("other")
