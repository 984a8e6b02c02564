"""A process whose wall clock a test sets, while its monotonic one goes on (Debian's faketime)."""

from __future__ import annotations

from pathlib import Path

import pytest

_LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class FakeClock:
    """`environment` is for the processes that live by it."""

    def __init__(self, file: Path, offset: str = "+0") -> None:
        found = sorted(Path("/").glob(_LIBRARIES[1:]))
        if not found:
            pytest.fail("faketime is missing: make packages")
        self._file = file
        self.set(offset)
        self.environment = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Let it be so much ahead of the true time: `+900d`, `-2h`."""
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.replace(self._file)
