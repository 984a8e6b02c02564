"""Has somebody perhaps moved a branch?

watchdog tells at once that something happened to the files of the refs; that is a hint
only (reading a ref emits events too, and some file systems tell nothing), so the one who
waits looks at the commit ids, and looks every few seconds anyway.

The status branch lies in the same folder.  While the server moves it often, each move
would cost more to be told of than to be made (1.5 ms of processor time): then the folder
is not watched but looked at.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from watchdog.events import (
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

LOOK_SECONDS = 0.05  # between two looks at a folder that is not watched
_BUSY_EVENTS = 20  # of other branches, between two waits
_QUIET_SECONDS = 1.0  # without a move, and the folder is watched again
# How git moves and removes a ref; the kernel is asked for no more.
_TELLING: list[type[FileSystemEvent]] = [FileMovedEvent, FileDeletedEvent]

_LOG = logging.getLogger(__name__)

_Signature = tuple[object, ...]


class RefWatcher(FileSystemEventHandler):
    """`wait` returns when there is a hint, when `wake` is called, or after a while.

    `wait` and `close` are for one thread.
    """

    def __init__(self, git_dir: Path, branch: str) -> None:
        self._hinted = threading.Event()
        self._ref = git_dir / "refs" / "heads" / branch
        self._packed = git_dir / "packed-refs"
        self._names = frozenset({self._ref.name, self._packed.name})
        self._other_events = 0
        self._is_busy = False
        self._observer: BaseObserver | None = None
        self._watch: ObservedWatch | None = None
        self._seen: _Signature = ()
        observer = Observer()
        try:
            for folder in (git_dir, self._ref.parent):
                folder.mkdir(parents=True, exist_ok=True)
                self._watch = self._watched(observer, folder)
            observer.start()
        except OSError as error:
            _LOG.warning("no hints of the file system (%s); the branch is polled", error)
        else:
            self._observer = observer

    def on_any_event(self, event: FileSystemEvent) -> None:
        names = {str(each).rpartition("/")[2] for each in (event.src_path, event.dest_path)}
        if not names.isdisjoint(self._names):
            self._hinted.set()
            return
        self._other_events += 1
        if self._other_events > _BUSY_EVENTS:
            self._is_busy = True
            self._hinted.set()

    def wake(self) -> None:
        self._hinted.set()

    def wait(self, seconds: float) -> None:
        self._other_events = 0
        if self._is_busy and self._observer is not None:
            self._look(self._observer, seconds)
        else:
            self._hinted.wait(seconds)
        self._hinted.clear()

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _watched(self, observer: BaseObserver, folder: Path) -> ObservedWatch:
        return observer.schedule(self, str(folder), recursive=False, event_filter=_TELLING)

    def _look(self, observer: BaseObserver, seconds: float) -> None:
        """Wait without being told of every move in the folder."""
        if self._watch is not None:
            observer.unschedule(self._watch)
            self._watch = None
        folder, now = _stamp(self._ref.parent), time.monotonic()
        end, moved_at = now + seconds, now
        while self._seen == (seen := (_stamp(self._ref), _stamp(self._packed))):
            if now >= end or self._hinted.wait(min(LOOK_SECONDS, end - now)):
                return
            last, folder, now = folder, _stamp(self._ref.parent), time.monotonic()
            if last != folder:
                moved_at = now
            elif now - moved_at > _QUIET_SECONDS:
                # What happens before it is watched again is seen by the look that follows.
                self._is_busy = False
                self._watch = self._watched(observer, self._ref.parent)
                return
        self._seen = seen


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when something is renamed to this path, or into this folder."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
