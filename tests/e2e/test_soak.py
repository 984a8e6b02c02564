"""A few seconds of the soak that docs/reliability.md tells of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLOW = os.environ.get("TINK_SLOW") == "1"


@pytest.mark.network
def test_honest_machines_are_served_and_memory_stays_flat_among_hostile_clients():
    words = ["--seconds", "120" if SLOW else "7", "--workflows", "2000" if SLOW else "150"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *words, "--machines", "6", "--attackers", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attacks" in done.stdout
