"""What was noted of the time that passed is read back, or nothing is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from provisioner.store.upkeep import elapsed
from provisioner.store.upkeep.elapsed import Elapsed
from tests import builders

NOTE = {
    builders.WORKFLOW: Elapsed(
        action_index=1, attempt=2, step_seconds=12.5, workflow_seconds=3_600.0
    )
}


def test_a_note_is_read_back_and_replaces_the_one_before(tmp_path: Path) -> None:
    elapsed.write(tmp_path, {})
    elapsed.write(tmp_path, NOTE)
    assert elapsed.read(tmp_path) == NOTE
    assert [each.name for each in tmp_path.iterdir()] == [elapsed.FILE]
    elapsed.write(tmp_path, {})
    assert elapsed.read(tmp_path) == {}


def test_without_a_note_there_is_nothing_to_tell(tmp_path: Path, caplog) -> None:
    assert elapsed.read(tmp_path / "missing") == {}
    assert not caplog.records


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"version": 2, "workflows": {}}',
        b'{"version": 1}',
        b'{"version": 1, "workflows": []}',
        b'{"version": 1, "workflows": {"x": [0, 1, 2]}}',
        b'{"version": 1, "workflows": {"x": [0, 1, -2, 3]}}',
        b'{"version": 1, "workflows": {"x": [0, 1, NaN, 3]}}',
        b'{"version": 1, "workflows": {"x": [0, 1, 1e300, 3]}}',
        b'{"version": 1, "workflows": {"x": [0, true, 2, 3]}}',
        b'{"version": 1, "workflows": {"x": ["0", 1, 2, 3]}}',
    ],
)
def test_a_damaged_note_counts_for_nothing_and_is_logged(tmp_path, caplog, content) -> None:
    (tmp_path / elapsed.FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert elapsed.read(tmp_path) == {}
    assert "timeouts count from now" in caplog.text


def test_a_folder_that_takes_no_note_keeps_the_last_one(tmp_path, monkeypatch) -> None:
    elapsed.write(tmp_path, NOTE)

    def full(self: Path, text: str) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        elapsed.write(tmp_path, {})
    assert elapsed.read(tmp_path) == NOTE
    assert [each.name for each in tmp_path.iterdir()] == [elapsed.FILE]
