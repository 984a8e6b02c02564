"""Do the guards of conftest.py bite?"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest


def test_a_test_without_a_marker_reaches_no_network():
    with socket.socket() as plug, pytest.raises(BaseException, match="mark the test"):
        plug.connect(("127.0.0.1", 9))


def test_a_test_without_a_marker_reaches_no_engine():
    with (
        socket.socket(socket.AF_UNIX) as plug,
        pytest.raises(BaseException, match="docker"),
    ):
        plug.connect("/var/run/docker.sock")


def test_a_test_without_a_marker_does_not_sleep():
    with pytest.raises(BaseException, match="wait for an event"):
        time.sleep(0.001)


@pytest.mark.waits
def test_a_marked_test_may_sleep():
    time.sleep(0)


def test_no_test_sees_the_home_folder_of_a_person():
    assert Path.home() == Path(os.environ["HOME"])
    assert Path.home().name == "home0"


def test_git_has_a_fixed_identity_and_no_configuration(site):
    assert site("log", "-1", "--format=%an <%ae>") == "Test <test@localhost>\n"
    config = subprocess.run(
        ["git", "config", "--global", "--list"], capture_output=True, text=True, check=False
    )
    assert config.stdout == ""
