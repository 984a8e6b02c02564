"""At which of our addresses a machine is told to go on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from provisioner.config import BootSettings
from provisioner.faces.http import source


@pytest.mark.parametrize(
    ("host", "url", "told"),
    [
        ("192.168.1.1", "", "http://192.168.1.1:42114"),
        ("fd00::1", "", "http://[fd00::1]:42114"),
        ("FD00:0::1", "", "http://[fd00::1]:42114"),
        ("::ffff:192.168.1.1", "", "http://192.168.1.1:42114"),  # a socket of both families
        ("fd00::1", "http://tink.example", "http://tink.example"),
    ],
)
def test_a_machine_is_sent_to_the_address_that_it_used_unless_one_is_set(host, url, told):
    booting = SimpleNamespace(settings=BootSettings(url=url))
    call = SimpleNamespace(server=(host, 42114))
    assert source.server_url(cast(Any, booting), cast(Any, call)) == told
