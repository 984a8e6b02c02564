"""Which workflow writes an operating system to which machine's disk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.model import known_images
from provisioner.model.known_images import installed_machines
from tests import builders
from tests.builders import MACS, ONE, TWO, hardware, request, template
from tests.planning.test_planner import Site

TEXT = """\
version: "0.1"
name: install
{top}tasks:
  - name: first
    worker: {{{{.device_1}}}}
    {first}actions:
      - {{name: a, image: {image}}}
      - {{name: b, image: reboot}}
  - name: second
    worker: {{{{.device_2}}}}
    {second}actions:
      - {{name: c, image: cexec}}
"""
DISK = "quay.io/tinkerbell-actions/image2disk:v1.0.0"
TRUE, FALSE = "installs_os: true\n", "installs_os: false\n"


def record_of(top="", first="", second="", image="alpine", **changes):
    indented = [each + "    " if each else "" for each in (first, second)]
    text = TEXT.format(top=top, first=indented[0], second=indented[1], image=image)
    devices: dict[str, Any] = {"device_1": MACS[ONE], "device_2": MACS[TWO]}
    wish = request(template="install", devices=devices, **changes)
    machines = (hardware(ONE), hardware(TWO))
    site = Site(*machines, template(text, name="install"), wish)
    (created,) = site.plan.creations
    return created.record


@pytest.mark.parametrize(
    ("said", "installed"),
    [
        ({}, ()),
        ({"image": DISK}, (ONE,)),
        ({"image": DISK, "top": FALSE}, ()),
        ({"top": TRUE}, (ONE, TWO)),
        ({"top": TRUE, "second": FALSE}, (ONE,)),
        ({"top": FALSE, "second": TRUE}, (TWO,)),
        ({"second": TRUE, "image": DISK}, (ONE, TWO)),
        ({"toggles_netboot": True}, (ONE, TWO)),
        ({"toggles_netboot": True, "first": FALSE}, (TWO,)),
        ({"toggles_netboot": True, "top": FALSE}, ()),
    ],
)
def test_the_template_goes_first_then_the_request_then_the_images(said, installed):
    record = record_of(**said)
    assert record.installs_os == installed
    assert record.allows_netboot is said.get("toggles_netboot", False)


@pytest.mark.parametrize(
    "image",
    [
        "image2disk",
        "image2disk:v1.0.0",
        "localhost:5000/a/b/image2disk",
        "registry.example/x/image2disk:latest@sha256:" + "0" * 64,
    ],
)
def test_an_image_is_known_by_the_last_part_of_its_name(image):
    assert known_images.is_disk_writer(image)


@pytest.mark.parametrize("image", ["image2disk/tool", "my-image2disk", "image2disk2", "rootio", ""])
def test_other_images_are_not(image):
    assert not known_images.is_disk_writer(image)


def test_a_record_that_does_not_say_is_judged_by_its_images():
    actions = (builders.action(0, ONE), builders.action(1, TWO, image=DISK))
    record = builders.record(ONE, TWO, actions=actions)
    assert record.installs_os is None and installed_machines(record) == (TWO,)
    assert installed_machines(replace(record, installs_os=())) == ()


@pytest.mark.parametrize(
    ("old", "new", "background"),
    [
        ("", "", [1]),  # reboot is the first machine's last action
        ("image: reboot}", "image: reboot, background: false}", []),
        ("image: alpine}", "image: 'x/kexec:v1'}", [1]),  # it is not the last
        ("image: cexec}", "image: 'h:5000/y/waitdaemon@sha256:" + "0" * 64 + "'}", [1, 2]),
        ("image: alpine}", "image: alpine, background: true}", [0, 1]),
    ],
)
def test_an_action_that_ends_the_machine_runs_in_the_background(old, new, background):
    text = TEXT.format(top="", first="", second="", image="alpine").replace(old, new, 1)
    devices: dict[str, Any] = {"device_1": MACS[ONE], "device_2": MACS[TWO]}
    wish = request(template="install", devices=devices)
    site = Site(hardware(ONE), hardware(TWO), template(text, name="install"), wish)
    (created,) = site.plan.creations
    found = [action.index for action in created.record.actions if action.background]
    assert found == background
