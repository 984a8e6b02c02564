"""docs/http-api.md tells the truth."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from provisioner.faces.http import app, errors
from worker import wire

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http-api.md").read_text()
ROUTES = [f"{route.method} {route.rule}" for _, routes in app.BLUEPRINTS for route in routes]


def test_the_page_has_every_route_and_no_other():
    told = re.findall(r"^\| `((?:GET|POST|PUT) [^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(told) == sorted(ROUTES)


@pytest.mark.parametrize("kind", [wire.Offer, wire.Report, wire.Acknowledgement])
def test_its_messages_are_of_the_contract(kind):
    names = [each.name for each in fields(kind)]
    examples = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    [example] = [each for each in examples if list(each) == names]
    assert wire.from_mapping(kind, example)


def test_the_page_has_every_error():
    told = set(re.findall(r"^\| (\d{3}) \| (.+?) \|", PAGE, re.MULTILINE))
    codes = {
        (int(status), code) for status, names in told for code in re.findall(r"`([^`]+)`", names)
    }
    known = {(status, code) for _, status, code in errors.STATUS_OF}
    assert codes == known | {(405, "method-not-allowed"), (421, "misdirected"), (500, "internal")}
