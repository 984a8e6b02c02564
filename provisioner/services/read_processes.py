"""Starts the processes that only read, and restarts those that died.

One thread owns them all.  A process ends when its standard input does, so none outlives
this one, whatever becomes of it.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 0.2
# Endless, and without jitter: there are a few on one machine, and the writer misses none.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
SOUND_SECONDS = 60.0  # one that lived so long starts again without delay
END_SECONDS = 15.0  # for answers under way; longer than the HTTP server's own patience

_LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Place:
    """One of the processes that should be, and when it may be started (again)."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS


class ReadProcesses:
    """Runs `count` processes of `command` until `close`."""

    def __init__(self, command: Sequence[str], *, count: int, folder: Path) -> None:
        """`folder` is where they work, for `python -m` to find the same package."""
        self._command = tuple(command)
        self._folder = folder
        self._places = [_Place(number=number) for number in range(1, count + 1)]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-processes")
        self._thread.start()

    def close(self) -> None:
        """End them all, and wait for it."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                for place in self._places:
                    self._look_after(place)
                if self._closed.wait(LOOK_SECONDS):
                    break
        finally:
            self._end_all()

    def _look_after(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            status = place.process.poll()
            if status is None:
                return
            _close_pipe(place.process)
            place.process = None
            if now - place.started_at > SOUND_SECONDS:
                place.pause_seconds = FIRST_PAUSE_SECONDS
            place.due_at = now + place.pause_seconds
            _LOG.warning(
                "read process %d ended with status %d; it starts again in %.1f s",
                *(place.number, status, place.pause_seconds),
            )
            place.pause_seconds = min(2 * place.pause_seconds, LONGEST_PAUSE_SECONDS)
        if now < place.due_at:
            return
        place.started_at = now
        try:
            place.process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd=self._folder,
            )
        except OSError as error:  # no memory, no processes left
            place.due_at = now + place.pause_seconds
            place.pause_seconds = min(2 * place.pause_seconds, LONGEST_PAUSE_SECONDS)
            _LOG.warning("read process %d does not start: %s", place.number, error)

    def _end_all(self) -> None:
        running = [place.process for place in self._places if place.process is not None]
        for process in running:
            _close_pipe(process)
        give_up = time.monotonic() + END_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
