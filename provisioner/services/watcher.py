"""Notices that a branch may have moved.

watchdog reports at once that something happened to the files of the refs; that is a hint
only (reading a ref emits events too, and some file systems report nothing), so the one who
waits looks at the commit ids, and looks every few seconds anyway.

The status branch lies in the same folder.  While that moves, the folder is looked at as
well: watchdog holds every event back for half a second behind a file that left the folder.
And where it moves often the folder is not watched at all, since each notification costs
more than to make it (1.5 ms of processor time).
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

LOOK_SECONDS = 0.05  # between two looks
_BUSY_EVENTS = 20  # of other branches, in a row: from then on the folder is not watched
_QUIET_SECONDS = 1.0  # without a move, and to watch it is enough again
# How git moves and removes a ref; the kernel is asked for no more.
_TELLING: list[type[FileSystemEvent]] = [FileMovedEvent, FileDeletedEvent]

_LOG = logging.getLogger(__name__)


class RefWatcher(FileSystemEventHandler):
    """`wait` returns when there is a hint, when `wake` is called, or after a while.

    `wait` and `close` are for one thread.
    """

    def __init__(self, git_dir: Path, branch: str) -> None:
        self._hinted = threading.Event()
        self._stirred = threading.Event()  # a hint, or the first event of another branch
        self._ref = git_dir / "refs" / "heads" / branch
        self._packed = git_dir / "packed-refs"
        self._names = frozenset({self._ref.name, self._packed.name})
        self._other_events = 0  # since the folder was quiet
        self._seen = self._signature()
        self._observer: BaseObserver | None = None
        self._watch: ObservedWatch | None = None
        observer = Observer()
        try:
            for folder in (git_dir, self._ref.parent):
                folder.mkdir(parents=True, exist_ok=True)
                self._watch = self._watched(observer, folder)
            observer.start()
        except OSError as error:
            _LOG.warning(
                "file system notifications are not available (%s); polling the branch", error
            )
        else:
            self._observer = observer

    def on_any_event(self, event: FileSystemEvent) -> None:
        names = {str(each).rpartition("/")[2] for each in (event.src_path, event.dest_path)}
        if not names.isdisjoint(self._names):
            self.wake()
            return
        self._other_events += 1
        if self._other_events == 1:
            self._stirred.set()  # whoever waits looks from now on

    def wake(self) -> None:
        self._hinted.set()
        self._stirred.set()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        if not self._other_events:
            self._stirred.wait(seconds)
        self._stirred.clear()
        if self._other_events and self._observer is not None:
            self._look(self._observer, end)
        self._hinted.clear()
        self._seen = self._signature()  # before the caller looks: what comes after is news

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _watched(self, observer: BaseObserver, folder: Path) -> ObservedWatch:
        return observer.schedule(self, str(folder), recursive=False, event_filter=_TELLING)

    def _look(self, observer: BaseObserver, end: float) -> None:
        """Wait for a hint, the ref to look different, or the time to be over."""
        folder, now = _stamp(self._ref.parent), time.monotonic()
        moved_at = now
        while now < end and not self._hinted.wait(min(LOOK_SECONDS, end - now)):
            if self._signature() != self._seen:
                return
            if self._watch is not None and self._other_events > _BUSY_EVENTS:
                observer.unschedule(self._watch)
                self._watch = None
            last, folder, now = folder, _stamp(self._ref.parent), time.monotonic()
            if last != folder:
                moved_at = now
            elif self._other_events and now - moved_at > _QUIET_SECONDS:
                self._other_events = 0
                if self._watch is None:
                    # What happens before it is watched again is seen by one more look.
                    self._watch = self._watched(observer, self._ref.parent)

    def _signature(self) -> tuple[object, object]:
        return _stamp(self._ref), _stamp(self._packed)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when something is renamed to this path, or into this folder."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
