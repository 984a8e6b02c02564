"""Has somebody perhaps moved a branch?

watchdog tells at once that something happened to the files of the refs; that is a hint
only (reading a ref emits events too, and some file systems tell nothing), so the one who
waits looks at the commit ids, and looks every few seconds anyway.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from watchdog.events import (
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_LOG = logging.getLogger(__name__)
# How git moves and removes a ref.  The kernel is asked for no more: the status branch lies in
# the same folder, and each of its groups opens, reads and closes files there.
_TELLING: list[type[FileSystemEvent]] = [FileMovedEvent, FileDeletedEvent]


class RefWatcher(FileSystemEventHandler):
    """`wait` returns when there is a hint, when `wake` is called, or after a while."""

    def __init__(self, git_dir: Path, branch: str) -> None:
        self._hinted = threading.Event()
        self._names = frozenset({branch.rpartition("/")[2], "packed-refs"})
        self._observer: BaseObserver | None = None
        folders = (git_dir, (git_dir / "refs" / "heads" / branch).parent)
        observer = Observer()
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                observer.schedule(self, str(folder), recursive=False, event_filter=_TELLING)
            observer.start()
        except OSError as error:
            _LOG.warning("no hints of the file system (%s); the branch is polled", error)
        else:
            self._observer = observer

    def on_any_event(self, event: FileSystemEvent) -> None:
        names = {str(each).rpartition("/")[2] for each in (event.src_path, event.dest_path)}
        if not names.isdisjoint(self._names):
            self._hinted.set()

    def wake(self) -> None:
        self._hinted.set()

    def wait(self, seconds: float) -> None:
        self._hinted.wait(seconds)
        self._hinted.clear()

    def close(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
